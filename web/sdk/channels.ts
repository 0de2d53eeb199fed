/**
 * Following a channel: which events are new, which are missing, when to ask again.
 *
 * Pure: wire values in, a step out; `live.ts` does the talking. Duplicates are told by
 * (channel, offset), a gap means ask again, an answer that was not recovered means fetch
 * again. Nothing is ever delivered out of order. The twin of the Python client's `channels`.
 */

import type { ChannelAnswer, HubEvent, Place } from "./types.js";

/** What to do next: hand these events over, ask the hub, tell the owner to fetch again. */
export interface Step {
  deliver: HubEvent[];
  ask: boolean;
  refetch: boolean;
}

const step = (parts: Partial<Step> = {}): Step => ({
  deliver: [],
  ask: false,
  refetch: false,
  ...parts,
});

export class Follower {
  place: Place | null;
  /** Events dropped because they were known. */
  duplicates = 0;
  /** Times that something was missing and had to be asked for. */
  gaps = 0;
  /** Times that history did not reach back. */
  refetches = 0;
  #asking = false;

  constructor(
    readonly channel: string,
    since: Place | null = null,
  ) {
    this.place = since;
  }

  /** An event came over the wire by itself. */
  live(event: HubEvent): Step {
    if (event.offset === null || event.epoch === null) return step({ deliver: [event] });
    if (this.place === null || event.epoch !== this.place.epoch) return this.#ask();
    if (event.offset <= this.place.offset) {
      this.duplicates += 1;
      return step();
    }
    if (event.offset > this.place.offset + 1) return this.#ask();
    this.#reached(event.offset);
    return step({ deliver: [event] });
  }

  /** `channel:position`: what the hub has sent so far, so a lost end is noticed. */
  position(place: Place): Step {
    if (this.place === null || place.epoch !== this.place.epoch) return this.#ask();
    return place.offset > this.place.offset ? this.#ask() : step();
  }

  /** A question is on its way: gaps seen until its answer are covered by it. */
  asked(): void {
    this.#asking = true;
  }

  /** The question or its answer was lost, with the connection or without. */
  unanswered(): void {
    this.#asking = false;
  }

  /** The answer to a question, or this channel's part of `hub:ready`. */
  answered(answer: ChannelAnswer): Step {
    this.#asking = false;
    if (answer.epoch === null || answer.offset === null) return step();
    const told = { epoch: answer.epoch, offset: answer.offset };
    if (!answer.recovered) {
      this.place = told;
      this.refetches += 1;
      return step({ refetch: true });
    }
    if (this.place === null || this.place.epoch !== told.epoch) return this.#ask(); // no answer to what was asked
    return this.#recovered(answer, told);
  }

  /** A list was read that is true for an older position: the events since then are needed. */
  rewind(since: Place): boolean {
    const known = this.place;
    if (known !== null && known.epoch === since.epoch && known.offset <= since.offset) return false;
    this.place = since;
    return true;
  }

  #recovered(answer: ChannelAnswer, told: Place): Step {
    const fresh: HubEvent[] = [];
    for (const event of answer.events) {
      const offset = event.offset as number; // history holds no ephemeral events
      const known = (this.place as Place).offset;
      if (offset > known + 1) return { ...this.#ask(), deliver: fresh };
      if (offset <= known) {
        this.duplicates += 1;
        continue;
      }
      this.#reached(offset);
      fresh.push(event);
    }
    if (answer.more) {
      this.#asking = true;
      return step({ deliver: fresh, ask: true });
    }
    const behind = told.offset > (this.place as Place).offset;
    return behind ? { ...this.#ask(), deliver: fresh } : step({ deliver: fresh });
  }

  #reached(offset: number): void {
    this.place = { epoch: (this.place as Place).epoch, offset };
  }

  #ask(): Step {
    if (this.#asking) return step();
    this.#asking = true;
    this.gaps += 1;
    return step({ ask: true });
  }
}
