import { expect, it } from "vitest";
import { closedOn, doubts, openOn, shownTimes, spread } from "../dentist/open";
import type { Appointment, Availability } from "../sdk/index";
import { slot } from "./support";

const MONDAY = "2027-03-08";
const SCHEDULE: Availability = {
  dentist_id: "d",
  time_zone: "Europe/Berlin",
  slot_step_minutes: 15,
  min_notice_minutes: 0,
  cancel_notice_minutes: 0,
  horizon_days: 365,
  rules: [
    { weekday: "monday", start: "08:00", end: "12:00" },
    { weekday: "monday", start: "12:00", end: "17:00" },
  ],
  overrides: [],
  time_off: [{ start_date: MONDAY, end_date: "2027-03-20", start: "15:00", end: "24:00" }],
  reserved_blocks: [],
  daily_limits: [],
  appointment_type_ids: null,
  version: 1,
};
const at = (clock: string): string => `${MONDAY}T${clock}:00Z`; // Berlin is an hour ahead
const open = openOn(SCHEDULE, [], MONDAY, "Europe/Berlin");
const row = (start: string, end: string, status = "confirmed"): Appointment =>
  ({ id: start, dentist_id: "d", start: at(start), end: at(end), status }) as Appointment;

it("a dentist works until the first hour of a vacation, and not in the rest of it", () => {
  expect(closedOn(open, MONDAY, "Europe/Berlin")).toEqual([
    { start: `${MONDAY}T00:00:00`, end: `${MONDAY}T08:00:00` },
    { start: `${MONDAY}T15:00:00`, end: `${MONDAY}T23:59:59` },
  ]);
  expect(openOn(SCHEDULE, [], "2027-03-15", "Europe/Berlin")).toEqual([]);
});

it("nobody works on a day on which the practice is closed", () => {
  const closure = { start_date: "2027-03-07", end_date: MONDAY, reason: null };
  expect(openOn(SCHEDULE, [closure], MONDAY, "Europe/Berlin")).toEqual([]);
});

it("hours of another zone are where they are at the practice", () => {
  const there = { ...SCHEDULE, time_zone: "America/New_York", time_off: [] };
  const [first] = closedOn(openOn(there, [], MONDAY, "Europe/Berlin"), MONDAY, "Europe/Berlin");
  expect(first).toEqual({ start: `${MONDAY}T00:00:00`, end: `${MONDAY}T14:00:00` });
});

it("the day shown holds every visit", () => {
  expect(shownTimes(open, [row("05:30", "06:00")], MONDAY, "Europe/Berlin")).toEqual([
    "06:00",
    "15:00",
  ]);
});

it("a place is doubted for the past, closed time and other visits, and not for itself", () => {
  const place = { dentistId: "d", id: "me", start: at("09:00"), end: at("09:30") };
  const now = at("08:00");
  expect(doubts(place, open, [], now)).toEqual([]);
  expect(doubts({ ...place, start: at("10:45"), end: at("11:15") }, open, [], now)).toEqual([]);
  expect(doubts({ ...place, end: at("15:00") }, open, [], now)).toEqual(["closed"]);
  expect(doubts(place, open, [], at("10:00"))).toEqual(["past"]);
  expect(doubts(place, open, [row("09:15", "10:00")], now)).toEqual(["taken"]);
  expect(doubts(place, open, [row("09:15", "10:00", "no_show")], now)).toEqual([]);
  expect(doubts({ ...place, id: "09:15" }, open, [row("09:15", "10:00")], now)).toEqual([]);
});

it("the next free times are spread over dentists and halves of days, the first one first", () => {
  const slots = ["07:00", "07:15", "07:30", "11:30", "11:45"].flatMap((clock) =>
    ["d", "e"].map((dentist) => slot(clock, clock, dentist)),
  );
  const shown = (count: number): string[] =>
    spread(slots, count, "Europe/Berlin").map(
      (each) => `${each.dentist_id} ${each.start.slice(11, 16)}`,
    );
  expect(shown(4)).toEqual(["d 07:00", "e 07:00", "d 11:30", "e 11:30"]);
  expect(shown(5)).toEqual(["d 07:00", "e 07:00", "d 07:15", "d 11:30", "e 11:30"]);
});
