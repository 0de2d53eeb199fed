import { expect, it } from "vitest";
import { missingOf, NO_DETAILS, toSave } from "../patient/details";
import { addressOf, type Route, routeOf } from "../patient/route";
import type { Profile } from "../sdk/index";

const read = (address: string): Route => {
  const { pathname, searchParams } = new URL(address, "https://hub.example");
  return routeOf(pathname, searchParams);
};

it("an address leads back to its place", () => {
  const search = { type: "t", dentist: "d", time: "morning", from: "2027-03-08" } as const;
  for (const route of [
    { is: "find", search },
    { is: "move", id: "v", search: { day: "2027-03-09" } },
    { is: "mine" },
    { is: "profile" },
  ] as const)
    expect(read(addressOf(route))).toEqual(route);
});

it("what an address says wrongly is left out", () => {
  expect(read("/patient?time=noon&from=2027-02-30&day=x&type=&more=1")).toEqual({
    is: "find",
    search: {},
  });
});

const me = { name: "Unnamed patient", phone: null, email: null, date_of_birth: null };

it("a first visit saves what was missing and typed, and needs a way to reach the patient", () => {
  const missing = missingOf(me as Profile, true);
  expect(missing).toEqual({ name: true, contact: true, date_of_birth: true });
  expect(toSave(missing, { ...NO_DETAILS, name: "Greta" })).toBeNull();
  expect(toSave(missing, { ...NO_DETAILS, name: " Greta ", email: "g@example.org" })).toEqual({
    name: "Greta",
    email: "g@example.org",
  });
  const known = missingOf({ ...me, name: "Greta", phone: "1" } as Profile, false);
  expect(toSave(known, { ...NO_DETAILS, phone: "2" })).toEqual({});
});
