// Engine.IO, revision 4: the polling transport.

import { assert, eventually, fetched, once, sleep, test, world } from "./kit.mjs";

async function acknowledged(poller, ids) {
  const missing = new Set(ids.map(String));
  await eventually(async () => {
    for (const packet of await poller.packets()) missing.delete(packet.match(/^43\/patient,(\d+)/)?.[1]);
    return missing.size === 0;
  }, "all acknowledgements");
}

const profile = (id) => `42/patient,${id}["profile:get"]`;

test("a post is answered with ok, and its events are acknowledged by a poll", async (t) => {
  const poller = await t.poller();
  await poller.connect("/patient");
  const answer = await poller.post(profile(1));
  assert.deepEqual([answer.status, answer.text], [200, "ok"]);
  assert.match(await poller.packetThat((p) => p.startsWith("43/patient,1[")), /"ok":true/);
});

test("one post carries several packets", async (t) => {
  const poller = await t.poller();
  await poller.connect("/patient");
  await poller.post([profile(1), profile(2), profile(3)].join("\x1e"));
  await acknowledged(poller, [1, 2, 3]);
});

test("one post carries as many packets as fit", async (t) => {
  const poller = await t.poller();
  await poller.connect("/patient");
  const ids = Array.from({ length: 25 }, (_, n) => n);
  assert.equal((await poller.post(ids.map(profile).join("\x1e"))).text, "ok");
  await acknowledged(poller, ids);
});

test("a poll waits until there is something", async (t) => {
  const poller = await t.poller();
  let answered = false;
  const poll = poller.packets().then((packets) => {
    answered = true;
    return packets;
  });
  await sleep(100);
  assert.equal(answered, false);
  await poller.post("40/nowhere,");
  assert.deepEqual(await poll, ['44/nowhere,{"message":"Invalid namespace"}']);
});

test("binary packets are posted in base64", async (t) => {
  const poller = await t.poller();
  await poller.connect("/patient");
  await poller.post('451-/patient,5["profile:get",{"_placeholder":true,"num":0}]\x1ebAQIDBA==');
  const ack = await poller.packetThat((p) => p.startsWith("43/patient,5["));
  assert.match(ack, /VALIDATION_ERROR/);
  assert.match(ack, /binary/);
});

test("text of every language arrives as it was sent", async (t) => {
  const poller = await t.poller();
  await poller.connect("/patient");
  await poller.post('42/patient,9["slots:list",{"åß∂ 歯 🦷":1}]');
  const ack = await poller.packetThat((p) => p.startsWith("43/patient,9["));
  assert.ok(ack.includes("åß∂ 歯 🦷"), ack);
});

test("a post without a length counts", async (t) => {
  const poller = await t.poller();
  await poller.connect("/patient");
  const bytes = new TextEncoder().encode(profile(4));
  const body = new ReadableStream({
    start(controller) {
      controller.enqueue(bytes.slice(0, 9));
      controller.enqueue(bytes.slice(9));
      controller.close();
    },
  });
  assert.equal((await poller.post(body, { duplex: "half" })).text, "ok");
  await poller.packetThat((p) => p.startsWith("43/patient,4["));
});

for (const [what, body] of [
  ["no packet at all", ""],
  ["no packet type", "abc"],
  ["an unknown packet type", "7"],
  ["a packet without end", "4\x1e"],
  ["something that is not base64", "b***"],
  ["a ping, which comes from the server only", "2"],
  ["thousands of tiny packets", Array(5_000).fill("3").join("\x1e")],
]) {
  test(`a post of ${what} ends the session`, async (t) => {
    const poller = await t.poller();
    const answer = await poller.post(body);
    assert.equal(answer.status, 400);
    assert.deepEqual(answer.json(), { code: 3, message: "Bad request" });
    await poller.isGone();
  });
}

test("a post of raw bytes ends the session", async (t) => {
  const poller = await t.poller();
  const answer = await poller.post(Uint8Array.from([1, 2, 3]), {
    headers: { "Content-Type": "application/octet-stream" },
  });
  assert.equal(answer.status, 400);
  await poller.isGone();
});

