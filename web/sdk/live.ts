/** The Socket.IO side: channels without loss, through every interruption. */

import { io, type Socket } from "socket.io-client";
import { Follower, type Step } from "./channels.js";
import { HubError } from "./errors.js";
import { Observable } from "./observable.js";
import { delayMs } from "./retry.js";
import type { Tokens } from "./token.js";
import type { ChannelAnswer, ErrorBody, HubEvent, Place, Position } from "./types.js";

export type Namespace = "/dentist" | "/patient" | "/chatbot" | "/admin";

/** `online` is after `hub:ready`; `refused` is for good, until `connect` is called again. */
export type Connection = "connecting" | "online" | "offline" | "refused";

export interface Handlers {
  onEvent: (event: HubEvent) => void;
  /** History does not reach back: fetch again, then `follow` with the answer's position. */
  onRefetch: (place: Place) => void;
}

interface Followed extends Handlers {
  follower: Follower;
}

type Answer<T> = { ok: true; data: T } | { ok: false; error: ErrorBody };

/** Refusals of a connection that the next attempt would get as well. */
const FINAL = new Set(["FORBIDDEN", "NOT_FOUND", "VALIDATION_ERROR"]);
const ACK_MS = 10_000;
const NOBODY: Handlers = { onEvent: () => {}, onRefetch: () => {} };

export class LiveClient {
  readonly connection = new Observable<Connection>("connecting");
  /** Why the hub refuses us for good. */
  refusal: HubError | null = null;
  /** How many connections became ready so far. */
  connections = 0;
  readonly #channels = new Map<string, Followed>();
  readonly #socket: Socket;
  #token = "";
  #failures = 0;
  #again: ReturnType<typeof setTimeout> | undefined;

