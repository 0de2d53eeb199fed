/**
 * Following a channel: which events are new, which are missing, when to request a catch-up.
 *
 * Pure: wire values in, a step out; `live.ts` does the I/O. (channel, offset) identifies
 * duplicates, a gap needs a catch-up, and an answer that was not recovered needs a refetch.
 * Events are delivered in order. The Python client's `channels` does the same.
 */

import type { ChannelAnswer, HubEvent, Position } from "./types.js";

/** What to do next: deliver these events, request a catch-up, have the owner refetch. */
export interface Step {
  deliver: HubEvent[];
  request: boolean;
  refetch: boolean;
}

const step = (parts: Partial<Step> = {}): Step => ({
  deliver: [],
  request: false,
  refetch: false,
  ...parts,
});

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** A UUID as the hub writes it, in lower case; any other text as it is. */
export function canonicalId(text: string): string {
  return UUID.test(text) ? text.toLowerCase() : text;
}

/** A channel's name as the hub writes it; events and answers contain this form. */
export function canonicalChannel(name: string): string {
  const at = name.lastIndexOf(":") + 1;
  return name.slice(0, at) + canonicalId(name.slice(at));
}

export class Follower {
  position: Position | null;
  /** Events dropped because they had been delivered before. */
  duplicates = 0;
  /** Gaps that needed a catch-up. */
  gaps = 0;
  /** Catch-ups that the history did not reach back for. */
  refetches = 0;
  #requesting = false;

  constructor(
    readonly channel: string,
    since: Position | null = null,
  ) {
    this.position = since;
  }

  /** A live event arrived. */
  received(event: HubEvent): Step {
    if (event.offset === null || event.epoch === null) return step({ deliver: [event] });
    if (this.position === null || event.epoch !== this.position.epoch) return this.#request();
    if (event.offset <= this.position.offset) {
      this.duplicates += 1;
      return step();
    }
    if (event.offset > this.position.offset + 1) return this.#request();
    this.#reached(event.offset);
    return step({ deliver: [event] });
  }

  /** `channel:position`: how far the hub has sent, which reveals a lost last event. */
  positionReported(reported: Position): Step {
    if (this.position === null || reported.epoch !== this.position.epoch) return this.#request();
    return reported.offset > this.position.offset ? this.#request() : step();
  }

  /** A catch-up was requested; its answer covers the gaps seen until then. */
  requested(): void {
    this.#requesting = true;
  }

  /** The catch-up failed or its answer was lost. */
  requestFailed(): void {
    this.#requesting = false;
  }

  /** The answer to a catch-up, or this channel's part of `hub:ready`. */
  caughtUp(answer: ChannelAnswer): Step {
    this.#requesting = false;
    if (answer.epoch === null || answer.offset === null) return step();
    const head = { epoch: answer.epoch, offset: answer.offset };
    if (!answer.recovered) {
      this.position = head;
      this.refetches += 1;
      return step({ refetch: true });
    }
    const isOurs = this.position !== null && this.position.epoch === head.epoch;
    if (!isOurs) return this.#request();
    return this.#recovered(answer, head);
  }

  /** A list was read at an older position: the events since then are needed. Whether it moved. */
  rewind(since: Position): boolean {
    const known = this.position;
    if (known !== null && known.epoch === since.epoch && known.offset <= since.offset) return false;
    this.position = since;
    return true;
  }

  #recovered(answer: ChannelAnswer, head: Position): Step {
    const fresh: HubEvent[] = [];
    for (const event of answer.events) {
      const offset = event.offset as number; // history holds no ephemeral events
      const known = (this.position as Position).offset;
      if (offset > known + 1) return { ...this.#request(), deliver: fresh };
      if (offset <= known) {
        this.duplicates += 1;
        continue;
      }
      this.#reached(offset);
      fresh.push(event);
    }
    if (answer.more) {
      this.#requesting = true;
      return step({ deliver: fresh, request: true });
    }
    const behind = head.offset > (this.position as Position).offset;
    return behind ? { ...this.#request(), deliver: fresh } : step({ deliver: fresh });
  }

  #reached(offset: number): void {
    this.position = { epoch: (this.position as Position).epoch, offset };
  }

  #request(): Step {
    if (this.#requesting) return step();
    this.#requesting = true;
    this.gaps += 1;
    return step({ request: true });
  }
}
