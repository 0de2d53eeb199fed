// What the cases are written with: sockets by hand, the official client, and the hub's REST.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { Agent, request } from "node:http";
import { io } from "socket.io-client";
import { WebSocket } from "ws";

export const cases = [];

/** One behaviour; `run` gets what it opened closed at its end, however it ends. */
export function test(name, run) {
  cases.push({ name, run });
}

/** `world` is what the Python side sends: url, people, tokens, times. */
export let world;
export function setWorld(sent) {
  world = sent;
}

export const WAIT_MS = 6_000;
export const ENGINE = "/socket.io/?EIO=4";

/** What `run` opens is registered here, so that a failing case leaves nothing behind. */
export class Case {
  #closers = [];

  later(close) {
    this.#closers.push(close);
  }

  async end() {
    for (const close of this.#closers.reverse()) {
      try {
        await close();
      } catch {
        // it was closed already
      }
    }
  }

  // --- the official client ---

  /** A client that is not connected yet. */
  client(namespace, options = {}) {
    const socket = io(world.url + namespace, {
      transports: ["websocket"],
      forceNew: true,
      reconnection: false,
      auth: { token: world.tokens[namespace.slice(1)] },
      ...options,
    });
    this.later(() => socket.disconnect());
    return socket;
  }

  /** A client that is connected and had its `hub:ready`. */
  async connected(namespace, options = {}) {
    const socket = this.client(namespace, options);
    const ready = once(socket, "hub:ready");
    const failed = once(socket, "connect_error").then((error) => {
      throw error;
    });
    socket.ready = await Promise.race([ready, failed.finally()]);
    failed.catch(() => {});
    return socket;
  }

  // --- by hand ---

  websocket(query, options = {}, path = ENGINE) {
    const url = world.url.replace("http", "ws") + path + query;
    const raw = new Raw(new WebSocket(url, options));
    this.later(() => raw.ws.terminate());
    return raw;
  }

  /** Connected at the level of Engine.IO. */
  async engine(options = {}) {
    const raw = this.websocket("&transport=websocket", options);
    raw.handshake = JSON.parse((await raw.message()).slice(1));
    return raw;
  }

  /** Connected to a namespace, by hand. */
  async raw(namespace, options = {}) {
    const raw = await this.engine(options);
    await raw.connect(namespace);
    return raw;
  }

  async poller() {
    const answer = await get("&transport=polling");
    assert.equal(answer.status, 200);
    const handshake = JSON.parse(answer.text.slice(1));
    const poller = new Poller(handshake);
    this.later(() => poller.post("1"));
    return poller;
  }
}

/** The first event of that name, or the first for which `wanted` is true. */
export function once(emitter, event, wanted = () => true) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      emitter.off(event, listener);
      reject(new Error(`no "${event}" within ${WAIT_MS} ms`));
    }, WAIT_MS);
    timer.unref();
    function listener(...args) {
      if (!wanted(...args)) return;
      clearTimeout(timer);
      emitter.off(event, listener);
      resolve(args.length > 1 ? args : args[0]);
    }
    emitter.on(event, listener);
  });
}

export function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

export async function eventually(look, what = "it") {
  const until = Date.now() + WAIT_MS;
  while (!(await look())) {
    assert.ok(Date.now() < until, `${what}: not within ${WAIT_MS} ms`);
    await sleep(10);
  }
}

/** A WebSocket whose messages are kept until they are read; pings are answered. */
class Raw {
  constructor(ws) {
    this.ws = ws;
    this.pings = 0;
    this.answersPings = true;
    this.messages = [];
    this.waiting = [];
    this.opened = new Promise((resolve) => ws.on("open", () => resolve(true)));
    this.closed = new Promise((resolve) => ws.on("close", (code) => resolve(code)));
    this.refused = new Promise((resolve) =>
      ws.on("unexpected-response", (_request, response) => {
        ws.terminate();
        resolve(response.statusCode);
      }),
    );
    ws.on("error", () => {});
    ws.on("message", (data, isBinary) => this.#arrived(isBinary ? data : data.toString()));
  }

  #arrived(message) {
    if (message === "2") {
      this.pings += 1;
      if (this.answersPings) this.ws.send("3");
      return;
    }
    const resolve = this.waiting.shift();
    if (resolve) resolve(message);
    else this.messages.push(message);
  }

  send(...frames) {
    for (const frame of frames) this.ws.send(frame);
  }

  message() {
    if (this.messages.length) return Promise.resolve(this.messages.shift());
    return within(new Promise((resolve) => this.waiting.push(resolve)), "a message");
  }

  async messageThat(wanted) {
    for (;;) {
      const message = await this.message();
      if (wanted(message)) return message;
    }
  }

  /** CONNECT, and the answer to it; `hub:ready` is read, too, when it is let in. */
  async connect(namespace, auth = { token: world.tokens[namespace.slice(1)] }) {
    this.send(`40${namespace},${JSON.stringify(auth)}`);
    const answer = await this.messageThat((m) => m.startsWith("40") || m.startsWith("44"));
    if (answer.startsWith("40")) await this.messageThat((m) => m.includes('"hub:ready"'));
    return answer;
  }

