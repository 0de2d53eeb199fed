// The official socket.io-client, as pages use it.

import { io } from "socket.io-client";
import { assert, book, eventually, freeSlot, once, rest, sleep, test, token, world } from "./kit.mjs";

const POLLING = { transports: ["polling"] };
const BYTES = Uint8Array.from([1, 2, 3, 4]);

for (const namespace of ["/dentist", "/patient", "/chatbot", "/admin"]) {
  for (const transports of [["websocket"], ["polling"]]) {
    test(`it connects to ${namespace} by ${transports[0]} and receives hub:ready`, async (t) => {
      const socket = await t.connected(namespace, { transports });
      assert.ok(socket.connected);
      assert.ok(socket.ready.channels["availability:all"]);
      assert.equal(socket.io.engine.transport.name, transports[0]);
    });
  }
}

test("it falls back from a transport to the next", async (t) => {
  const socket = await t.connected("/patient", {
    transports: ["websocket", "polling"],
    tryAllTransports: true,
    transportOptions: { websocket: { port: 1 } },
  });
  assert.equal(socket.io.engine.transport.name, "polling");
});

for (const transports of [["websocket"], ["polling"]]) {
  test(`commands are acknowledged by ${transports[0]}`, async (t) => {
    const socket = await t.connected("/patient", { transports });
    const ack = await socket.emitWithAck("reservation:create", freeSlot());
    assert.equal(ack.ok, true, JSON.stringify(ack));
    const released = await socket.emitWithAck("reservation:release", { id: ack.data.id });
    assert.deepEqual(released, { ok: true, data: null });
  });
}

test("a callback is called once", async (t) => {
  const socket = await t.connected("/patient");
  let calls = 0;
  socket.emit("profile:get", () => calls++);
  await eventually(() => calls > 0);
  await sleep(50);
  assert.equal(calls, 1);
});

test("an acknowledgement in time is no timeout", async (t) => {
  const socket = await t.connected("/patient");
  assert.equal((await socket.timeout(5_000).emitWithAck("profile:get")).ok, true);
});

test("an acknowledgement that does not come is a timeout", async (t) => {
  const socket = t.client("/patient", { autoConnect: false });
  await assert.rejects(socket.timeout(50).emitWithAck("profile:get"), /timed out/);
});

test("retried commands are carried out once, in order", async (t) => {
  const socket = await t.connected("/patient", { retries: 3, ackTimeout: 2_000 });
  const seen = [];
  socket.emit("profile:get", {}, () => seen.push(1));
  socket.emit("profile:get", {}, () => seen.push(2));
  socket.emit("profile:get", {}, () => seen.push(3));
  await eventually(() => seen.length >= 3);
  assert.deepEqual(seen, [1, 2, 3]);
});

for (const [what, namespace, auth, code] of [
  ["no token", "/patient", () => ({}), "UNAUTHORIZED"],
  ["nonsense for a token", "/patient", () => ({ token: "nonsense" }), "UNAUTHORIZED"],
  ["an expired token", "/patient", () => ({ token: token("patient", "patient-0", -5) }), "UNAUTHORIZED"],
  ["a token of another role", "/dentist", () => ({ token: world.tokens.patient }), "FORBIDDEN"],
  ["unknown fields", "/patient", () => ({ token: world.tokens.patient, x: 1 }), "VALIDATION_ERROR"],
  [
    "an unknown patient to act for",
    "/chatbot",
    () => ({ token: world.tokens.chatbot, on_behalf_of: world.dentist }),
    "NOT_FOUND",
  ],
]) {
  test(`${what} is a connect_error with its code and data`, async (t) => {
    const socket = t.client(namespace, { auth: auth() });
    const error = await once(socket, "connect_error");
    assert.equal(error.message, code);
    assert.equal(error.data.code, code);
    assert.ok(error.data.message && error.data.timestamp && error.data.request_id);
    assert.equal(socket.active, false, "a refusal is final: it does not try again by itself");
  });
}

test("an unknown namespace is a connect_error", async (t) => {
  const socket = t.client("/nowhere", { auth: {} });
  assert.equal((await once(socket, "connect_error")).message, "Invalid namespace");
});

test("a refused client connects with a better token", async (t) => {
  let token = "nonsense";
  const socket = t.client("/patient", { auth: (give) => give({ token }) });
  await once(socket, "connect_error");
  token = world.tokens.patient;
  socket.connect();
  await once(socket, "hub:ready");
});

