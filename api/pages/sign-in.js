/* Signs in with a passkey, or makes one with the invitation in the address. */

const TEXTS = {
  en: {
    title: "Sign in",
    lead: "Use the passkey of this device, or one on your telephone.",
    use: "Sign in with a passkey",
    invited: "You are invited",
    make_lead:
      "A passkey is the way to sign in here. Your device keeps it, and asks for your fingerprint, your face or your PIN.",
    make: "Create a passkey",
    unsupported: "This browser has no passkeys. Please use a newer one.",
    cancelled: "No passkey was used. Please try again.",
    refused: "That passkey is not known here, or is not valid any more.",
    over: "This invitation has been used or has ended. Ask for a new one.",
    email: "Or get a code by e-mail. Your address:",
    send: "Send a code",
    sent: "If patients sign in with this address, a code is on its way. It is valid for ten minutes.",
    code: "Code of six digits",
    check: "Sign in",
    wrong: "The code is wrong, or not valid any more. The link in the mail may still work.",
    newcomer: "Register as a new patient",
    register_lead: "A code that is sent to your address verifies it.",
    registered: "A code is on its way to your address. It is valid for ten minutes.",
    new_name: "Your name",
    new_email: "E-mail",
    new_phone: "Telephone",
    new_born: "Date of birth",
    register: "Register",
    fields: {
      name: "Please check the name.",
      email: "Please check the e-mail address.",
      phone: "Please check the telephone number: digits, spaces and + ( ) . / - only.",
      date_of_birth: "Please check the date of birth.",
    },
    failed: "That did not work. Please try again in a moment.",
    again: "You are signed in. Go back to the other window.",
    provider: "Sign in with {name}",
    accept: "Accept with {name}",
    problems: {
      refused: "The sign-in was cancelled or is not valid. Please try again.",
      ended: "That took too long, or was begun in another window. Please try again.",
      unknown: "You are signed in there, but nobody here has that sign-in. Ask for an invitation.",
      passkey: "Your role needs a passkey. Please use it, or ask for an invitation.",
      invitation: "This invitation has been used or has ended. Ask for a new one.",
      unavailable: "The other sign-in does not answer. Please try again later.",
    },
  },
  de: {
    title: "Anmelden",
    lead: "Verwenden Sie den Passkey dieses Geräts oder einen auf Ihrem Telefon.",
    use: "Mit Passkey anmelden",
    invited: "Sie sind eingeladen",
    make_lead:
      "Mit einem Passkey melden Sie sich hier an. Ihr Gerät bewahrt ihn auf und fragt nach Fingerabdruck, Gesicht oder PIN.",
    make: "Passkey erstellen",
    unsupported: "Dieser Browser kennt keine Passkeys. Bitte verwenden Sie einen neueren.",
    cancelled: "Es wurde kein Passkey verwendet. Bitte versuchen Sie es noch einmal.",
    refused: "Dieser Passkey ist hier nicht bekannt oder nicht mehr gültig.",
    over: "Diese Einladung wurde schon verwendet oder ist abgelaufen. Bitten Sie um eine neue.",
    email: "Oder per E-Mail-Code. Ihre Adresse:",
    send: "Code senden",
    sent: "Falls sich mit dieser Adresse jemand anmeldet, ist ein Code unterwegs. Er gilt zehn Minuten.",
    code: "Code aus sechs Ziffern",
    check: "Anmelden",
    wrong:
      "Der Code ist falsch oder nicht mehr gültig. Der Link in der E-Mail gilt vielleicht noch.",
    newcomer: "Als neuer Patient registrieren",
    register_lead: "Ein Code, der an Ihre Adresse geschickt wird, bestätigt sie.",
    registered: "Ein Code ist an Ihre Adresse unterwegs. Er gilt zehn Minuten.",
    new_name: "Ihr Name",
    new_email: "E-Mail",
    new_phone: "Telefon",
    new_born: "Geburtsdatum",
    register: "Registrieren",
    fields: {
      name: "Bitte prüfen Sie den Namen.",
      email: "Bitte prüfen Sie die E-Mail-Adresse.",
      phone: "Bitte prüfen Sie die Telefonnummer: nur Ziffern, Leerzeichen und + ( ) . / -",
      date_of_birth: "Bitte prüfen Sie das Geburtsdatum.",
    },
    failed: "Das hat nicht geklappt. Bitte versuchen Sie es gleich noch einmal.",
    again: "Sie sind angemeldet. Gehen Sie zum anderen Fenster zurück.",
    provider: "Mit {name} anmelden",
    accept: "Mit {name} annehmen",
    problems: {
      refused: "Die Anmeldung wurde abgebrochen oder ist ungültig. Bitte versuchen Sie es erneut.",
      ended:
        "Das hat zu lange gedauert oder wurde anderswo begonnen. Bitte versuchen Sie es erneut.",
      unknown:
        "Dort sind Sie angemeldet, aber hier kennt niemand diese Anmeldung. Bitten Sie um eine Einladung.",
      passkey:
        "Ihre Rolle braucht einen Passkey. Bitte verwenden Sie ihn oder bitten Sie um eine Einladung.",
      invitation:
        "Diese Einladung wurde schon verwendet oder ist abgelaufen. Bitten Sie um eine neue.",
      unavailable:
        "Die andere Anmeldung antwortet nicht. Bitte versuchen Sie es später noch einmal.",
    },
  },
};
const language = navigator.language.startsWith("de") ? "de" : "en";
const text = TEXTS[language];

