/** When dentists work, as calendars draw it: wall times of a place. Pure. */

import type { Appointment, Availability, Closure, Interval, Slot, Window } from "../sdk/index";
import { earlier, instantOf, later, plusDays, startOfDay, wallTime } from "../shared/instants";
import { gapsOf, windowsOn } from "./hours-model";

/** The open intervals of a dentist on a date of the practice, as instants, in order. */
export function openOn(
  schedule: Availability,
  closures: readonly Closure[],
  date: string,
  zone: string,
): Interval[] {
  const [from, to] = [startOfDay(date, zone), startOfDay(plusDays(date, 1), zone)];
  const instant = (day: string, time: string): string =>
    time === "24:00"
      ? startOfDay(plusDays(day, 1), schedule.time_zone)
      : instantOf(`${day}T${time}`, schedule.time_zone);
  return [-1, 0, 1]
    .map((days) => plusDays(date, days)) // a dentist's zone may be another one
    .flatMap((day) =>
      windowsOn(schedule, day, closures).map((window) => ({
        start: instant(day, window.start),
        end: instant(day, window.end),
      })),
    )
    .map(({ start, end }) => ({ start: later(start, from), end: earlier(end, to) }))
    .filter(({ start, end }) => start < end);
}

/** When it is closed on a date, for the calendar's background. */
export function closedOn(open: readonly Interval[], date: string, zone: string): Window[] {
  const windows = open.map(({ start, end }) => ({
    start: wallTime(start, zone).slice(11),
    end: wallTime(end, zone).startsWith(date) ? wallTime(end, zone).slice(11) : "24:00",
  }));
  return gapsOf(date, windows);
}

/** The part of the day worth showing, `["07:00", "19:00"]`: open time and visits, with a margin. */
export function shownTimes(
  open: readonly Interval[],
  rows: readonly Appointment[],
  date: string,
  zone: string,
): readonly [string, string] {
  const all = [...open, ...rows];
  if (all.length === 0) return ["08:00", "18:00"];
  const hour = (instant: string): number => {
    const wall = wallTime(instant, zone);
    const time = Number(wall.slice(11, 13)) + Number(wall.slice(14)) / 60;
    return wall.slice(0, 10) > date ? 24 : wall.slice(0, 10) < date ? 0 : time;
  };
  const from = Math.max(Math.floor(Math.min(...all.map((each) => hour(each.start)))), 0);
  const to = Math.min(Math.ceil(Math.max(...all.map((each) => hour(each.end)))), 24);
  return [clockOf(from), clockOf(to)];
}

export type Doubt = "past" | "closed" | "taken";

/** What speaks against a visit at this place; the desk may go on all the same. */
export function doubts(
  place: Interval & { dentistId: string; id: string | null },
  open: readonly Interval[],
  rows: readonly Appointment[],
  now: string,
): Doubt[] {
  const inside = joined(open).some((each) => each.start <= place.start && place.end <= each.end);
  const taken = rows.some(
    (row) =>
      row.dentist_id === place.dentistId &&
      row.id !== place.id &&
      OCCUPYING.has(row.status) &&
      row.start < place.end &&
      place.start < row.end,
  );
  return [
    ...(place.start < now ? (["past"] as const) : []),
    ...(inside ? [] : (["closed"] as const)),
    ...(taken ? (["taken"] as const) : []),
  ];
}

/** The first free times, one for each half of a dentist's day, so that there is a choice. */
export function spread(slots: readonly Slot[], count: number, zone: string): Slot[] {
  const halves = new Map<string, Slot>();
  for (const slot of slots) {
    const wall = wallTime(slot.start, zone);
    const half = `${slot.dentist_id} ${wall.slice(0, 10)} ${wall.slice(11) < "12:00"}`;
    if (!halves.has(half)) halves.set(half, slot);
  }
  const chosen = [...halves.values()].slice(0, count);
  const others = slots.filter((each) => !chosen.includes(each));
  return [...chosen, ...others.slice(0, count - chosen.length)].sort((a, b) =>
    a.start.localeCompare(b.start),
  );
}

export const OCCUPYING: ReadonlySet<Appointment["status"]> = new Set([
  "held",
  "confirmed",
  "arrived",
  "checked_in",
  "completed",
]);

function joined(open: readonly Interval[]): Interval[] {
  const result: Interval[] = [];
  for (const each of [...open].sort((a, b) => a.start.localeCompare(b.start))) {
    const last = result.at(-1);
    if (last !== undefined && each.start <= last.end) last.end = later(last.end, each.end);
    else result.push({ ...each });
  }
  return result;
}

const clockOf = (hour: number): string => `${String(hour).padStart(2, "0")}:00`;