test("a post that is too large is refused with 413", async (t) => {
  const poller = await t.poller();
  const answer = await poller.post("4".repeat(world.max_payload + 1));
  assert.equal(answer.status, 413);
  await poller.isGone();
});

test("unneeded packets are ignored", async (t) => {
  const poller = await t.poller();
  assert.equal((await poller.post("6\x1e3\x1e5\x1e0")).status, 200);
  await poller.connect("/patient");
});

test("two polls at a time end the session", async (t) => {
  const poller = await t.poller();
  const first = await poller.waitingPoll();
  assert.equal((await poller.poll()).status, 400);
  assert.deepEqual(await first.answer, { status: 200, text: "1" });
  await poller.isGone();
});

test("two posts at a time end the session", async (t) => {
  const poller = await t.poller();
  const first = await poller.unfinishedPost();
  assert.equal((await poller.post("3")).status, 400);
  first.giveUp();
  await poller.isGone();
});

test("a poll that is given up ends the session", async (t) => {
  const poller = await t.poller();
  const poll = await poller.waitingPoll();
  poll.giveUp();
  await eventually(async () => (await poller.post("3")).status === 400, "the end of the session");
});

test("a known session takes GET and POST only, and outlives anything else", async (t) => {
  const poller = await t.poller();
  for (const method of ["PUT", "DELETE"]) {
    const answer = await fetched(poller.query, { method });
    assert.equal(answer.status, 400);
    assert.deepEqual(answer.json(), { code: 3, message: "Bad request" });
  }
  await poller.connect("/patient");
});

test("a polling session is not reached as another transport without an upgrade", async (t) => {
  const poller = await t.poller();
  const answer = await fetched(`&transport=websocket&sid=${poller.handshake.sid}`);
  assert.deepEqual([answer.status, answer.json().code], [400, 3]);
  await poller.connect("/patient");
});

test("every request carries its version", async (t) => {
  const poller = await t.poller();
  const answer = await fetch(`${world.url}/socket.io/?${poller.query.slice(1)}`);
  assert.deepEqual(await answer.json(), { code: 5, message: "Unsupported protocol version" });
});

test("heartbeats go over polling", async (t) => {
  const poller = await t.poller();
  for (let beat = 0; beat < 3; beat++) {
    assert.equal((await poller.poll()).text, "2");
    assert.equal((await poller.post("3")).status, 200);
  }
});

test("a polling session without a heartbeat ends", async (t) => {
  const poller = await t.poller();
  await sleep(world.ping_interval_ms + world.ping_timeout_ms + 250);
  assert.equal((await poller.poll()).status, 400);
});

test("a client closes its session, and the poll that waits is let go", async (t) => {
  const poller = await t.poller();
  const poll = await poller.waitingPoll();
  assert.equal((await poller.post("1")).status, 200);
  assert.deepEqual(await poll.answer, { status: 200, text: "6" });
  await poller.isGone();
});

test("a session receives the reason before it ends", async (t) => {
  const poller = await t.poller();
  await poller.connect("/patient");
  await poller.post("47");
  const last = await poller.poll();
  assert.deepEqual([last.status, last.text.split("\x1e").at(-1)], [200, "1"]);
  await poller.isGone();
});

test("the official client packs many packets into one post", async (t) => {
  const socket = await t.connected("/patient", { transports: ["polling"] });
  const acks = Array.from({ length: 30 }, () => socket.emitWithAck("profile:get"));
  for (const ack of await Promise.all(acks)) assert.equal(ack.ok, true);
  assert.equal(socket.io.engine.transport.name, "polling");
});

test("the official client lives on polling heartbeats", async (t) => {
  const socket = await t.connected("/patient", { transports: ["polling"] });
  for (let beat = 0; beat < 3; beat++) await once(socket.io, "ping");
  assert.equal((await socket.emitWithAck("profile:get")).ok, true);
});
