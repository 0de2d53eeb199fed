/** A conversation with the hub's chatbot: its messages, in order. */

import type { LiveClient } from "./live.js";
import { Observable } from "./observable.js";
import type { RestClient } from "./rest.js";
import type { ChatAnswer, ChatReply, HubEvent } from "./types.js";

export interface ChatLine extends ChatReply {
  id: number;
  from: "bot" | "me";
}

const LINES_MAX = 200;
const FORWARDED =
  /^(slots\.changed|availability\.updated|appointment\.\w+|reservation\.(expired|released))$/;

export class Chat {
  readonly lines = new Observable<readonly ChatLine[]>([]);
  /** Messages and events that wait for their answer. */
  readonly waiting = new Observable(0);
  /** Why the last message was not answered, as an error of the SDK; `null` when it was. */
  readonly problem = new Observable<unknown>(null);
  readonly #own: () => void;
  readonly #watched = new Map<string, () => void>();
  #state: string | undefined;
  #order: Promise<void> = Promise.resolve();
  #ids = 0;
  #closed = false;

  constructor(
    private readonly rest: RestClient,
    private readonly live: LiveClient,
    patientId: string,
  ) {
    this.#own = live.follow(`appointments:patient:${patientId}`, {
      onEvent: (event) => this.#forward(event),
      onRefetch: () => {},
    });
    void this.#post({});
  }

  /** Sends a message; resolves when it was answered or has failed. */
  send(message: string): Promise<void> {
    this.#add({ from: "me", text: message, options: [], notice: false });
    return this.#post({ message });
  }

  close(): void {
    this.#closed = true;
    this.#own();
    for (const leave of this.#watched.values()) leave();
  }

  #forward({ type, data }: HubEvent): void {
    if (FORWARDED.test(type)) void this.#post({ event: { type, data } });
  }

  /** In order: each goes with the state that the answer before it left. */
  #post(body: { message?: string; event?: { type: string; data: unknown } }): Promise<void> {
    this.waiting.set(this.waiting.value + 1);
    this.#order = this.#order.then(async () => {
      try {
        if (!this.#closed)
          this.#take(
            await this.rest.chat({
              ...body,
              ...(this.#state !== undefined && { state: this.#state }),
            }),
          );
        if (body.event === undefined) this.problem.set(null);
      } catch (error) {
        if (body.event === undefined) this.problem.set(error);
      } finally {
        this.waiting.set(this.waiting.value - 1);
      }
    });
    return this.#order;
  }

  #take({ replies, state, watch }: ChatAnswer): void {
    this.#state = state;
    for (const reply of replies) this.#add({ from: "bot", ...reply });
    for (const [channel, leave] of this.#watched) {
      if (watch.includes(channel)) continue;
      leave();
      this.#watched.delete(channel);
    }
    for (const channel of watch) {
      if (this.#closed || this.#watched.has(channel)) continue;
      this.#watched.set(
        channel,
        this.live.follow(channel, {
          onEvent: (event) => this.#forward(event),
          onRefetch: () => {},
        }),
      );
    }
  }

  #add(line: Omit<ChatLine, "id">): void {
    this.#ids += 1;
    this.lines.set([...this.lines.value, { id: this.#ids, ...line }].slice(-LINES_MAX));
  }
}
