import { expect, it } from "vitest";
import { icsText } from "../shared/ics";

const ENTRY = {
  id: "a1",
  version: 3,
  start: "2027-03-08T09:00:00Z",
  end: "2027-03-08T09:30:00Z",
  summary: "Check-up · Dr. Müller; room 2, left",
};
const NOW = new Date("2027-03-01T08:00:00Z");

it("is one event in UTC, with the appointment's version as its sequence", () => {
  const text = icsText(ENTRY, NOW);
  const lines = ["SEQUENCE:3", "DTSTAMP:20270301T080000Z", "DTSTART:20270308T090000Z"];
  expect(text).toContain(
    ["", "UID:a1@chairside", ...lines, "DTEND:20270308T093000Z", ""].join("\r\n"),
  );
  expect(text.endsWith("END:VCALENDAR\r\n")).toBe(true);
});

it("escapes what would end a value", () => {
  const text = icsText({ ...ENTRY, description: "one\ntwo\\three" }, NOW);
  expect(text).toContain("SUMMARY:Check-up · Dr. Müller\\; room 2\\, left");
  expect(text).toContain("DESCRIPTION:one\\ntwo\\\\three");
});

it("has no line that a text began", () => {
  const summary = "a\rSTATUS:CANCELLED\r\nb\u2028c\u2029d\x85e\x0bf\x0cg\x00h\x1bi\tj";
  const text = icsText({ ...ENTRY, summary }, NOW);
  expect(text).toContain("SUMMARY:a\\nSTATUS:CANCELLED\\nb\\nc\\nd\\ne\\nf\\nghi\tj\r\n");
  expect(text.split(/\r\n|[\r\n\x85\u2028\u2029]/)).toHaveLength(15);
});

it("folds lines at 75 octets and parts no character", () => {
  const text = icsText({ ...ENTRY, summary: "ü".repeat(100) }, NOW);
  const lines = text.split("\r\n");
  expect(
    Math.max(...lines.map((line) => new TextEncoder().encode(line).length)),
  ).toBeLessThanOrEqual(75);
  expect(text.replaceAll("\r\n ", "")).toContain(`SUMMARY:${"ü".repeat(100)}\r\n`);
});
