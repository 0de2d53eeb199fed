/** Instants and wall times. Pure; the words are in `zones.ts`. */

import { Temporal } from "temporal-polyfill";

let clock = (): number => Date.now();

/** From now on time is what `source` shows, the hub's clock: a device's own may be days off. */
export function setClock(source: () => number): void {
  clock = source;
}

export const nowMs = (): number => clock();
export const now = (): string => new Date(clock()).toISOString();
export const today = (zone: string): string => dateAt(now(), zone);
export const plusDays = (date: string, days: number): string =>
  Temporal.PlainDate.from(date).add({ days }).toString();
export const plusMonths = (date: string, months: number): string =>
  Temporal.PlainDate.from(date).add({ months }).toString();
export const mondayOf = (date: string): string =>
  plusDays(date, 1 - Temporal.PlainDate.from(date).dayOfWeek);

/** Whether a text is a date that exists, `2027-03-08`. */
export function isDate(text: string): boolean {
  try {
    return Temporal.PlainDate.from(text).toString() === text;
  } catch {
    return false;
  }
}

/** The date that an instant has at a place. */
export const dateAt = (instant: string, zone: string): string =>
  Temporal.Instant.from(instant).toZonedDateTimeISO(zone).toPlainDate().toString();

/** `2027-03-08T09:30` at a place, for an input. */
export const wallTime = (instant: string, zone: string): string =>
  Temporal.Instant.from(instant)
    .toZonedDateTimeISO(zone)
    .toPlainDateTime()
    .toString({ smallestUnit: "minute" });

/** The instant of a wall time at a place; one that occurs twice is the first. */
export const instantOf = (wall: string, zone: string): string =>
  Temporal.PlainDateTime.from(wall).toZonedDateTime(zone).toInstant().toString();

export const startOfDay = (date: string, zone: string): string =>
  Temporal.PlainDate.from(date).toZonedDateTime(zone).toInstant().toString();

/** The place's distance from UTC at an instant, e.g. `+02:00`. */
export const offsetAt = (instant: string, zone: string): string =>
  Temporal.Instant.from(instant).toZonedDateTimeISO(zone).offset;

const OFFSET_MAX_MINUTES = 99 * 60;

/**
 * The distance, e.g. `-46:00`, at which the device's clock shows the place's time: that of the
 * zone, and what the device's clock is wrong by.
 */
export function clockOffset(zone: string): string {
  const zoned = Temporal.Instant.from(now()).toZonedDateTimeISO(zone);
  const wrongMs = clock() - Date.now();
  const minutes = Math.round(zoned.offsetNanoseconds / 6e10 + wrongMs / 60_000);
  const most = Math.min(Math.abs(minutes), OFFSET_MAX_MINUTES);
  const digits = (value: number): string => String(value).padStart(2, "0");
  return `${minutes < 0 ? "-" : "+"}${digits(Math.floor(most / 60))}:${digits(most % 60)}`;
}

export const plusMinutes = (instant: string, minutes: number): string =>
  Temporal.Instant.from(instant).add({ minutes }).toString();

export const minutesBetween = (start: string, end: string): number =>
  (Date.parse(end) - Date.parse(start)) / 60_000;
/** Of two instants in the hub's form, or two times of day. */
export const later = (one: string, other: string): string => (one > other ? one : other);
export const earlier = (one: string, other: string): string => (one < other ? one : other);
