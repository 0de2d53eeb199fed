import { describe, expect, it } from "vitest";
import { blocks, DentistSlots, joined, nearest, refetchWindows } from "../sdk/index";
import { at, block, slot, type } from "./support";

const HOUR = [slot("09:00", "09:30"), slot("09:30", "10:00"), slot("10:00", "10:30")];
const NOW = Date.parse(at("08:00"));
const DAY = { start: at("00:00"), end: at("23:59") };
const starts = (found: readonly { start: string }[]): string[] =>
  found.map((each) => each.start.slice(11, 16));

const shown = (): DentistSlots => {
  const slots = new DentistSlots(type());
  slots.fetched(DAY, HOUR, { epoch: 1, offset: 10 });
  return slots;
};

describe("a block", () => {
  it("leaves back-to-back slots free", () => {
    expect(blocks(block("09:00", "09:30"), slot("09:30", "10:00"), type())).toBe(false);
    expect(blocks(block("09:00", "09:30"), slot("09:15", "09:45"), type())).toBe(true);
  });

  it("keeps the larger of the two facing buffers", () => {
    const after = block("09:00", "09:30", 0, 10);
    expect(blocks(after, slot("09:40", "10:10"), type(5))).toBe(false);
    expect(blocks(after, slot("09:39", "10:09"), type(5))).toBe(true);
    expect(blocks(block("10:00", "10:30", 5), slot("09:20", "09:50"), type(0, 15))).toBe(true);
    expect(blocks(block("10:00", "10:30", 5), slot("09:15", "09:45"), type(0, 15))).toBe(false);
  });
});

describe("what is shown", () => {
  it("is what was fetched, without what was taken since", () => {
    const slots = shown();
    slots.took([block("09:30", "10:00")], { epoch: 1, offset: 11 });
    expect(starts(slots.free(NOW, [], []))).toEqual(["09:00", "10:00"]);
  });

  it("does not subtract what the fetched slots knew already", () => {
    const slots = shown();
    slots.took([block("09:30", "10:00")], { epoch: 1, offset: 10 });
    expect(starts(slots.free(NOW, [], []))).toEqual(["09:00", "09:30", "10:00"]);
  });

  it("shows a time again when it was fetched again", () => {
    const slots = shown();
    slots.took([block("09:30", "10:00")], { epoch: 1, offset: 11 });
    slots.fetched({ start: at("09:15"), end: at("10:00") }, [slot("09:30", "10:00")], {
      epoch: 1,
      offset: 12,
    });
    expect(starts(slots.free(NOW, [], []))).toEqual(["09:00", "09:30", "10:00"]);
  });

  it("loses what a new answer does not have, inside its window only", () => {
    const slots = shown();
    slots.fetched({ start: at("09:15"), end: at("10:00") }, [], { epoch: 1, offset: 12 });
    expect(starts(slots.free(NOW, [], []))).toEqual(["09:00", "10:00"]);
  });

  it("keeps one's own held slot and hides what one has elsewhere", () => {
    const slots = shown();
    slots.took([block("09:30", "10:00")], { epoch: 1, offset: 11 });
    expect(starts(slots.free(NOW, [block("09:30", "10:00")], []))).toEqual([
      "09:00",
      "09:30",
      "10:00",
    ]);
    expect(starts(slots.free(NOW, [], [block("08:30", "09:15")]))).toEqual(["10:00"]);
  });

  it("ends with the time", () => {
    expect(starts(shown().free(Date.parse(at("09:30")), [], []))).toEqual(["10:00"]);
  });

  it("takes another epoch as news", () => {
    const slots = shown();
    slots.took([block("09:30", "10:00")], { epoch: 2, offset: 1 });
    expect(starts(slots.free(NOW, [], []))).toEqual(["09:00", "10:00"]);
  });
});

it("freed times are looked at with every slot that could touch them", () => {
  const windows = refetchWindows(
    [block("10:00", "10:30"), block("10:30", "11:00")],
    type(0, 5, 60),
    [type(0, 5), type(15)],
  );
  expect(windows).toEqual([{ start: "2027-03-08T08:45:00.000Z", end: "2027-03-08T11:15:00.000Z" }]);
});

it("joined keeps apart what does not touch", () => {
  expect(joined([block("11:00", "12:00"), block("09:00", "10:00")])).toHaveLength(2);
});

it("the nearest come in order of time, without the one that was wanted", () => {
  const wanted = slot("09:30", "10:00");
  expect(starts(nearest([...HOUR, slot("15:00", "15:30")], wanted, 2))).toEqual(["09:00", "10:00"]);
});
