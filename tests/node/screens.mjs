// Screens that follow their channels with the official client, as documented: they send `since`
// with every connection, and join a channel again after a gap.
//
// Each line of standard input is a request, each line of standard output its answer:
//   {"open": {name: {url, namespace, auth, transports, options?}}}  → {"opened": n}, once ready
//   {"places": true}   → {name: {channel: {epoch, offset}}}
//   {"received": true} → {name: {connections, refetches, ready, received: {channel: [envelope, …]}}}

import { createInterface } from "node:readline";
import { io } from "socket.io-client";

const JOIN_MS = 3_000;
const RETRY_MS = 200;

class Screen {
  places = {};
  received = {};
  joining = new Set();
  connections = 0;
  refetches = [];
  ready = null;

  constructor({ url, namespace, auth, transports, options }) {
    this.socket = io(url + namespace, {
      transports,
      forceNew: true,
      reconnectionDelay: 50,
      reconnectionDelayMax: 400,
      ...options,
      auth: (callback) => callback({ ...auth, since: this.places }),
    });
    this.socket.on("hub:ready", ({ channels }) => this.#isReady(channels));
    this.socket.on("channel:position", (place) => this.#position(place));
    this.socket.onAny((_event, envelope) => {
      if (envelope?.id !== undefined && typeof envelope.offset === "number") this.#live(envelope);
    });
    // A refusal is final for the client; this one may be temporary (UNAVAILABLE).
    this.socket.on("connect_error", () => {
      if (!this.socket.active) setTimeout(() => this.socket.connect(), RETRY_MS);
    });
    this.opened = new Promise((resolve) => this.socket.once("hub:ready", resolve));
  }

  #isReady(channels) {
    this.connections += 1;
    this.ready = channels;
    this.joining.clear();
    for (const [channel, answer] of Object.entries(channels)) this.#caughtUp(channel, answer);
  }

  #position({ channel, epoch, offset }) {
    const place = this.places[channel];
    if (!place || place.epoch !== epoch || place.offset < offset) this.#rejoin(channel);
  }

  #live(envelope) {
    const place = this.places[envelope.channel];
    if (!place || place.epoch !== envelope.epoch) this.#rejoin(envelope.channel);
    else if (envelope.offset === place.offset + 1) this.#accept(envelope);
    else if (envelope.offset > place.offset) this.#rejoin(envelope.channel);
  }

  #accept(envelope) {
    this.places[envelope.channel].offset = envelope.offset;
    (this.received[envelope.channel] ??= []).push(envelope);
  }

  #caughtUp(channel, { recovered, events, more, epoch, offset }) {
    this.joining.delete(channel);
    if (epoch === null) return;
    if (!recovered) {
      this.places[channel] = { epoch, offset };
      this.refetches.push(channel);
      return;
    }
    const place = this.places[channel];
    for (const envelope of events) {
      if (envelope.offset === place.offset + 1) this.#accept(envelope);
      else if (envelope.offset > place.offset) break;
    }
    if (more || place.offset < offset) this.#rejoin(channel);
  }

  async #rejoin(channel) {
    if (this.joining.has(channel)) return;
    this.joining.add(channel);
    try {
      const since = this.places[channel];
      const ack = await this.socket.timeout(JOIN_MS).emitWithAck("channel:join", { channel, since });
      if (ack.ok) this.#caughtUp(channel, ack.data);
    } catch {
      // the next connection, or the next channel:position, tries again
    } finally {
      this.joining.delete(channel);
    }
  }

  get story() {
    const { connections, refetches, ready, received } = this;
    return { connections, refetches, ready, received };
  }
}

const screens = {};

const ofEach = (read) =>
  Object.fromEntries(Object.entries(screens).map(([name, screen]) => [name, read(screen)]));

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  let answer;
  if (request.open) {
    for (const [name, options] of Object.entries(request.open)) screens[name] = new Screen(options);
    await Promise.all(Object.keys(request.open).map((name) => screens[name].opened));
    answer = { opened: Object.keys(request.open).length };
  } else if (request.places) {
    answer = ofEach((screen) => screen.places);
  } else {
    answer = ofEach((screen) => screen.story);
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
}
process.exit(0);