/** Where people go; an address in a link leads nowhere else. */
const PLACES = { patient: "/patient", dentist: "/dentist", staff: "/desk", admin: "/status" };
const ALLOWED = new Set(["/patient", "/dentist", "/desk", "/status", "/chat", "/passkeys"]);

const isAgain = new URLSearchParams(location.search).has("again");
const button = document.getElementById("passkey");
const message = document.getElementById("message");
const { invitation, link } = takeFragment();

document.documentElement.lang = language;
document.title = `${text.title} · Chairside`;
document.getElementById("title").textContent = invitation ? text.invited : text.title;
document.getElementById("lead").textContent = invitation ? text.make_lead : text.lead;
button.textContent = invitation ? text.make : text.use;
button.addEventListener("click", () => void signIn());
if (!window.PublicKeyCredential) {
  button.disabled = true;
  message.textContent = text.unsupported;
}

const mail = document.getElementById("mail");
const enter = document.getElementById("enter");
for (const [id, shown] of [
  ["email-label", text.email],
  ["send", text.send],
  ["sent", text.sent],
  ["code-label", text.code],
  ["check", text.check],
  ["newcomer", text.newcomer],
  ["register-lead", text.register_lead],
  ["new-name-label", text.new_name],
  ["new-email-label", text.new_email],
  ["new-phone-label", text.new_phone],
  ["new-born-label", text.new_born],
  ["new-send", text.register],
])
  document.getElementById(id).textContent = shown;
mail.addEventListener("submit", (event) => {
  event.preventDefault();
  const email = document.getElementById("email").value;
  void attempt(document.getElementById("send"), text.failed, async () => {
    await post("/sign-in/code", { email });
    askForCode(text.sent);
  });
});
const register = document.getElementById("register");
const newcomer = document.getElementById("newcomer-line");
document.getElementById("newcomer").addEventListener("click", () => {
  mail.hidden = true;
  newcomer.hidden = true;
  register.hidden = false;
  document.getElementById("new-name").focus();
});
register.addEventListener("submit", (event) => {
  event.preventDefault();
  const typed = (id) => document.getElementById(id).value;
  const person = {
    name: typed("new-name"),
    email: typed("new-email"),
    phone: typed("new-phone"),
    date_of_birth: typed("new-born"),
    language,
  };
  void attempt(document.getElementById("new-send"), text.failed, async () => {
    await post("/sign-in/register", person);
    askForCode(text.registered);
  });
});
enter.addEventListener("submit", (event) => {
  event.preventDefault();
  void verify({ code: document.getElementById("code").value });
});
if (link) void verify({ link });
else void offerWays();
const problem = takeProblem();
if (problem && !link) message.textContent = text.problems[problem] ?? text.failed;

/** What a link brought leaves the address and the history at once. */
function takeFragment() {
  const found = new URLSearchParams(location.hash.slice(1));
  if (location.hash) history.replaceState(null, "", location.pathname + location.search);
  return { invitation: found.get("invitation"), link: found.get("link") };
}

