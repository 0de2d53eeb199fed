/** The Socket.IO side: channels without loss, through every interruption. */

import { io, type Socket } from "socket.io-client";
import { canonicalChannel, Follower, type Step } from "./channels.js";
import { HubError } from "./errors.js";
import { Observable } from "./observable.js";
import { delayMs } from "./retry.js";
import type { Tokens } from "./token.js";
import type { ChannelAnswer, ChannelPosition, ErrorBody, HubEvent, Position } from "./types.js";

export type Namespace = "/dentist" | "/staff" | "/patient" | "/chatbot" | "/admin";

/** `online` is after `hub:ready`; `refused` is for good, until `connect` is called again. */
export type Connection = "connecting" | "online" | "offline" | "refused";

export interface Handlers {
  onEvent: (event: HubEvent) => void;
  /** History does not reach back: fetch again, then `follow` with the answer's position. */
  onRefetch: (position: Position) => void;
}

interface Followed extends Handlers {
  follower: Follower;
}

type Answer<T> = { ok: true; data: T } | { ok: false; error: ErrorBody };

/** Refusals of a connection that the next attempt would get as well. */
const FINAL = new Set(["FORBIDDEN", "CONSENT_REQUIRED", "NOT_FOUND", "VALIDATION_ERROR"]);
const ACK_MS = 10_000;
const UNHANDLED: Handlers = { onEvent: () => {}, onRefetch: () => {} };

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
    this.#socket.on("channel:position", (head: ChannelPosition) =>
      this.#take(head.channel, (each) => each.positionReported(head)),
    );
    this.#socket.on("auth:expiring", () => void this.#renew());
    this.#socket.onAny((name: string, event: Partial<HubEvent> | undefined) => {
      if (name.includes(":") || typeof event?.channel !== "string") return;
      this.#take(event.channel, (each) => each.received(event as HubEvent));
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
   * is called when it is time to read. Own channels need no join. A second owner of a channel
   * replaces the first.
   */
  follow(name: string, handlers: Handlers, since: Position | null = null): () => void {
    const channel = canonicalChannel(name);
    const known = this.#channels.get(channel);
    const follower = known?.follower ?? new Follower(channel, since);
    const followed = { follower, ...handlers };
    this.#channels.set(channel, followed);
    const rewound = known !== undefined && since !== null && follower.rewind(since);
    const position = follower.position;
    if (known?.onEvent === UNHANDLED.onEvent && since === null && position !== null) {
      queueMicrotask(() => handlers.onRefetch(position)); // earlier events had no owner
    }
    if (this.connection.value === "online" && (known === undefined || rewound))
      void this.#join(followed);
    return () => this.leave(channel, followed);
  }

  leave(name: string, followed = this.#channels.get(canonicalChannel(name))): void {
    const channel = canonicalChannel(name);
    if (followed === undefined || this.#channels.get(channel) !== followed) return;
    this.#channels.delete(channel);
    if (this.connection.value === "online")
      this.#socket.emit("channel:leave", { channel }, () => {});
  }

  follower(channel: string): Follower | undefined {
    return this.#channels.get(canonicalChannel(channel))?.follower;
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
      this.#token = ""; // the hub refuses it, and the page shows that
    }
    const since: Record<string, Position> = {};
    for (const [channel, { follower }] of this.#channels) {
      if (follower.position !== null) since[channel] = follower.position;
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
    for (const { follower } of this.#channels.values()) follower.requestFailed();
    if (reason === "io client disconnect") return;
    this.connection.set("offline");
    if (reason === "io server disconnect") this.#connectLater(); // the library does not
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
      // the hub ends the connection when the old token does; the next one gets a new token
    }
  }

  // --- channels ---

  #ready(channels: Record<string, ChannelAnswer>): void {
    this.#failures = 0;
    this.connections += 1;
    this.connection.set("online");
    for (const [channel, answer] of Object.entries(channels)) {
      if (!this.#channels.has(channel))
        this.#channels.set(channel, { follower: new Follower(channel), ...UNHANDLED });
      this.#take(channel, (each) => each.caughtUp(answer));
    }
    for (const [channel, followed] of this.#channels)
      if (!(channel in channels)) void this.#join(followed);
  }

  #take(channel: string, decide: (follower: Follower) => Step): void {
    const followed = this.#channels.get(channel);
    if (followed === undefined) return;
    const step = decide(followed.follower);
    this.#handOver(followed, step);
    if (step.request) void this.#join(followed);
  }

  /** A failing callback is logged; the channel goes on. */
  #handOver(followed: Followed, step: Step): void {
    try {
      if (step.refetch && followed.follower.position !== null)
        followed.onRefetch(followed.follower.position);
      for (const event of step.deliver) followed.onEvent(event);
    } catch (error) {
      console.error("chairside: a handler failed", followed.follower.channel, error);
    }
  }

  /** Requests catch-ups until nothing is missing. */
  async #join(followed: Followed): Promise<void> {
    const { follower } = followed;
    try {
      for (let missing = true; missing && this.#channels.get(follower.channel) === followed; ) {
        follower.requested();
        const data = {
          channel: follower.channel,
          ...(follower.position && { since: follower.position }),
        };
        const step = follower.caughtUp(await this.call<ChannelAnswer>("channel:join", data));
        this.#handOver(followed, step);
        missing = step.request;
      }
    } catch (error) {
      follower.requestFailed(); // the next connection or channel:position starts another
      if (error instanceof HubError && !error.mayBeRetried) this.#channels.delete(follower.channel);
    }
  }
}
