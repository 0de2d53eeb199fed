// Engine.IO, revision 4: the WebSocket transport.

import { assert, eventually, once, sleep, test, world } from "./kit.mjs";

test("heartbeats go over a WebSocket", async (t) => {
  const raw = await t.engine();
  await eventually(() => raw.pings >= 3, "three pings");
  await raw.connect("/patient");
  await raw.works("/patient");
});

test("a WebSocket session without a heartbeat ends", async (t) => {
  const raw = await t.engine();
  raw.answersPings = false;
  const began = Date.now();
  await raw.isClosed();
  const took = Date.now() - began;
  assert.ok(took >= world.ping_interval_ms + world.ping_timeout_ms - 100, `after ${took} ms`);
});

test("any packet is a sign of life", async (t) => {
  const raw = await t.engine();
  await raw.connect("/patient");
  raw.answersPings = false;
  const until = Date.now() + world.ping_interval_ms + 1.5 * world.ping_timeout_ms;
  while (Date.now() < until) {
    await raw.works("/patient");
    await sleep(100);
  }
});

test("a pong without a ping is harmless", async (t) => {
  const raw = await t.engine();
  raw.send("3", "3");
  await raw.connect("/patient");
});

test("a client closes its session with a packet", async (t) => {
  const raw = await t.engine();
  raw.send("1");
  await raw.isClosed();
});

for (const [what, frame] of [
  ["no packet type", "abc"],
  ["an unknown packet type", "9"],
  ["nothing", ""],
  ["a message without content", "4"],
  ["a ping, which comes from the server only", "2"],
  ["a probe where nothing is upgraded", "2probe"],
]) {
  test(`a frame of ${what} ends the session`, async (t) => {
    const raw = await t.engine();
    raw.send(frame);
    await raw.isClosed();
  });
}

for (const [what, frame] of [
  ["NOOP", "6"],
  ["UPGRADE", "5"],
  ["OPEN", "0{}"],
]) {
  test(`a client's ${what} is ignored`, async (t) => {
    const raw = await t.engine();
    raw.send(frame);
    await raw.connect("/patient");
    await raw.works("/patient");
  });
}

test("a frame that is too large ends the session", async (t) => {
  const raw = await t.raw("/patient");
  raw.send(`42/patient,1["profile:get","${"x".repeat(world.max_payload)}"]`);
  await raw.isClosed();
});

test("a frame of exactly maxPayload arrives", async (t) => {
  const raw = await t.raw("/patient");
  const head = '42/patient,1["profile:get",{"x":"';
  raw.send(head + "x".repeat(world.max_payload - head.length - 4) + '"}]');
  assert.match(await raw.messageThat((m) => m.startsWith("43/patient,1")), /VALIDATION_ERROR/);
});

test("a message may come in fragments", async (t) => {
  const raw = await t.raw("/patient");
  raw.ws.send('42/patient,1["profi', { fin: false });
  raw.ws.send('le:get"]', { fin: true });
  assert.match(await raw.messageThat((m) => m.startsWith("43/patient,1")), /"ok":true/);
});

test("frames are not compressed unless configured", async (t) => {
  const raw = await t.engine({ perMessageDeflate: true });
  assert.equal(raw.ws.extensions, "");
});

test("WebSocket pings are answered as WebSockets do", async (t) => {
  const raw = await t.engine();
  const pong = once(raw.ws, "pong");
  raw.ws.ping("are you there?");
  assert.equal((await pong).toString(), "are you there?");
});

test("a client that goes without a word is let go", async (t) => {
  const raw = await t.raw("/patient");
  raw.ws.terminate();
  const other = await t.raw("/patient");
  await other.works("/patient");
});

test("the official client lives on WebSocket heartbeats", async (t) => {
  const socket = await t.connected("/patient");
  for (let beat = 0; beat < 3; beat++) await once(socket.io, "ping");
  assert.equal((await socket.emitWithAck("profile:get")).ok, true);
});
