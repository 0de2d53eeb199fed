// The status page: /health once a second for everybody; with an admin's token also the
// live figures of the channel hub:status, over a WebSocket that speaks Socket.IO's text
// framing (Engine.IO 4). The token travels in the first message, never in an address.
"use strict";

const NAMESPACE = "/admin";
const HEALTH_EVERY_MS = 1000;
const HEALTH_TIMEOUT_MS = 3000;
const RECONNECT_MAX_MS = 10000;

const find = (selector) => document.querySelector(selector);
const verdict = find("#verdict");
const note = find("#note");

// --- health, public -------------------------------------------------------------------

async function health() {
  let answer = null;
  try {
    const response = await fetch("/health", { cache: "no-store", signal: AbortSignal.timeout(HEALTH_TIMEOUT_MS) });
    answer = await response.json();
  } catch {
    // no answer at all: shown as such below, asked again in a second
  }
  showHealth(answer);
  setTimeout(health, HEALTH_EVERY_MS);
}

function showHealth(answer) {
  const status = answer?.status ?? "unreachable";
  verdict.textContent = status;
  verdict.className = `badge ${answer ? status : "down"}`;
  for (const part of ["hub", "database", "realtime"]) {
    const place = find(`[data-health=${part}]`);
    const state = answer?.[part]?.status;
    place.textContent = state ?? "–";
    place.className = state ?? "";
  }
  find("[data-health=sockets]").textContent = answer?.realtime?.connections ?? "–";
  if (answer) find("#version").textContent = answer.version;
  find("[data-health=uptime]").textContent = duration(answer?.uptime_s);
}

function duration(seconds) {
  if (seconds === undefined) return "–";
  const [days, hours, minutes] = [seconds / 86400, (seconds / 3600) % 24, (seconds / 60) % 60].map(Math.floor);
  if (days) return `${days} d ${hours} h`;
  return hours ? `${hours} h ${minutes} min` : minutes ? `${minutes} min` : `${seconds} s`;
}

// --- figures, for admins --------------------------------------------------------------

let token = null;
let socket = null;
let waitMs = 500;
let reconnecting = 0;

function connect() {
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  const mine = (socket = new WebSocket(`${scheme}//${location.host}/socket.io/?EIO=4&transport=websocket`));
  mine.onmessage = ({ data }) => mine === socket && receive(String(data));
  mine.onclose = () => {
    if (mine !== socket || token === null) return;
    note.textContent = "Disconnected; trying again…";
    find("#figures").classList.add("stale");
    reconnecting = setTimeout(connect, waitMs * (0.5 + Math.random() / 2));
    waitMs = Math.min(waitMs * 2, RECONNECT_MAX_MS);
  };
}

function receive(packet) {
  // Engine.IO: 0 open, 2 ping, 4 message. Socket.IO inside: 0 connect, 2 event, 3 ack, 4 refused
  if (packet[0] === "0") return socket.send(`40${NAMESPACE},${JSON.stringify({ token })}`);
  if (packet[0] === "2") return socket.send("3");
  const split = packet.match(/^4([0-4])\/admin,?(\d*)(.*)$/s);
  if (!split) return undefined;
  const [, kind, , text] = split;
  const body = text ? JSON.parse(text) : null;
  if (kind === "0") return socket.send(`42${NAMESPACE},1${JSON.stringify(["channel:join", { channel: "hub:status" }])}`);
  if (kind === "4") return signOut(`Refused: ${body?.data?.message ?? body?.message ?? "the token is not accepted"}`);
  if (kind === "3") return joined(body?.[0]);
  if (kind === "1") return signOut("Signed out by the hub: the token has expired");
  if (kind === "2" && body?.[1]?.channel === "hub:status") return showFigures(body[1].data);
  return undefined;
}

function joined(answer) {
  if (!answer?.ok) return signOut(`Refused: ${answer?.error?.message ?? "no right to the figures"}`);
  waitMs = 500;
  note.textContent = "";
  find("#figures").classList.remove("stale");
  find("#figures").hidden = false;
  return undefined;
}

function showFigures(figures) {
  for (const place of document.querySelectorAll("[data-figure]")) {
    const value = figures[place.dataset.figure];
    const unit = place.dataset.unit ? ` ${place.dataset.unit}` : "";
    place.textContent = value === null || value === undefined ? "–" : `${Math.round(value * 10) / 10}${unit}`;
  }
  const rows = Object.entries(figures.connections ?? {}).map(([namespace, count]) => {
    const row = document.createElement("div");
    row.append(document.createElement("dt"), document.createElement("dd"));
    row.firstChild.textContent = namespace;
    row.lastChild.textContent = count;
    return row;
  });
  find("#connections").replaceChildren(...rows);
}

function signIn(given) {
  token = given;
  sessionStorage.setItem("chairside-admin", token); // this tab only; a reload stays signed in
  find("#sign-in").hidden = true;
  note.textContent = "Connecting…";
  connect();
}

function signOut(why) {
  token = null;
  clearTimeout(reconnecting);
  sessionStorage.removeItem("chairside-admin");
  socket?.close();
  find("#figures").hidden = true;
  find("#sign-in").hidden = false;
  note.textContent = why;
}

find("#sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  signIn(find("#token").value.trim());
  find("#token").value = "";
});
find("#sign-out").addEventListener("click", () => signOut(""));

const linked = new URLSearchParams(location.hash.slice(1)).get("token");
if (linked) history.replaceState(null, "", location.pathname); // not kept in the history
const remembered = linked ?? sessionStorage.getItem("chairside-admin");
if (remembered) signIn(remembered);
health();