/** Why the identity provider signed nobody in; it leaves the address. */
function takeProblem() {
  const query = new URLSearchParams(location.search);
  const found = query.get("problem");
  query.delete("problem");
  const rest = query.size ? `?${query}` : "";
  if (found) history.replaceState(null, "", location.pathname + rest);
  return found;
}

function askForCode(sent) {
  mail.hidden = true;
  newcomer.hidden = true;
  register.hidden = true;
  enter.hidden = false;
  document.getElementById("sent").textContent = sent;
  document.getElementById("code").focus();
}

async function offerWays() {
  const response = await fetch("/sign-in/ways");
  if (!response.ok) return;
  const ways = await response.json();
  mail.hidden = Boolean(invitation) || !ways.code;
  newcomer.hidden = Boolean(invitation) || !ways.registration;
  if (!ways.provider) return;
  const label = invitation ? text.accept : text.provider;
  const control = document.getElementById("provider");
  control.textContent = label.replace("{name}", () => ways.provider);
  control.addEventListener("click", () => void leaveFor(control));
  document.getElementById("provider-line").hidden = false;
}

/** To the identity provider, which leads back. */
async function leaveFor(control) {
  await attempt(control, text.over, async () => {
    const wanted = new URLSearchParams(location.search).get("next");
    const sent = { ...(invitation && { invitation }), ...(wanted && { next: wanted }) };
    location.assign((await post("/sign-in/oidc/start", sent)).location);
  });
}

async function signIn() {
  await attempt(button, invitation ? text.over : text.refused, async () => {
    const sent = invitation ? { invitation } : {};
    const options = await post("/sign-in/passkey/options", sent);
    const credential = await answered(options);
    const signedIn = await post("/sign-in/passkey/verify", { ...sent, credential });
    arrive(signedIn.role);
  });
}

async function verify(body) {
  await attempt(document.getElementById("check"), text.wrong, async () => {
    const signedIn = await post("/sign-in/verify", body);
    arrive(signedIn.role);
  });
}

/** `refused`: what a 401 means. */
async function attempt(control, refused, work) {
  control.disabled = true;
  message.textContent = "";
  try {
    await work();
  } catch (error) {
    message.textContent = reason(error, refused);
  } finally {
    control.disabled = false;
  }
}

/** To the screens; a page that waits for a sign-in goes on, and this window is not needed more. */
function arrive(role) {
  new BroadcastChannel("chairside:signed-in").postMessage(role);
  if (!isAgain) return location.replace(placeOf(role));
  document.querySelector("main").textContent = text.again;
  window.close();
}

function placeOf(role) {
  const wanted = new URLSearchParams(location.search).get("next");
  return ALLOWED.has(wanted) ? wanted : PLACES[role];
}

function reason(error, refused) {
  if (error instanceof DOMException) return text.cancelled;
  if (error.status === 503) return text.problems.unavailable;
  if (error.status === 400 && error.field in text.fields) return text.fields[error.field];
  return error.status === 401 ? refused : text.failed;
}

async function post(path, body) {
  const response = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  if (!response.ok) {
    const refused = await response.json().catch(() => null);
    const field = refused?.error?.details?.[0]?.field;
    throw Object.assign(new Error(path), { status: response.status, field });
  }
  return response.json();
}

/** What the authenticator answers, as JSON. */
async function answered(options) {
  if (options.create) {
    const { challenge, user, ...rest } = options.create;
    const publicKey = {
      ...rest,
      challenge: bytes(challenge),
      user: { ...user, id: bytes(user.id) },
      excludeCredentials: [],
    };
    const made = await navigator.credentials.create({ publicKey });
    return shown(made, ["clientDataJSON", "attestationObject"]);
  }
  const { challenge, ...rest } = options.get;
  const publicKey = { ...rest, challenge: bytes(challenge), allowCredentials: [] };
  const used = await navigator.credentials.get({ publicKey });
  return shown(used, ["clientDataJSON", "authenticatorData", "signature", "userHandle"]);
}

function shown(credential, names) {
  const response = {};
  for (const name of names) {
    const value = credential.response[name];
    if (value) response[name] = base64url(value);
  }
  return { id: credential.id, rawId: base64url(credential.rawId), type: credential.type, response };
}

function bytes(value) {
  const plain = atob(value.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(plain, (character) => character.charCodeAt(0));
}

function base64url(buffer) {
  const plain = String.fromCharCode(...new Uint8Array(buffer));
  return btoa(plain).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
