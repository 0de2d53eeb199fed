import { describe, expect, it } from "vitest";
import type { ChannelAnswer } from "../sdk/index";
import { canonicalChannel, Follower } from "../sdk/index";
import { CHANNEL, event } from "./support";

const answer = (parts: Partial<ChannelAnswer>): ChannelAnswer => ({
  recovered: true,
  events: [],
  more: false,
  epoch: 1,
  offset: 0,
  ...parts,
});
const following = (offset: number): Follower => new Follower(CHANNEL, { epoch: 1, offset });
const offsets = (events: { offset: number | null }[]): (number | null)[] =>
  events.map((each) => each.offset);

describe("names", () => {
  it("have ids in lower case, as in events", () => {
    const id = "01976f2e-0000-7000-8000-00000000000d";
    expect(canonicalChannel(`availability:dentist:${id.toUpperCase()}`)).toBe(
      `availability:dentist:${id}`,
    );
    for (const name of ["availability:all", "hub:status", "Page", "x:ABC", ""])
      expect(canonicalChannel(name)).toBe(name);
  });
});

describe("live events", () => {
  it("are handed over in order, once", () => {
    const follower = following(4);
    expect(offsets(follower.received(event(5)).deliver)).toEqual([5]);
    expect(follower.received(event(5)).deliver).toEqual([]);
    expect(follower.received(event(3)).deliver).toEqual([]);
    expect(follower.duplicates).toBe(2);
  });

  it("are held back behind a gap, which is asked for once", () => {
    const follower = following(4);
    expect(follower.received(event(7))).toEqual({ deliver: [], request: true, refetch: false });
    expect(follower.received(event(8)).request).toBe(false);
    const step = follower.caughtUp(
      answer({ events: [5, 6, 7, 8].map((each) => event(each)), offset: 8 }),
    );
    expect(offsets(step.deliver)).toEqual([5, 6, 7, 8]);
    expect(step.request).toBe(false);
  });

  it("of another epoch mean that history was lost", () => {
    const follower = following(4);
    expect(follower.received(event(5, 2)).request).toBe(true);
    expect(follower.caughtUp(answer({ recovered: false, epoch: 2, offset: 9 })).refetch).toBe(true);
    expect(follower.position).toEqual({ epoch: 2, offset: 9 });
  });

  it("without an offset are ephemeral and always new", () => {
    const ephemeral = { ...event(1), offset: null, epoch: null };
    const follower = new Follower("hub:status");
    expect(follower.received(ephemeral).deliver).toHaveLength(1);
    expect(follower.received(ephemeral).deliver).toHaveLength(1);
  });
});

describe("answers", () => {
  it("that have more are asked on", () => {
    const step = following(0).caughtUp(
      answer({ events: [event(1), event(2)], more: true, offset: 2 }),
    );
    expect(offsets(step.deliver)).toEqual([1, 2]);
    expect(step.request).toBe(true);
  });

  it("with a gap deliver what comes before it and ask again", () => {
    const step = following(0).caughtUp(answer({ events: [event(1), event(3)], offset: 3 }));
    expect(offsets(step.deliver)).toEqual([1]);
    expect(step.request).toBe(true);
  });

  it("whose position is ahead of their events ask again", () => {
    expect(following(4).caughtUp(answer({ offset: 6 })).request).toBe(true);
  });
});

it("a position ahead tells of a lost last event", () => {
  const follower = following(4);
  expect(follower.positionReported({ epoch: 1, offset: 4 }).request).toBe(false);
  expect(follower.positionReported({ epoch: 1, offset: 5 }).request).toBe(true);
});

it("a list read for an older position needs the events since then", () => {
  const follower = following(9);
  expect(follower.rewind({ epoch: 1, offset: 12 })).toBe(false);
  expect(follower.position).toEqual({ epoch: 1, offset: 9 });
  expect(follower.rewind({ epoch: 1, offset: 6 })).toBe(true);
  expect(follower.position).toEqual({ epoch: 1, offset: 6 });
});
