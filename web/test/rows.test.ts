import { expect, it } from "vitest";
import { Rows } from "../sdk/index";

interface Row {
  id: string;
  version: number;
  start: string;
}

const row = (version: number, start = "09:00"): Row => ({ id: "a", version, start });
const start = (rows: Rows<Row>): string | undefined => rows.view.get("a")?.start;

it("a higher version wins, whatever the order", () => {
  const rows = new Rows<Row>();
  expect(rows.apply(row(2, "10:00"))).toBe(true);
  expect(rows.apply(row(1, "09:00"))).toBe(false);
  expect(rows.apply(row(2, "11:00"))).toBe(false);
  expect(start(rows)).toBe("10:00");
});

it("a proposal shows at once and stays when the hub says yes", () => {
  const rows = new Rows<Row>();
  rows.apply(row(1));
  const ticket = rows.propose("a", { start: "12:00" });
  expect([start(rows), rows.pending("a")]).toEqual(["12:00", true]);
  rows.settle(ticket, row(2, "12:00"));
  expect([start(rows), rows.pending("a")]).toEqual(["12:00", false]);
});

it("a refused proposal rolls back to what the hub last said", () => {
  const rows = new Rows<Row>();
  rows.apply(row(1));
  const ticket = rows.propose("a", { start: "12:00" });
  rows.apply(row(2, "10:30")); // another user moved it meanwhile
  expect(start(rows)).toBe("12:00");
  rows.settle(ticket);
  expect(start(rows)).toBe("10:30");
});

it("two proposals of one row are settled each for itself", () => {
  const rows = new Rows<Row>();
  rows.apply(row(1));
  const [first, second] = [
    rows.propose("a", { start: "10:00" }),
    rows.propose("a", { start: "11:00" }),
  ];
  rows.settle(first);
  expect(start(rows)).toBe("11:00");
  rows.settle(second);
  expect(start(rows)).toBe("09:00");
});

it("a list removes what it does not have, but nothing that came while it was read", () => {
  const rows = new Rows<Row>();
  rows.apply(row(1));
  rows.apply({ id: "b", version: 1, start: "10:00" });
  rows.apply({ id: "c", version: 1, start: "99:00" });
  rows.replace([], (each) => each.start < "99", new Set(["b"]));
  expect([...rows.view.keys()]).toEqual(["b", "c"]);
});
