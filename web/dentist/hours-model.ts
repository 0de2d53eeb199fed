/** A schedule as the editor and the calendar see it: wall times of its own zone. Pure. */

import type { Appointment, Availability, Closure, Weekday, Window } from "../sdk/index";
import { earlier, later, wallTime } from "../shared/instants";

export const WEEKDAYS: readonly Weekday[] = [
  "monday",
  "tuesday",
  "wednesday",
  "thursday",
  "friday",
  "saturday",
  "sunday",
];
const DAY_MINUTES = 1_440;

export const minutesOf = (time: string): number =>
  Number(time.slice(0, 2)) * 60 + Number(time.slice(3, 5));
export const timeOf = (minutes: number): string =>
  `${String(Math.floor(minutes / 60)).padStart(2, "0")}:${String(minutes % 60).padStart(2, "0")}`;

/**
 * The open windows of a date, in order: of its overrides, or else of its weekday, without time
 * off. None on a day on which the practice is closed.
 */
export function windowsOn(
  schedule: Availability,
  date: string,
  closures: readonly Closure[] = [],
): Window[] {
  if (closures.some((each) => each.start_date <= date && date <= each.end_date)) return [];
  const overrides = schedule.overrides.filter((each) => each.date === date);
  const weekday = WEEKDAYS[(new Date(`${date}T00:00:00Z`).getUTCDay() + 6) % 7];
  const windows =
    overrides.length > 0
      ? overrides.flatMap((each) => each.windows)
      : schedule.rules.filter((rule) => rule.weekday === weekday);
  const open = schedule.time_off
    .filter((each) => each.start_date <= date && date <= each.end_date)
    .reduce(
      (left, each) =>
        left.flatMap((window) =>
          without(window, {
            start: each.start_date === date ? each.start : "00:00",
            end: each.end_date === date ? each.end : "24:00",
          }),
        ),
      windows.map(({ start, end }) => ({ start, end })),
    );
  return open.sort((a, b) => a.start.localeCompare(b.start));
}

/** What is left of a window outside of another one. */
const without = (window: Window, off: Window): Window[] =>
  [
    { start: window.start, end: earlier(off.start, window.end) },
    { start: later(off.end, window.start), end: window.end },
  ].filter((each) => each.start < each.end);

/** When it is closed on these dates, as wall times for the calendar's background. */
export const closedTimes = (
  schedule: Availability,
  dates: readonly string[],
  closures: readonly Closure[] = [],
): Window[] => dates.flatMap((date) => gapsOf(date, windowsOn(schedule, date, closures)));

/** What lies between the windows of a date, which are in order, from its midnight to the next. */
export function gapsOf(date: string, windows: readonly Window[]): Window[] {
  const gaps: Window[] = [];
  let until = 0;
  for (const window of windows) {
    if (minutesOf(window.start) > until) gaps.push(gap(date, until, minutesOf(window.start)));
    until = Math.max(until, minutesOf(window.end));
  }
  return until < DAY_MINUTES ? [...gaps, gap(date, until, DAY_MINUTES)] : gaps;
}

const gap = (date: string, start: number, end: number): Window => ({
  start: `${date}T${timeOf(start)}:00`,
  end: end === DAY_MINUTES ? `${date}T23:59:59` : `${date}T${timeOf(end)}:00`,
});

/** The part of the day worth showing: opening hours and every row, with a margin. */
export function shownHours(
  schedule: Availability,
  rows: readonly Appointment[],
  zone: string,
): { from: string; to: string } {
  const windows = [...schedule.rules, ...schedule.overrides.flatMap((each) => each.windows)];
  const starts = [
    ...windows.map((each) => minutesOf(each.start)),
    ...rows.map((row) => minutesOf(wallTime(row.start, zone).slice(11))),
  ];
  const ends = [
    ...windows.map((each) => minutesOf(each.end)),
    ...rows.map((row) => minutesOf(wallTime(row.end, zone).slice(11))),
  ];
  if (starts.length === 0) return { from: "08:00", to: "18:00" };
  const from = Math.max(Math.floor(Math.min(...starts) / 60) - 1, 0);
  const to = Math.min(Math.ceil(Math.max(...ends) / 60) + 1, 24);
  return { from: timeOf(from * 60), to: timeOf(to * 60) };
}

/** The week as rows of the editor. */
export const windowsOf = (schedule: Availability, weekday: Weekday): Window[] =>
  schedule.rules
    .filter((rule) => rule.weekday === weekday)
    .map(({ start, end }) => ({ start, end }));

export function withWindows(
  schedule: Availability,
  weekday: Weekday,
  windows: readonly Window[],
): Availability {
  const others = schedule.rules.filter((rule) => rule.weekday !== weekday);
  const rules = [...others, ...windows.map((window) => ({ weekday, ...window }))];
  return {
    ...schedule,
    rules: rules.sort((a, b) => WEEKDAYS.indexOf(a.weekday) - WEEKDAYS.indexOf(b.weekday)),
  };
}

/** What to add to a day: after its last window, or a working morning. */
export function nextWindow(windows: readonly Window[]): Window {
  const last = Math.max(0, ...windows.map((each) => minutesOf(each.end)));
  if (last === 0) return { start: "09:00", end: "12:00" };
  const start = Math.min(last + 60, DAY_MINUTES - 60);
  return { start: timeOf(start), end: timeOf(Math.min(start + 4 * 60, DAY_MINUTES)) };
}

/** The first mistake that can be found without the hub; `null` if there is none. */
export function mistake(schedule: Availability): "order" | "overlap" | null {
  const days = [
    ...WEEKDAYS.map((day) => windowsOf(schedule, day)),
    ...schedule.overrides.map((each) => each.windows),
  ];
  for (const windows of days) {
    const sorted = [...windows].sort((a, b) => a.start.localeCompare(b.start));
    if (sorted.some((each) => each.end <= each.start)) return "order";
    if (
      sorted.some((each, number) => number > 0 && each.start < (sorted[number - 1] as Window).end)
    )
      return "overlap";
  }
  return null;
}
