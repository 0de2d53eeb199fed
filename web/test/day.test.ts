import { expect, it } from "vitest";
import { late, minutesSince, present, refill, unconfirmed } from "../desk/day";
import type { Appointment } from "../sdk/index";
import { at } from "./support";

const row = (start: string, status: string, more: Partial<Appointment> = {}): Appointment =>
  ({
    id: `${start} ${status}`,
    dentist_id: "d",
    start: at(start),
    end: at(`${start.slice(0, 3)}59`),
    status,
    updated_at: at(start),
    ...more,
  }) as Appointment;

it("who waits longest is first, in whole minutes by the hub's clock", () => {
  const rows = [
    row("09:00", "arrived", { updated_at: at("08:55") }),
    row("10:00", "checked_in", { updated_at: at("08:30") }),
    row("11:00", "confirmed"),
  ];
  expect(present(rows).map((each) => each.status)).toEqual(["checked_in", "arrived"]);
  expect(minutesSince(at("08:30"), "2027-03-08T09:00:59.500Z")).toBe(30);
  expect(minutesSince(at("09:00"), at("08:59"))).toBe(0);
});

it("a patient is late after five minutes, until the visit would be over", () => {
  const rows = [row("09:00", "confirmed"), row("09:00", "arrived")];
  expect(late(rows, at("09:04"))).toEqual([]);
  expect(late(rows, at("09:05"))).toHaveLength(1);
  expect(late(rows, at("10:00"))).toEqual([]);
});

it("a cancelled time is to be filled until it passes or somebody has it", () => {
  const gone = row("09:00", "cancelled");
  expect(refill([gone, { ...gone, id: "twice" }], at("08:00"))).toHaveLength(1);
  expect(refill([gone], at("09:30"))).toEqual([]);
  expect(refill([gone, row("09:15", "held")], at("08:00"))).toEqual([]);
  expect(refill([gone, row("09:15", "held", { dentist_id: "e" })], at("08:00"))).toEqual([gone]);
});

it("who was asked and has not answered is to be called", () => {
  const asked = row("09:00", "confirmed");
  const sure = row("10:00", "confirmed", { patient_confirmed_at: at("08:00") });
  const rows = [asked, sure, row("11:00", "confirmed"), row("12:00", "cancelled")];
  const ids = new Set(rows.filter((each) => each.start !== at("11:00")).map((each) => each.id));
  expect(unconfirmed(rows, ids, at("08:00"))).toEqual([asked]);
  expect(unconfirmed(rows, ids, at("09:00"))).toEqual([]);
});