test("two namespaces share one connection", async (t) => {
  const patient = await t.connected("/patient");
  const dentist = patient.io.socket("/dentist", { auth: { token: world.tokens.dentist } });
  t.later(() => dentist.disconnect());
  await once(dentist, "hub:ready");
  assert.equal(dentist.io.engine, patient.io.engine);
  const arrivals = [patient, dentist].map((socket) =>
    once(socket, "appointment.created", (envelope) => envelope.data.notes === "for both"),
  );
  await book("for both");
  const [first, second] = await Promise.all(arrivals);
  assert.equal(first.id, second.id, "the same event");
  assert.notEqual(first.channel, second.channel);
});

test("leaving one namespace leaves the other", async (t) => {
  const patient = await t.connected("/patient");
  const dentist = patient.io.socket("/dentist", { auth: { token: world.tokens.dentist } });
  t.later(() => dentist.disconnect());
  await once(dentist, "hub:ready");
  patient.disconnect();
  assert.equal((await dentist.emitWithAck("profile:get")).ok, true);
  dentist.disconnect();
  await eventually(() => dentist.io.engine.readyState === "closed");
});

test("leaving and coming back on one connection", async (t) => {
  const dentist = await t.connected("/dentist");
  const patient = dentist.io.socket("/patient", { auth: { token: world.tokens.patient } });
  t.later(() => patient.disconnect());
  await once(patient, "hub:ready");
  for (let turn = 0; turn < 3; turn++) {
    patient.disconnect();
    patient.connect();
    await once(patient, "hub:ready");
  }
  assert.equal((await patient.emitWithAck("profile:get")).ok, true);
});

for (const transports of [["websocket"], ["polling"]]) {
  test(`events come once and in order by ${transports[0]}`, async (t) => {
    const socket = t.client("/patient", { transports });
    const offsets = [];
    const channel = `appointments:patient:${world.patient}`;
    socket.onAny((event, envelope) => {
      if (envelope?.channel === channel && "id" in envelope) offsets.push(envelope.offset);
    });
    const ready = await once(socket, "hub:ready");
    const since = ready.channels[channel].offset;
    const last = [];
    for (let n = 0; n < 8; n++) last.push(await book(`${transports[0]} ${n}`));
    const { offset } = (await rest("GET", "/api/appointments?limit=1")).position;
    await eventually(() => offsets.at(-1) >= offset, "the last event");
    const expected = Array.from({ length: offsets.at(-1) - since }, (_, n) => since + n + 1);
    assert.deepEqual(offsets, expected);
  });
}

test("an event is its type with the envelope as only argument", async (t) => {
  const socket = await t.connected("/dentist");
  const arrival = once(
    socket,
    "appointment.created",
    (...args) => args.length === 1 && args[0].data.notes === "an envelope",
  );
  await book("an envelope");
  const envelope = await arrival;
  assert.deepEqual(Object.keys(envelope).sort(), ["by", "channel", "data", "epoch", "id", "offset", "time", "type"]);
  assert.equal(envelope.type, "appointment.created");
});

test("binary data is refused, however deep it is", async (t) => {
  for (const options of [{}, POLLING]) {
    const socket = await t.connected("/patient", options);
    for (const data of [BYTES, { notes: BYTES }, { start: { deep: [BYTES, BYTES.buffer] } }]) {
      const ack = await socket.emitWithAck("appointment:book", data);
      assert.equal(ack.error.code, "VALIDATION_ERROR");
      assert.match(ack.error.details[0].message, /binary/);
    }
  }
});

test("it reconnects by itself when its connection breaks, and takes up its place", async (t) => {
  const channel = `appointments:patient:${world.patient}`;
  let since;
  const socket = t.client("/patient", {
    reconnection: true,
    reconnectionDelay: 50,
    auth: (give) => give({ token: world.tokens.patient, ...(since && { since }) }),
  });
  const { channels } = await once(socket, "hub:ready");
  since = { [channel]: { epoch: channels[channel].epoch, offset: channels[channel].offset } };
  const known = [];
  socket.on("appointment.created", (envelope) => known.push(envelope.data.id));
  const again = once(socket, "hub:ready");
  socket.io.engine.transport.ws.terminate();
  await once(socket, "disconnect");
  const booked = await book("while it was away");
  const recovered = (await again).channels[channel];
  assert.equal(recovered.recovered, true);
  known.push(...recovered.events.map((envelope) => envelope.data.id));
  await eventually(() => known.includes(booked.id), "what was missed");
  assert.equal(known.filter((id) => id === booked.id).length, 1);
});

