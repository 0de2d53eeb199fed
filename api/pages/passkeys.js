/* The passkeys of the person who is signed in: listed, added and removed. */

const TEXTS = {
  en: {
    title: "Your passkeys",
    lead: "With these you sign in. Add one on each device, and remove the one of a device that you lost.",
    add: "Add a passkey of this device",
    made: "Made on {day}",
    used: "last used on {day}",
    unused: "not used yet",
    remove: "Remove",
    sure: "Remove this passkey? You are signed out on all other devices.",
    again: "Sign in again",
    old: "For this, please sign in again first.",
    last: "This is your only way in. Add another passkey first.",
    cancelled: "No passkey was made. This device may have one already.",
    failed: "That did not work. Please try again in a moment.",
  },
  de: {
    title: "Ihre Passkeys",
    lead: "Damit melden Sie sich an. Fügen Sie auf jedem Gerät einen hinzu, und entfernen Sie den eines verlorenen Geräts.",
    add: "Passkey dieses Geräts hinzufügen",
    made: "Erstellt am {day}",
    used: "zuletzt verwendet am {day}",
    unused: "noch nicht verwendet",
    remove: "Entfernen",
    sure: "Diesen Passkey entfernen? Auf allen anderen Geräten werden Sie abgemeldet.",
    again: "Neu anmelden",
    old: "Bitte melden Sie sich dafür zuerst noch einmal an.",
    last: "Das ist Ihr einziger Zugang. Fügen Sie zuerst einen anderen Passkey hinzu.",
    cancelled: "Es wurde kein Passkey erstellt. Dieses Gerät hat vielleicht schon einen.",
    failed: "Das hat nicht geklappt. Bitte versuchen Sie es gleich noch einmal.",
  },
};
const language = navigator.language.startsWith("de") ? "de" : "en";
const text = TEXTS[language];
const SIGN_IN = "/sign-in?next=%2Fpasskeys";

const list = document.getElementById("passkeys");
const add = document.getElementById("add");
const message = document.getElementById("message");
const again = document.getElementById("again");

document.documentElement.lang = language;
document.title = `${text.title} · Chairside`;
document.getElementById("title").textContent = text.title;
document.getElementById("lead").textContent = text.lead;
add.textContent = text.add;
again.textContent = text.again;
add.addEventListener("click", () => void attempt(add, addOne));
void attempt(add, show);

async function show() {
  const { data } = await api("GET", "/api/passkeys");
  list.replaceChildren(...data.map(item));
}

function item(passkey) {
  const row = document.createElement("li");
  const used = passkey.used_at ? text.used.replace("{day}", day(passkey.used_at)) : text.unused;
  row.append(`${text.made.replace("{day}", day(passkey.created_at))}, ${used} `);
  const remove = document.createElement("button");
  remove.type = "button";
  remove.textContent = text.remove;
  remove.addEventListener("click", () => {
    if (confirm(text.sure)) void attempt(remove, () => removeOne(passkey.id));
  });
  row.append(remove);
  return row;
}

async function addOne() {
  const { ceremony, create } = await api("POST", "/api/passkeys/options");
  const made = await navigator.credentials.create({
    publicKey: {
      ...create,
      challenge: bytes(create.challenge),
      user: { ...create.user, id: bytes(create.user.id) },
      excludeCredentials: create.excludeCredentials.map((known) => ({
        ...known,
        id: bytes(known.id),
      })),
    },
  });
  const response = {
    clientDataJSON: base64url(made.response.clientDataJSON),
    attestationObject: base64url(made.response.attestationObject),
  };
  const credential = { id: made.id, rawId: base64url(made.rawId), type: made.type, response };
  await api("POST", "/api/passkeys", { ceremony, credential });
  await show();
}

async function removeOne(id) {
  await api("DELETE", `/api/passkeys/${encodeURIComponent(id)}`);
  await show();
}

async function attempt(control, work) {
  control.disabled = true;
  message.textContent = "";
  again.hidden = true;
  try {
    await work();
  } catch (error) {
    message.textContent = reason(error);
    again.hidden = error.status !== 403;
  } finally {
    control.disabled = false;
  }
}

function reason(error) {
  if (error instanceof DOMException) return text.cancelled;
  return { 400: text.last, 403: text.old }[error.status] ?? text.failed;
}

/** With a token of the browser's session; without a session, people sign in first. */
async function api(method, path, body) {
  const token = await fetch("/sign-in/token", { method: "POST" });
  if (token.status === 401) location.replace(SIGN_IN);
  if (token.status !== 200) throw failure(token);
  const { access_token: bearer } = await token.json();
  const response = await fetch(path, {
    method,
    headers: {
      Authorization: `Bearer ${bearer}`,
      ...(body && { "Content-Type": "application/json" }),
    },
    body: body && JSON.stringify(body),
  });
  if (!response.ok) throw failure(response);
  return response.status === 204 ? null : response.json();
}

function failure(response) {
  return Object.assign(new Error("refused"), { status: response.status });
}

function day(instant) {
  return new Date(instant).toLocaleDateString(language, { dateStyle: "medium" });
}

function bytes(value) {
  const plain = atob(value.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(plain, (character) => character.charCodeAt(0));
}

function base64url(buffer) {
  const plain = String.fromCharCode(...new Uint8Array(buffer));
  return btoa(plain).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
