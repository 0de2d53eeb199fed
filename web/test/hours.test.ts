import { expect, it } from "vitest";
import { closedTimes, mistake, nextWindow, windowsOn, withWindows } from "../dentist/hours-model";
import type { Availability } from "../sdk/index";

const SCHEDULE: Availability = {
  dentist_id: "d",
  time_zone: "Europe/Berlin",
  slot_step_minutes: 15,
  min_notice_minutes: 0,
  cancel_notice_minutes: 0,
  horizon_days: 365,
  rules: [
    { weekday: "monday", start: "13:00", end: "17:00" },
    { weekday: "monday", start: "09:00", end: "12:00" },
  ],
  overrides: [{ date: "2027-03-15", windows: [] }],
  time_off: [{ start_date: "2027-12-23", end_date: "2027-12-31", start: "00:00", end: "24:00" }],
  reserved_blocks: [],
  daily_limits: [],
  appointment_type_ids: null,
  version: 1,
};

it("a day has its weekday's windows, an override replaces them", () => {
  expect(windowsOn(SCHEDULE, "2027-03-08").map((each) => each.start)).toEqual(["09:00", "13:00"]);
  expect(windowsOn(SCHEDULE, "2027-03-15")).toEqual([]);
  expect(windowsOn(SCHEDULE, "2027-12-27")).toEqual([]);
});

it("closed is what is not open, to the end of the day", () => {
  expect(closedTimes(SCHEDULE, ["2027-03-08"])).toEqual([
    { start: "2027-03-08T00:00:00", end: "2027-03-08T09:00:00" },
    { start: "2027-03-08T12:00:00", end: "2027-03-08T13:00:00" },
    { start: "2027-03-08T17:00:00", end: "2027-03-08T23:59:59" },
  ]);
});

it("mistakes are seen before they are sent", () => {
  expect(mistake(SCHEDULE)).toBeNull();
  expect(mistake(withWindows(SCHEDULE, "monday", [{ start: "12:00", end: "09:00" }]))).toBe(
    "order",
  );
  expect(
    mistake(
      withWindows(SCHEDULE, "monday", [
        { start: "09:00", end: "12:00" },
        { start: "11:00", end: "13:00" },
      ]),
    ),
  ).toBe("overlap");
});

it("a new window follows the last one", () => {
  expect(nextWindow([])).toEqual({ start: "09:00", end: "12:00" });
  expect(nextWindow([{ start: "09:00", end: "12:00" }])).toEqual({ start: "13:00", end: "17:00" });
  expect(nextWindow([{ start: "09:00", end: "24:00" }]).end).toBe("24:00");
});
