// Socket.IO, revision 5: every packet type, by hand over one WebSocket.

import { assert, sleep, test, world } from "./kit.mjs";

const BYTES = Uint8Array.from([1, 2, 3, 4]);

test("CONNECT is answered with the session's id, which is not the connection's", async (t) => {
  const raw = await t.engine();
  const answer = await raw.connect("/patient");
  const { sid, ...rest } = JSON.parse(answer.slice("40/patient,".length));
  assert.equal(typeof sid, "string");
  assert.notEqual(sid, raw.handshake.sid);
  assert.deepEqual(rest, {});
});

test("CONNECT to the main namespace is refused: this hub has none", async (t) => {
  const raw = await t.engine();
  raw.send("40");
  assert.equal(await raw.message(), '44{"message":"Invalid namespace"}');
});

test("CONNECT to an unknown namespace is refused in the protocol's words", async (t) => {
  const raw = await t.engine();
  raw.send("40/random");
  assert.equal(await raw.message(), '44/random,{"message":"Invalid namespace"}');
});

test("CONNECT without a token is refused, and may be tried again", async (t) => {
  const raw = await t.engine();
  raw.send("40/patient,");
  const refusal = await raw.message();
  assert.ok(refusal.startsWith("44/patient,"), refusal);
  const { message, data } = JSON.parse(refusal.slice("44/patient,".length));
  assert.equal(message, "UNAUTHORIZED");
  assert.equal(data.code, "UNAUTHORIZED");
  assert.equal(data.message, "Invalid token");
  await raw.connect("/patient");
  await raw.works("/patient");
});

test("CONNECT to a namespace of another role is refused", async (t) => {
  const raw = await t.engine();
  assert.match(await raw.connect("/dentist", { token: world.tokens.patient }), /^44\/dentist,.*FORBIDDEN/);
});

test("CONNECT takes several namespaces over one connection", async (t) => {
  const raw = await t.raw("/patient");
  await raw.connect("/dentist");
  await raw.works("/patient", 1);
  await raw.works("/dentist", 2);
});

test("a second CONNECT to the same namespace is refused, and changes nothing", async (t) => {
  const raw = await t.raw("/patient");
  raw.send(`40/patient,${JSON.stringify({ token: world.tokens.patient })}`);
  assert.equal(await raw.messageThat((m) => m.startsWith("44")), '44/patient,{"message":"Already connected"}');
  await raw.works("/patient");
});

test("EVENT with an id is acknowledged with that id, once", async (t) => {
  const raw = await t.raw("/patient");
  for (const id of [0, 7, 456, 2 ** 31]) {
    raw.send(`42/patient,${id}["profile:get"]`);
    const ack = await raw.messageThat((m) => m.startsWith("43"));
    assert.ok(ack.startsWith(`43/patient,${id}[{"ok":true`), ack);
  }
});