  /** Closed by the hub, perhaps after a CLOSE packet. */
  async isClosed() {
    return within(this.closed, "being closed");
  }

  /** A command over this socket works: the connection is whole. */
  async works(namespace, id = 77) {
    this.send(`42${namespace},${id}["profile:get"]`);
    const answer = await this.messageThat((m) => m.startsWith(`43${namespace},${id}[`));
    assert.match(answer, /"ok":true/);
  }
}

function within(promise, what) {
  const late = new Promise((_resolve, reject) => {
    setTimeout(() => reject(new Error(`no ${what} within ${WAIT_MS} ms`)), WAIT_MS).unref();
  });
  return Promise.race([promise, late]);
}

/** HTTP as it is: `{status, text, headers, json()}`. */
export async function fetched(query, options = {}) {
  const answer = await fetch(world.url + ENGINE + query, options);
  const text = await answer.text();
  return { status: answer.status, headers: answer.headers, text, json: () => JSON.parse(text) };
}

export const get = (query, options = {}) => fetched(query, options);
export const post = (query, body, options = {}) =>
  fetched(query, { method: "POST", body, headers: { "Content-Type": "text/plain" }, ...options });

class Poller {
  constructor(handshake) {
    this.handshake = handshake;
    this.query = `&transport=polling&sid=${handshake.sid}`;
  }

  poll() {
    return get(this.query);
  }

  post(body, options) {
    return post(this.query, body, options);
  }

  /** The next packets that are not pings, which are answered. */
  async packets() {
    for (;;) {
      const answer = await this.poll();
      assert.equal(answer.status, 200, answer.text);
      const packets = answer.text.split("\x1e");
      if (packets.includes("2")) await this.post("3");
      const rest = packets.filter((packet) => packet !== "2");
      if (rest.length) return rest;
    }
  }

  async packetThat(wanted) {
    for (;;) {
      const found = (await this.packets()).find(wanted);
      if (found) return found;
    }
  }

  async connect(namespace) {
    const answer = await this.post(`40${namespace},${JSON.stringify({ token: world.tokens[namespace.slice(1)] })}`);
    assert.equal(answer.text, "ok");
    await this.packetThat((packet) => packet.includes('"hub:ready"'));
  }

  /** The session has ended: its id is unknown. */
  async isGone() {
    await eventually(async () => (await this.poll()).status === 400, "the end of the session");
    assert.deepEqual((await this.poll()).json(), { code: 1, message: "Session ID unknown" });
  }

  /** A request that the hub has begun to handle, and whose body does not end yet. */
  async begun(method, headers = {}) {
    const url = new URL(world.url + ENGINE + this.query);
    const sent = request(url, {
      method,
      agent: new Agent(),
      headers: { Expect: "100-continue", ...headers },
    });
    const answer = new Promise((resolve, reject) => {
      sent.on("response", async (response) => {
        const chunks = await response.setEncoding("utf8").toArray();
        resolve({ status: response.statusCode, text: chunks.join("") });
      });
      sent.on("error", reject);
    });
    answer.catch(() => {});
    const handled = new Promise((resolve) => sent.on("continue", resolve));
    if (method === "GET") sent.end();
    else sent.flushHeaders();
    await within(Promise.race([handled, answer]), "100 Continue");
    return { answer, giveUp: () => sent.destroy() };
  }

  /** A poll that waits at the hub. */
  waitingPoll() {
    return this.begun("GET");
  }

  /** A post whose body does not end. */
  unfinishedPost() {
    return this.begun("POST", { "Content-Length": 100 });
  }
}

// --- the hub as its users know it ---

let slots = 0;

/** A time that no other case uses: as `POST /api/appointments` takes it. */
export function freeSlot() {
  const number = slots++;
  const start = new Date(world.first_day);
  start.setUTCDate(start.getUTCDate() + Math.floor(number / 18));
  start.setUTCMinutes(30 * (number % 18));
  return {
    dentist_id: world.dentist,
    appointment_type_id: world.type,
    start: start.toISOString().replace(".000Z", "Z"),
  };
}

/** A token of the tests' own issuer. */
export function token(role, subject, ttlS) {
  const now = Date.now() / 1_000;
  const parts = [
    { alg: "HS256", typ: "JWT" },
    { sub: subject, role, iat: Math.floor(now), exp: now + ttlS },
  ].map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"));
  const signature = createHmac("sha256", world.secret).update(parts.join(".")).digest("base64url");
  return [...parts, signature].join(".");
}

export async function rest(method, path, body, token = world.tokens.patient) {
  const answer = await fetch(world.url + path, {
    method,
    headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" },
    body: body && JSON.stringify(body),
  });
  const text = await answer.text();
  assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${text}`);
  return text ? JSON.parse(text) : null;
}

/** A booking of the patient's at the dentist's. */
export const book = (notes) => rest("POST", "/api/appointments", { ...freeSlot(), notes });

export { assert, WebSocket };
