// Engine.IO, revision 4: how a session is opened, and who is refused in which words.

import { assert, fetched, get, post, test, world } from "./kit.mjs";

const FIELDS = ["maxPayload", "pingInterval", "pingTimeout", "sid", "upgrades"];

function isHandshake(handshake, upgrades) {
  assert.deepEqual(Object.keys(handshake).sort(), FIELDS);
  assert.equal(typeof handshake.sid, "string");
  assert.deepEqual(handshake.upgrades, upgrades);
  assert.equal(handshake.pingInterval, world.ping_interval_ms, "sent as it is, below a second");
  assert.equal(handshake.pingTimeout, world.ping_timeout_ms);
  assert.equal(handshake.maxPayload, world.max_payload);
}

function isRefused(answer, code, message, status = 400) {
  assert.equal(answer.status, status, answer.text);
  assert.deepEqual(answer.json(), { code, message });
  assert.match(answer.headers.get("content-type"), /^application\/json/);
}

test("a polling session opens with a complete handshake", async () => {
  const answer = await get("&transport=polling");
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get("content-type"), "text/plain; charset=utf-8");
  assert.equal(answer.headers.get("cache-control"), "no-store");
  assert.equal(answer.headers.get("set-cookie"), null);
  assert.equal(answer.text[0], "0");
  isHandshake(JSON.parse(answer.text.slice(1)), ["websocket"]);
});

test("a WebSocket session opens with a complete handshake and no upgrade", async (t) => {
  isHandshake((await t.engine()).handshake, []);
});

test("session ids cannot be guessed", async (t) => {
  const ids = new Set();
  for (let n = 0; n < 5; n++) ids.add((await t.poller()).handshake.sid);
  assert.equal(ids.size, 5);
  for (const id of ids) assert.ok(id.length >= 20);
});

for (const transport of ["", "&transport=", "&transport=abc", "&transport=webtransport", "&transport=constructor"]) {
  test(`an unknown transport is refused: "${transport}"`, async () => {
    isRefused(await get(transport), 0, "Transport unknown");
  });
}

for (const version of ["", "?EIO=3", "?EIO=5", "?EIO=abc", "?EIO="]) {
  test(`another version of the protocol is refused: "${version}"`, async () => {
    const answer = await fetch(`${world.url}/socket.io/${version}${version ? "&" : "?"}transport=polling`);
    assert.equal(answer.status, 400);
    assert.deepEqual(await answer.json(), { code: 5, message: "Unsupported protocol version" });
  });
}

for (const method of ["POST", "PUT", "DELETE", "PATCH"]) {
  test(`a session is opened with GET only, not ${method}`, async () => {
    isRefused(await fetched("&transport=polling", { method }), 2, "Bad handshake method");
  });
}

test("an unknown session is refused", async () => {
  isRefused(await get("&transport=polling&sid=unknown"), 1, "Session ID unknown");
  isRefused(await post("&transport=polling&sid=unknown", "2"), 1, "Session ID unknown");
  isRefused(await get("&transport=polling&sid=__proto__"), 1, "Session ID unknown");
});

test("the WebSocket transport needs a WebSocket", async () => {
  isRefused(await get("&transport=websocket"), 3, "Bad request");
});

for (const query of [
  "?EIO=4",
  "?EIO=4&transport=abc",
  "?EIO=4&transport=polling",
  "?EIO=4&transport=websocket&sid=unknown",
  "?EIO=3&transport=websocket",
  "?transport=websocket",
]) {
  test(`a WebSocket is not opened for "${query}"`, async (t) => {
    assert.equal(await t.websocket(query, {}, "/socket.io/").refused, 400);
  });
}

test("a page of a foreign origin is refused, on both transports", async (t) => {
  const headers = { Origin: "https://evil.example" };
  const answer = await get("&transport=polling", { headers });
  isRefused(answer, 4, "Forbidden", 403);
  assert.equal(answer.headers.get("access-control-allow-origin"), null);
  const raw = t.websocket("&transport=websocket", { headers });
  assert.equal(await raw.refused, 403);
});

test("a page of a known origin may read the answers, refusals too", async () => {
  const headers = { Origin: "https://clinic.example" };
  for (const query of ["&transport=polling", "&transport=abc"]) {
    const answer = await get(query, { headers });
    assert.equal(answer.headers.get("access-control-allow-origin"), "https://clinic.example");
    assert.equal(answer.headers.get("vary"), "Origin");
  }
});

test("a CORS preflight is answered", async () => {
  const preflight = { "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-clinic" };
  const known = await fetched("&transport=polling", {
    method: "OPTIONS",
    headers: { Origin: "https://clinic.example", ...preflight },
  });
  assert.equal(known.status, 204);
  assert.equal(known.headers.get("access-control-allow-origin"), "https://clinic.example");
  assert.match(known.headers.get("access-control-allow-methods"), /GET.*POST/);
  assert.equal(known.headers.get("access-control-allow-headers"), "x-clinic");
  const foreign = await fetched("&transport=polling", {
    method: "OPTIONS",
    headers: { Origin: "https://evil.example", ...preflight },
  });
  assert.equal(foreign.headers.get("access-control-allow-origin"), null);
});

test("JSONP is not offered", async () => {
  const answer = await get("&transport=polling&j=0");
  assert.equal(answer.text[0], "0", "no script");
});
