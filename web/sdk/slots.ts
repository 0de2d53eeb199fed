/**
 * Which slots are free: fetched − taken − own appointments, computed again whenever one of
 * the three changes. Pure; `slot-view.ts` fetches and listens.
 */

import type { AppointmentType, Interval, Position, Slot, TimeBlock } from "./types.js";

const MINUTE_MS = 60_000;
const at = (instant: string): number => Date.parse(instant);

/** What keeps a slot of a type away from its neighbours, in minutes. */
export type Buffers = Pick<AppointmentType, "buffer_before_minutes" | "buffer_after_minutes">;

/**
 * Whether a block leaves no room for `[slot.start, slot.end)` of a type with these buffers.
 * Between two neighbours the larger of the two facing buffers is enough.
 */
export function blocks(block: TimeBlock, slot: Interval, own: Buffers): boolean {
  const after = Math.max(block.buffer_after_minutes, own.buffer_before_minutes) * MINUTE_MS;
  const before = Math.max(block.buffer_before_minutes, own.buffer_after_minutes) * MINUTE_MS;
  return at(slot.start) < at(block.end) + after && at(slot.end) > at(block.start) - before;
}

export const overlaps = (one: Interval, other: Interval): boolean =>
  at(one.start) < at(other.end) && at(one.end) > at(other.start);

/** The windows in which slots of `type` must be fetched again when these became free. */
export function refetchWindows(
  freed: readonly Interval[],
  type: AppointmentType,
  types: readonly Buffers[],
): Interval[] {
  const largest = Math.max(
    0,
    ...types.flatMap((each) => [each.buffer_before_minutes, each.buffer_after_minutes]),
  );
  const before = (type.duration_minutes + largest) * MINUTE_MS;
  return joined(
    freed.map(({ start, end }) => ({
      start: iso(at(start) - before),
      end: iso(at(end) + largest * MINUTE_MS),
    })),
  );
}

/** Overlapping and touching intervals become one, in order. */
export function joined(intervals: readonly Interval[]): Interval[] {
  const result: Interval[] = [];
  for (const next of [...intervals].sort((a, b) => at(a.start) - at(b.start))) {
    const last = result.at(-1);
    if (last !== undefined && at(next.start) <= at(last.end)) {
      if (at(next.end) > at(last.end)) last.end = next.end;
    } else {
      result.push({ ...next });
    }
  }
  return result;
}

const iso = (ms: number): string => new Date(ms).toISOString();

interface Taken {
  block: TimeBlock;
  position: Position;
}

interface Fetched {
  slot: Slot;
  /** Where the dentist's availability channel was when the slot was free. */
  position: Position;
}

/** Whether an event at `later` is newer than a list that was read at `earlier`. */
const isNews = (later: Position, earlier: Position): boolean =>
  later.epoch !== earlier.epoch || later.offset > earlier.offset;

/** One dentist's slots of one type. */
export class DentistSlots {
  readonly #fetched = new Map<string, Fetched>();
  #taken: Taken[] = [];

  constructor(readonly type: AppointmentType) {}

  /** Slots read at `position` for starts in `[window.start, window.end)`: the whole truth there. */
  fetched(window: Interval, slots: readonly Slot[], position: Position): void {
    const [from, before] = [at(window.start), at(window.end)];
    for (const [start, { slot }] of this.#fetched) {
      if (at(slot.start) >= from && at(slot.start) < before) this.#fetched.delete(start);
    }
    for (const slot of slots) this.#fetched.set(slot.start, { slot, position });
    this.#prune();
  }

  /** `slots.changed` took these. */
  took(blocked: readonly TimeBlock[], position: Position): void {
    this.#taken.push(...blocked.map((block) => ({ block, position })));
  }

  /** The free slots. `holds` are the viewer's, free for them; `own` are their appointments. */
  free(now: number, holds: readonly Interval[], own: readonly Interval[]): Slot[] {
    const mine = new Set(holds.map(({ start, end }) => `${at(start)}/${at(end)}`));
    const taken = this.#taken.filter(
      ({ block }) => !mine.has(`${at(block.start)}/${at(block.end)}`),
    );
    const isFree = ({ slot, position }: Fetched): boolean =>
      at(slot.start) > now &&
      !taken.some(
        (each) => isNews(each.position, position) && blocks(each.block, slot, this.type),
      ) &&
      !own.some((each) => overlaps(each, slot));
    return [...this.#fetched.values()]
      .filter(isFree)
      .map(({ slot }) => slot)
      .sort((a, b) => at(a.start) - at(b.start));
  }

  /** What every slot was read after is in them already. */
  #prune(): void {
    const positions = [...this.#fetched.values()].map(({ position }) => position);
    this.#taken = this.#taken.filter((each) =>
      positions.some((position) => isNews(each.position, position)),
    );
  }
}

/** Those nearest in time to `wanted`, the same dentist's first where equally near. */
export function nearest(
  slots: readonly Slot[],
  wanted: Pick<Slot, "start" | "dentist_id">,
  count: number,
): Slot[] {
  const far = (slot: Slot): number =>
    Math.abs(at(slot.start) - at(wanted.start)) +
    (slot.dentist_id === wanted.dentist_id ? 0 : 30 * MINUTE_MS);
  return slots
    .filter((slot) => slot.start !== wanted.start || slot.dentist_id !== wanted.dentist_id)
    .sort((a, b) => far(a) - far(b) || at(a.start) - at(b.start))
    .slice(0, count)
    .sort((a, b) => at(a.start) - at(b.start));
}
