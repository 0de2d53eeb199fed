// Screens that follow their channels with the official client, as its documentation and the
// hub's have it: `since` with every connection, a question after every gap.
//
// Each line of standard input asks, each line of standard output answers:
//   {"open": {name: {url, namespace, auth, transports, options?}}}  → {"opened": n}, once ready
//   {"places": true}   → {name: {channel: {epoch, offset}}}
//   {"told": true}     → {name: {connections, refetches, ready, told: {channel: [envelope, …]}}}

import { createInterface } from "node:readline";
import { io } from "socket.io-client";

const ASK_MS = 3_000;
const AGAIN_MS = 200;

class Screen {
  places = {};
  told = {};
  asking = new Set();
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
      auth: (give) => give({ ...auth, since: this.places }),
    });
    this.socket.on("hub:ready", ({ channels }) => this.#isReady(channels));
    this.socket.on("channel:position", (place) => this.#sentUpTo(place));
    this.socket.onAny((_event, envelope) => {
      if (envelope?.id !== undefined && typeof envelope.offset === "number") this.#live(envelope);
    });
    // A refusal is final for the client; these may be of the moment (UNAVAILABLE).
    this.socket.on("connect_error", () => {
      if (!this.socket.active) setTimeout(() => this.socket.connect(), AGAIN_MS);
    });
    this.opened = new Promise((resolve) => this.socket.once("hub:ready", resolve));
  }

  #isReady(channels) {
    this.connections += 1;
    this.ready = channels;
    this.asking.clear();
    for (const [channel, answer] of Object.entries(channels)) this.#answered(channel, answer);
  }

  #sentUpTo({ channel, epoch, offset }) {
    const place = this.places[channel];
    if (!place || place.epoch !== epoch || place.offset < offset) this.#ask(channel);
  }

  #live(envelope) {
    const place = this.places[envelope.channel];
    if (!place || place.epoch !== envelope.epoch) this.#ask(envelope.channel);
    else if (envelope.offset === place.offset + 1) this.#take(envelope);
    else if (envelope.offset > place.offset) this.#ask(envelope.channel);
  }

  #take(envelope) {
    this.places[envelope.channel].offset = envelope.offset;
    (this.told[envelope.channel] ??= []).push(envelope);
  }

  #answered(channel, { recovered, events, more, epoch, offset }) {
    this.asking.delete(channel);
    if (epoch === null) return;
    if (!recovered) {
      this.places[channel] = { epoch, offset };
      this.refetches.push(channel);
      return;
    }
    const place = this.places[channel];
    for (const envelope of events) {
      if (envelope.offset === place.offset + 1) this.#take(envelope);
      else if (envelope.offset > place.offset) break;
    }
    if (more || place.offset < offset) this.#ask(channel);
  }

  async #ask(channel) {
    if (this.asking.has(channel)) return;
    this.asking.add(channel);
    try {
      const since = this.places[channel];
      const ack = await this.socket.timeout(ASK_MS).emitWithAck("channel:join", { channel, since });
      if (ack.ok) this.#answered(channel, ack.data);
    } catch {
      // the next connection, or the next channel:position, asks again
    } finally {
      this.asking.delete(channel);
    }
  }

  get story() {
    const { connections, refetches, ready, told } = this;
    return { connections, refetches, ready, told };
  }
}

const screens = {};

const of_each = (look) =>
  Object.fromEntries(Object.entries(screens).map(([name, screen]) => [name, look(screen)]));

for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line);
  let answer;
  if (asked.open) {
    for (const [name, options] of Object.entries(asked.open)) screens[name] = new Screen(options);
    await Promise.all(Object.keys(asked.open).map((name) => screens[name].opened));
    answer = { opened: Object.keys(asked.open).length };
  } else if (asked.places) {
    answer = of_each((screen) => screen.places);
  } else {
    answer = of_each((screen) => screen.story);
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
}
process.exit(0);