test("it reconnects by itself from polling, too", async (t) => {
  const socket = await t.connected("/patient", { ...POLLING, reconnection: true, reconnectionDelay: 50 });
  const again = once(socket, "hub:ready");
  socket.io.engine.close();
  socket.io.engine.onClose?.("transport error");
  await again;
  assert.equal((await socket.emitWithAck("profile:get")).ok, true);
});

test("events emitted while disconnected are sent after reconnecting", async (t) => {
  const socket = t.client("/patient", { autoConnect: false });
  const ack = socket.emitWithAck("profile:get");
  assert.equal(socket.sendBuffer.length, 1);
  socket.connect();
  assert.equal((await ack).ok, true);
});

test("volatile events are not sent later", async (t) => {
  const socket = t.client("/patient", { autoConnect: false });
  let answered = false;
  socket.volatile.emit("profile:get", () => (answered = true));
  socket.connect();
  await once(socket, "hub:ready");
  assert.equal((await socket.emitWithAck("profile:get")).ok, true);
  assert.equal(answered, false);
});

test("volatile events are sent while connected", async (t) => {
  const socket = await t.connected("/patient");
  const ack = new Promise((resolve) => socket.volatile.emit("profile:get", resolve));
  assert.equal((await ack).ok, true);
});

for (const transports of [["websocket"], ["polling"]]) {
  test(`token expiry is announced, then carried out, by ${transports[0]}`, async (t) => {
    const socket = t.client("/patient", { transports, auth: { token: token("patient", "patient-0", 1.5) } });
    const seen = [];
    socket.onAny((event) => seen.push(event));
    const reason = await once(socket, "disconnect");
    assert.equal([reason].flat()[0], "io server disconnect");
    assert.deepEqual(
      seen.filter((event) => event.startsWith("auth:")),
      ["auth:expiring", "auth:expired"],
    );
    assert.equal(socket.active, false, "disconnected by the hub, it does not reconnect by itself");
  });
}

test("a message that is too large ends the connection, and it comes back", async (t) => {
  const socket = await t.connected("/patient", { reconnection: true, reconnectionDelay: 50 });
  const again = once(socket, "hub:ready");
  const gone = once(socket, "disconnect");
  socket.emit("profile:get", { x: "x".repeat(world.max_payload) });
  assert.match([await gone].flat()[0], /transport/);
  await again;
});

test("a manager opens and closes as often as one likes", async (t) => {
  const socket = await t.connected("/patient");
  for (let turn = 0; turn < 3; turn++) {
    socket.disconnect();
    await eventually(() => socket.io.engine.readyState === "closed");
    socket.connect();
    await once(socket, "hub:ready");
  }
});

test("many clients come at once", async (t) => {
  const sockets = await Promise.all(
    Array.from({ length: 10 }, (_, n) => t.connected("/patient", n % 2 ? POLLING : {})),
  );
  assert.equal(new Set(sockets.map((socket) => socket.id)).size, sockets.length);
});

test("channels are joined and left", async (t) => {
  const socket = await t.connected("/patient");
  const channel = `availability:dentist:${world.other_dentist}`;
  const joined = await socket.emitWithAck("channel:join", { channel });
  assert.equal(joined.ok, true);
  assert.deepEqual(Object.keys(joined.data).sort(), ["epoch", "events", "more", "offset", "recovered"]);
  const left = await socket.emitWithAck("channel:leave", { channel });
  assert.deepEqual(left, { ok: true, data: { channel } });
  const foreign = await socket.emitWithAck("channel:join", { channel: `appointments:dentist:${world.dentist}` });
  assert.equal(foreign.error.code, "FORBIDDEN");
});

test("a connection without a namespace at all is refused", async (t) => {
  const socket = io(world.url, { transports: ["websocket"], reconnection: false, forceNew: true });
  t.later(() => socket.disconnect());
  assert.equal((await once(socket, "connect_error")).message, "Invalid namespace");
});