  constructor(
    url: string,
    namespace: Namespace,
    private readonly tokens: Tokens,
  ) {
    this.#socket = io(url + namespace, {
      transports: ["websocket"],
      autoConnect: false,
      reconnectionDelay: 300,
      reconnectionDelayMax: 3_000,
      auth: (send) => void this.#auth(send),
    });
    this.#socket.on("connect_error", (error) => void this.#notConnected(error));
    this.#socket.on("disconnect", (reason) => this.#disconnected(reason));
    this.#socket.on("hub:ready", (ready: { channels: Record<string, ChannelAnswer> }) =>
      this.#ready(ready.channels),
    );
    this.#socket.on("channel:position", (told: Position) =>
      this.#take(told.channel, (each) => each.position(told)),
    );
    this.#socket.on("auth:expiring", () => void this.#renew());
    this.#socket.onAny((name: string, event: Partial<HubEvent> | undefined) => {
      if (name.includes(":") || typeof event?.channel !== "string") return;
      this.#take(event.channel, (each) => each.live(event as HubEvent));
    });
  }

  connect(): void {
    this.refusal = null;
    this.connection.set("connecting");
    this.#socket.connect();
  }

  close(): void {
    clearTimeout(this.#again);
    this.#channels.clear();
    this.#socket.disconnect();
  }

  /**
   * Go on from `since`, which a list that was just read is true for; without it, `onRefetch`
   * says when to read. Own channels need no join. One owner a channel: a second replaces it.
   */
  follow(channel: string, handlers: Handlers, since: Place | null = null): () => void {
    const known = this.#channels.get(channel);
    const follower = known?.follower ?? new Follower(channel, since);
    const followed = { follower, ...handlers };
    this.#channels.set(channel, followed);
    const rewound = known !== undefined && since !== null && follower.rewind(since);
    const place = follower.place;
    if (known?.onEvent === NOBODY.onEvent && since === null && place !== null) {
      queueMicrotask(() => handlers.onRefetch(place)); // what came before was nobody's
    }
    if (this.connection.value === "online" && (known === undefined || rewound))
      void this.#join(followed);
    return () => this.leave(channel, followed);
  }

  leave(channel: string, followed = this.#channels.get(channel)): void {
    if (followed === undefined || this.#channels.get(channel) !== followed) return;
    this.#channels.delete(channel);
    if (this.connection.value === "online")
      this.#socket.emit("channel:leave", { channel }, () => {});
  }

  follower(channel: string): Follower | undefined {
    return this.#channels.get(channel)?.follower;
  }

  /** One command and its ack; raises HubError, or what the socket raises after the timeout. */
  async call<T>(event: string, data: unknown): Promise<T> {
    const answer = (await this.#socket.timeout(ACK_MS).emitWithAck(event, data)) as Answer<T>;
    if (answer.ok) return answer.data;
    throw new HubError(answer.error);
  }

  // --- connection ---

  async #auth(send: (auth: object) => void): Promise<void> {
    try {
      this.#token = await this.tokens.get();
    } catch {
      this.#token = ""; // the hub refuses it, and the page says so
    }
    const since: Record<string, Place> = {};
    for (const [channel, { follower }] of this.#channels) {
      if (follower.place !== null) since[channel] = follower.place;
    }
    send(Object.keys(since).length ? { token: this.#token, since } : { token: this.#token });
  }

  /** Refused by the hub (`data` is its error), or not reached: then the library tries again. */
  async #notConnected(error: Error & { data?: ErrorBody | { error: ErrorBody } }): Promise<void> {
    this.#failures += 1;
    const body =
      error.data === undefined ? null : "error" in error.data ? error.data.error : error.data;
    if (body === null) return this.connection.set("offline");
    if (body.code === "UNAUTHORIZED") return this.#withAnotherToken(new HubError(body));
    if (FINAL.has(body.code)) return this.#refused(new HubError(body));
    this.connection.set("offline");
    this.#connectLater();
  }

  async #withAnotherToken(why: HubError): Promise<void> {
    const stale = this.#token;
    const token = await this.tokens.renew(stale).catch(() => stale);
    if (token === stale) return this.#refused(why);
    this.#socket.connect();
  }

  #refused(why: HubError): void {
    this.refusal = why;
    this.connection.set("refused");
  }

  #disconnected(reason: string): void {
    for (const { follower } of this.#channels.values()) follower.unanswered();
    if (reason === "io client disconnect") return;
    this.connection.set("offline");
    if (reason === "io server disconnect") this.#connectLater(); // the library waits to be told
  }

  #connectLater(): void {
    clearTimeout(this.#again);
    this.#again = setTimeout(() => this.#socket.connect(), delayMs(this.#failures));
  }

  /** The token runs out: another one in place, and nothing is interrupted. */
  async #renew(): Promise<void> {
    try {
      this.#token = await this.tokens.renew(this.#token);
      await this.call("auth:refresh", { token: this.#token });
    } catch {
      // the hub ends the connection when the old token does; the next one asks again
    }
  }

  // --- channels ---

  #ready(channels: Record<string, ChannelAnswer>): void {
    this.#failures = 0;
    this.connections += 1;
    this.connection.set("online");
    for (const [channel, answer] of Object.entries(channels)) {
      if (!this.#channels.has(channel))
        this.#channels.set(channel, { follower: new Follower(channel), ...NOBODY });
      this.#take(channel, (each) => each.answered(answer));
    }
    for (const [channel, followed] of this.#channels)
      if (!(channel in channels)) void this.#join(followed);
  }

  #take(channel: string, decide: (follower: Follower) => Step): void {
    const followed = this.#channels.get(channel);
    if (followed === undefined) return;
    const step = decide(followed.follower);
    this.#handOver(followed, step);
    if (step.ask) void this.#join(followed);
  }

  /** A callback's failure is its own and costs nobody the channel. */
  #handOver(followed: Followed, step: Step): void {
    try {
      if (step.refetch && followed.follower.place !== null)
        followed.onRefetch(followed.follower.place);
      for (const event of step.deliver) followed.onEvent(event);
    } catch (error) {
      console.error("chairside: a handler failed", followed.follower.channel, error);
    }
  }

  /** Ask for what is missing until nothing is. */
  async #join(followed: Followed): Promise<void> {
    const { follower } = followed;
    try {
      for (let asking = true; asking && this.#channels.get(follower.channel) === followed; ) {
        follower.asked();
        const data = {
          channel: follower.channel,
          ...(follower.place && { since: follower.place }),
        };
        const step = follower.answered(await this.call<ChannelAnswer>("channel:join", data));
        this.#handOver(followed, step);
        asking = step.ask;
      }
    } catch (error) {
      follower.unanswered(); // the next connection, or the next channel:position, asks again
      if (error instanceof HubError && !error.mayBeRetried) this.#channels.delete(follower.channel);
    }
  }
}
