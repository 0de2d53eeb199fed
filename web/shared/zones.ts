/** Times in words, always in a stated time zone. */

import { isAmerican, language, locale } from "./i18n";

export * from "./instants";

export const VIEWER_ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone;

const formats = new Map<string, Intl.DateTimeFormat>();

function format(
  instant: string | number,
  zone: string,
  options: Intl.DateTimeFormatOptions,
): string {
  const key = `${language.value}/${zone}/${JSON.stringify(options)}`;
  let known = formats.get(key);
  if (known === undefined) {
    known = new Intl.DateTimeFormat(locale(), { timeZone: zone, ...options });
    formats.set(key, known);
  }
  return known.format(typeof instant === "string" ? Date.parse(instant) : instant);
}

const CLOCK_24 = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" } as const;
const CLOCK_12 = { hour: "numeric", minute: "2-digit", hourCycle: "h12" } as const;

/** Of the hours beside a calendar. */
export const hourFormat = (): Intl.DateTimeFormatOptions =>
  isAmerican() ? { hour: "numeric", hourCycle: "h12" } : CLOCK_24;

export const clock = (instant: string, zone: string): string =>
  format(instant, zone, isAmerican() ? CLOCK_12 : CLOCK_24);
export const day = (instant: string, zone: string): string =>
  format(instant, zone, { weekday: "short", day: "numeric", month: "short" });
export const longDay = (instant: string, zone: string): string =>
  format(instant, zone, { weekday: "long", day: "numeric", month: "long" });
export const fullDay = (instant: string, zone: string): string =>
  format(instant, zone, { weekday: "long", day: "numeric", month: "long", year: "numeric" });
export const span = (start: string, end: string, zone: string): string =>
  `${clock(start, zone)} – ${clock(end, zone)}`;

/** A plain date (`2027-03-08`) in words. */
export const dateWords = (date: string, options: Intl.DateTimeFormatOptions): string =>
  format(`${date}T12:00:00Z`, "UTC", options);

/** The city of a zone: `Berlin` for `Europe/Berlin`. */
export const zoneName = (zone: string): string =>
  (zone.split("/").at(-1) ?? zone).replaceAll("_", " ");

/** The zone of a dentist's calendar; UTC while the dentist is unknown. */
export const zoneOf = (dentist: { time_zone: string | null } | undefined): string =>
  dentist?.time_zone ?? "UTC";