test("EVENT without an id is carried out, and not acknowledged", async (t) => {
  const raw = await t.raw("/dentist");
  raw.send(`42/dentist,["channel:join",{"channel":"availability:dentist:${world.other_dentist}"}]`);
  raw.send('42/dentist,1["profile:get"]');
  assert.match(await raw.messageThat((m) => m.startsWith("43")), /^43\/dentist,1\[/);
});

test("ACK arguments are one array with one object", async (t) => {
  const raw = await t.raw("/patient");
  raw.send('42/patient,1["nonsense"]');
  const ack = await raw.messageThat((m) => m.startsWith("43"));
  const [answer, ...more] = JSON.parse(ack.slice("43/patient,1".length));
  assert.deepEqual(more, []);
  assert.equal(answer.ok, false);
  assert.equal(answer.error.code, "VALIDATION_ERROR");
});

test("BINARY_EVENT is put together and acknowledged", async (t) => {
  const raw = await t.raw("/patient");
  const arguments_ = '{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}';
  raw.send(`452-/patient,789["profile:get",${arguments_}]`, BYTES, BYTES);
  const ack = await raw.messageThat((m) => m.startsWith("43"));
  assert.match(ack, /^43\/patient,789\[/);
  assert.match(ack, /VALIDATION_ERROR.*binary/);
  await raw.works("/patient");
});

test("BINARY_EVENT without an id is put together, too", async (t) => {
  const raw = await t.raw("/patient");
  raw.send('451-/patient,["profile:get",{"_placeholder":true,"num":0}]', BYTES);
  await raw.works("/patient");
});

test("ACK and BINARY_ACK that nothing waits for are ignored", async (t) => {
  const raw = await t.raw("/patient");
  raw.send("43/patient,12[]", '43/patient,13["yes"]');
  raw.send('461-/patient,14[{"_placeholder":true,"num":0}]', BYTES);
  await raw.works("/patient");
});

test("DISCONNECT ends one namespace, and no other", async (t) => {
  const raw = await t.raw("/patient");
  await raw.connect("/dentist");
  raw.send("41/patient,");
  await raw.works("/dentist");
});

test("DISCONNECT of the last namespace leaves the connection, which may come back", async (t) => {
  const raw = await t.raw("/patient");
  raw.send("41/patient,");
  const pings = raw.pings;
  await raw.connect("/patient");
  await raw.works("/patient");
  assert.ok(raw.pings >= pings);
});

test("events after DISCONNECT are just late", async (t) => {
  const raw = await t.raw("/patient");
  await raw.connect("/dentist");
  raw.send("41/patient,", '42/patient,1["profile:get"]');
  await raw.works("/dentist", 2);
});

test("an EVENT before CONNECT ends the connection", async (t) => {
  const raw = await t.engine();
  raw.send('42/patient,1["profile:get"]');
  await raw.isClosed();
});

test("a BINARY_EVENT before CONNECT ends the connection", async (t) => {
  const raw = await t.engine();
  raw.send('451-/patient,1["profile:get",{"_placeholder":true,"num":0}]', BYTES);
  await raw.isClosed();
});

test("a connection without CONNECT is closed", async (t) => {
  const raw = await t.engine();
  const began = Date.now();
  await raw.isClosed();
  assert.ok(Date.now() - began >= world.connect_timeout_ms - 100);
});

for (const [what, ...frames] of [
  ["an unknown packet type", "47"],
  ["a packet type that is a letter", "4abc"],
  ["CONNECT_ERROR, which comes from the server only", '44/patient,{"message":"no"}'],
  ["CONNECT with an array", '40/patient,["token"]'],
  ["CONNECT with broken JSON", "40/admin,{"],
  ["DISCONNECT with data", '41/patient,{"x":1}'],
  ["EVENT without a payload", "42/patient,"],
  ["EVENT with an object", "42/patient,{}"],
  ["EVENT with an empty array", "42/patient,[]"],
  ["EVENT with a number for a name", "42/patient,[7]"],
  ["EVENT with broken JSON", '42/patient,1["profile:get"'],
  ["EVENT with an id that is none", '42/patient,abc["profile:get"]'],
  ["EVENT with a reserved name", '42/patient,["connect",{}]'],
  ["EVENT with another reserved name", '42/patient,["disconnecting"]'],
  ["ACK without an id", "43/patient,[]"],
  ["ACK with an object", "43/patient,1{}"],
  ["BINARY_EVENT whose attachment is text", '451-/patient,["x",{"_placeholder":true,"num":0}]', '42/patient,["y"]'],
  ["an attachment that was not announced", BYTES],
]) {
  test(`${what} ends the connection`, async (t) => {
    const raw = await t.raw("/patient");
    raw.send(...frames);
    await raw.isClosed();
  });
}

test("a broken client does not affect other clients", async (t) => {
  const good = await t.raw("/patient");
  const bad = await t.raw("/patient");
  bad.send("4" + "[".repeat(5_000));
  await bad.isClosed();
  await good.works("/patient");
});

test("events come as EVENT packets with one argument, after hub:ready", async (t) => {
  const raw = await t.engine();
  raw.send(`40/patient,${JSON.stringify({ token: world.tokens.patient })}`);
  assert.match(await raw.message(), /^40\/patient,\{"sid":/);
  const ready = await raw.message();
  assert.ok(ready.startsWith('42/patient,["hub:ready",{"channels":'), ready);
  await sleep(0);
  assert.equal(JSON.parse(ready.slice("42/patient,".length)).length, 2);
});
