// Engine.IO, revision 4: from polling to a WebSocket.

import { assert, book, once, sleep, test } from "./kit.mjs";

async function probed(t, poller) {
  const raw = t.websocket(`&transport=websocket&sid=${poller.handshake.sid}`);
  await raw.opened;
  raw.send("2probe");
  assert.equal(await raw.message(), "3probe");
  return raw;
}

async function upgraded(t) {
  const poller = await t.poller();
  const raw = await probed(t, poller);
  raw.send("5");
  return { poller, raw };
}

test("a session goes on over a WebSocket", async (t) => {
  const { raw } = await upgraded(t);
  await raw.connect("/patient");
  await raw.works("/patient");
});

test("a poll during the upgrade is let go", async (t) => {
  const poller = await t.poller();
  const raw = await probed(t, poller);
  const poll = await poller.poll();
  assert.deepEqual([poll.status, poll.text], [200, "6"]);
  raw.send("5");
  assert.match(await raw.connect("/patient"), /^40\/patient,/);
});

test("a poll that waits when the upgrade begins is let go", async (t) => {
  const poller = await t.poller();
  const poll = poller.poll();
  await sleep(50);
  const raw = await probed(t, poller);
  assert.deepEqual([(await poll).status, (await poll).text], [200, "6"]);
  raw.send("5");
  await raw.connect("/patient");
});

test("nothing is lost or doubled between the transports", async (t) => {
  const poller = await t.poller();
  await poller.connect("/patient");
  const raw = await probed(t, poller);
  await poller.post('42/patient,1["profile:get"]');
  raw.send("5", '42/patient,2["profile:get"]');
  const acks = [await raw.message(), await raw.message()].map((m) => m.slice(0, 13));
  assert.deepEqual(acks.sort(), ["43/patient,1[", "43/patient,2["]);
});

test("the first message after an upgrade is no stray packet", async (t) => {
  const { raw } = await upgraded(t);
  raw.send("40/nowhere,");
  assert.equal(await raw.message(), '44/nowhere,{"message":"Invalid namespace"}');
});

test("HTTP requests after the upgrade are refused, and change nothing", async (t) => {
  const { poller, raw } = await upgraded(t);
  await raw.connect("/patient");
  for (const answer of [await poller.poll(), await poller.post("3")]) {
    assert.equal(answer.status, 400);
    assert.deepEqual(answer.json(), { code: 3, message: "Bad request" });
  }
  await raw.works("/patient");
});

test("a second WebSocket after the upgrade is closed, and changes nothing", async (t) => {
  const { poller, raw } = await upgraded(t);
  await raw.connect("/patient");
  const second = t.websocket(`&transport=websocket&sid=${poller.handshake.sid}`);
  await second.isClosed();
  await raw.works("/patient");
});

test("a second WebSocket during the upgrade is closed, and changes nothing", async (t) => {
  const poller = await t.poller();
  const raw = await probed(t, poller);
  const second = t.websocket(`&transport=websocket&sid=${poller.handshake.sid}`);
  await second.isClosed();
  raw.send("5");
  await raw.connect("/patient");
});

test("a second WebSocket of a WebSocket session is closed, and changes nothing", async (t) => {
  const raw = await t.raw("/patient");
  const second = t.websocket(`&transport=websocket&sid=${raw.handshake.sid}`);
  await second.isClosed();
  await raw.works("/patient");
});

for (const [what, frame] of [
  ["a message", "40/patient,"],
  ["another ping", "2"],
  ["no packet", "abc"],
]) {
  test(`an upgrade that begins with ${what} fails, and polling goes on`, async (t) => {
    const poller = await t.poller();
    const raw = t.websocket(`&transport=websocket&sid=${poller.handshake.sid}`);
    await raw.opened;
    raw.send(frame);
    await raw.isClosed();
    await poller.connect("/patient");
  });
}

test("an upgrade whose WebSocket breaks fails, and polling goes on", async (t) => {
  const poller = await t.poller();
  await poller.connect("/patient");
  const raw = await probed(t, poller);
  raw.ws.terminate();
  await sleep(50);
  const booked = await book("after a broken upgrade");
  await poller.packetThat((packet) => packet.includes(booked.id));
});

test("the official client upgrades by itself, and has every event once", async (t) => {
  const socket = t.client("/patient", { transports: ["polling", "websocket"] });
  const seen = [];
  socket.on("appointment.created", (envelope) => seen.push(envelope.data.id));
  const upgrade = new Promise((resolve) => {
    socket.io.on("open", () => once(socket.io.engine, "upgrade").then(resolve));
  });
  await once(socket, "hub:ready");
  const ids = [];
  for (let n = 0; n < 6; n++) ids.push((await book(`upgrade ${n}`)).id);
  await upgrade;
  assert.equal(socket.io.engine.transport.name, "websocket");
  const last = await book("the last");
  if (!seen.includes(last.id)) {
    await once(socket, "appointment.created", (envelope) => envelope.data.id === last.id);
  }
  for (const id of [...ids, last.id]) {
    assert.equal(seen.filter((each) => each === id).length, 1);
  }
});
