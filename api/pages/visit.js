"use strict";
/* Shows the visit of a link, and confirms, moves or cancels it. Opening it changes nothing. */

const ENGLISH = {
  title: "Your appointment",
  when: "When",
  where: "Where",
  phone: "Telephone",
  dentist: "With",
  kind: "For",
  patient: "Patient",
  contact: "Messages to",
  open: "Please tell us whether you will come.",
  confirmed: "You have confirmed this appointment.",
  cancelled: "This appointment is cancelled.",
  past: "This appointment has begun, or is over.",
  late: "It is too late to move or cancel it here. Please call the practice.",
  confirm: "I will come",
  move: "Move",
  cancel: "Cancel the appointment",
  calendar: "Add to calendar",
  remove: "Remove from calendar",
  times: "Free times",
  no_times: "There are no free times here. Please call the practice.",
  more: "More times",
  move_now: "Move to this time",
  back: "Back",
  reason: "Reason",
  no_reason: "No answer",
  reasons: {
    patient_ill: "I am ill",
    patient_feels_better: "I feel better",
    patient_no_transport: "I cannot get there",
    patient_moved_away: "I have moved away",
    patient_changed_dentist: "I go to another dentist",
    other: "Another reason",
  },
  moved: "The appointment is moved.",
  over: "This link is not valid any more. Please call the practice.",
  missing: "Please open the link in the message again.",
  taken: "This time is not free any more. Please choose another one.",
  changed: "The appointment has changed meanwhile. This is how it is now.",
  many: "That were many attempts. Please try again later, or call the practice.",
  failed: "That did not work. Please try again in a moment.",
};
const AMERICAN = {
  cancelled: "This appointment is canceled.",
  phone: "Phone",
  move: "Reschedule",
  moved: "The appointment is rescheduled.",
  move_now: "Reschedule to this time",
  late: "It is too late to reschedule or cancel it here. Please call the practice.",
};
const GERMAN = {
  title: "Ihr Termin",
  when: "Wann",
  where: "Wo",
  phone: "Telefon",
  dentist: "Bei",
  kind: "Für",
  patient: "Patient:in",
  contact: "Nachrichten an",
  open: "Bitte sagen Sie uns, ob Sie kommen.",
  confirmed: "Sie haben diesen Termin bestätigt.",
  cancelled: "Dieser Termin ist abgesagt.",
  past: "Dieser Termin hat begonnen oder ist vorbei.",
  late: "Hier kann er nicht mehr verschoben oder abgesagt werden. Bitte rufen Sie die Praxis an.",
  confirm: "Ich komme",
  move: "Verschieben",
  cancel: "Termin absagen",
  calendar: "In den Kalender",
  remove: "Aus dem Kalender entfernen",
  times: "Freie Zeiten",
  no_times: "Hier gibt es keine freien Zeiten. Bitte rufen Sie die Praxis an.",
  more: "Weitere Zeiten",
  move_now: "Auf diese Zeit verschieben",
  back: "Zurück",
  reason: "Grund",
  no_reason: "Keine Angabe",
  reasons: {
    patient_ill: "Ich bin krank",
    patient_feels_better: "Es geht mir besser",
    patient_no_transport: "Ich kann nicht hinkommen",
    patient_moved_away: "Ich bin umgezogen",
    patient_changed_dentist: "Ich gehe in eine andere Praxis",
    other: "Ein anderer Grund",
  },
  moved: "Der Termin ist verschoben.",
  over: "Dieser Link gilt nicht mehr. Bitte rufen Sie die Praxis an.",
  missing: "Bitte öffnen Sie den Link in der Nachricht noch einmal.",
  taken: "Diese Zeit ist nicht mehr frei. Bitte wählen Sie eine andere.",
  changed: "Der Termin hat sich inzwischen geändert. So ist er jetzt.",
  many: "Das waren viele Versuche. Bitte versuchen Sie es später, oder rufen Sie die Praxis an.",
  failed: "Das hat nicht geklappt. Bitte versuchen Sie es gleich noch einmal.",
};

const locale = navigator.language;
const text = locale.startsWith("de")
  ? GERMAN
  : locale === "en-US"
    ? { ...ENGLISH, ...AMERICAN }
    : ENGLISH;
const KEPT = "chairside-visit";

const element = (id) => document.getElementById(id);
const token = takeToken();
/** The visit as it was shown last. */
let visit = null;
let nextAfter = null;

document.documentElement.lang = locale.startsWith("de") ? "de" : locale === "en-US" ? locale : "en";
document.title = text.title;
for (const [id, shown] of [
  ["title", text.title],
  ["confirm", text.confirm],
  ["move", text.move],
  ["cancel", text.cancel],
  ["moving-title", text.move],
  ["times-legend", text.times],
  ["more", text.more],
  ["move-now", text.move_now],
  ["cancelling-title", text.cancel],
  ["cancel-now", text.cancel],
  ["reason-label", text.reason],
])
  element(id).textContent = shown;
for (const back of document.querySelectorAll(".back")) {
  back.textContent = text.back;
  back.addEventListener("click", () => {
    show(visit);
    element("title").focus();
  });
}
for (const [value, shown] of [["", text.no_reason], ...Object.entries(text.reasons)])
  element("reason").append(Object.assign(document.createElement("option"), { value, textContent: shown }));

element("confirm").addEventListener("click", () => void change("confirm", {}, text.confirmed));
element("calendar").addEventListener("click", () => void attempt(saveCalendar));
element("move").addEventListener("click", () => void attempt(offerTimes));
element("more").addEventListener("click", () => void attempt(moreTimes));
element("cancel").addEventListener("click", () => open("cancelling"));
element("moving").addEventListener("submit", (event) => {
  event.preventDefault();
  const chosen = document.querySelector("#times input:checked");
  if (chosen) void change("move", { start: chosen.value }, text.moved);
});
element("cancelling").addEventListener("submit", (event) => {
  event.preventDefault();
  void change("cancel", { reason: element("reason").value || null }, text.cancelled);
});
addEventListener("hashchange", () => location.reload()); // another link in the same tab
if (token) void attempt(async () => show(await post("open")));
else element("message").textContent = text.missing;

/** The token leaves the address and the history at once; the tab keeps it for a reload. */
function takeToken() {
  const found = location.hash.slice(1);
  if (location.hash) history.replaceState(null, "", location.pathname);
  try {
    if (found) sessionStorage.setItem(KEPT, found);
    return found || sessionStorage.getItem(KEPT);
  } catch {
    return found;
  }
}

function show(seen, done) {
  visit = seen;
  const now = Date.now();
  const isToCome = Date.parse(seen.start) > now;
  const isCancelled = seen.status === "cancelled";
  const mayChange = seen.changeable_until !== null && Date.parse(seen.changeable_until) >= now;
  element("state").textContent = done ?? stateOf(seen, isCancelled, isToCome);
  if (isToCome && !isCancelled && !mayChange) element("state").textContent += ` ${text.late}`;
  element("facts").replaceChildren(...factsOf(seen));
  element("actions").hidden = false;
  element("confirm").hidden = !seen.can_be_confirmed;
  element("move").hidden = element("cancel").hidden = !mayChange;
  element("calendar").textContent = isCancelled ? text.remove : text.calendar;
  element("moving").hidden = element("cancelling").hidden = true;
}

function stateOf(seen, isCancelled, isToCome) {
  if (isCancelled) return text.cancelled;
  if (!isToCome) return text.past;
  return seen.patient_confirmed_at ? text.confirmed : text.open;
}

function factsOf(seen) {
  const { practice, patient } = seen;
  const contact = [patient.email, patient.phone].filter(Boolean).join(", ");
  const facts = [
    [text.when, dateAndTime(seen.start)],
    [text.where, practice && [practice.name, practice.address].filter(Boolean).join(", ")],
    [text.phone, practice?.phone],
    [text.dentist, seen.dentist],
    [text.kind, seen.appointment_type],
    [text.patient, patient.name],
    [text.contact, contact],
  ];
  return facts.filter(([, shown]) => shown).flatMap(([name, shown]) => [item("dt", name), item("dd", shown)]);
}

function item(tag, shown) {
  return Object.assign(document.createElement(tag), { textContent: shown });
}

/** In the time of the practice. */
function dateAndTime(instant) {
  return format(instant, { dateStyle: "full", timeStyle: "short" });
}

function format(instant, options) {
  return new Intl.DateTimeFormat(locale, { timeZone: visit.time_zone, ...options }).format(new Date(instant));
}

function open(form) {
  element("message").textContent = "";
  element("actions").hidden = true;
  element(form).hidden = false;
  element(`${form}-title`).focus();
}

async function offerTimes() {
  for (const old of document.querySelectorAll("#times > :not(legend)")) old.remove();
  nextAfter = null;
  await moreTimes();
  open("moving");
}

async function moreTimes() {
  const page = await post("times", nextAfter ? { after: nextAfter } : {});
  nextAfter = page.next_after;
  const times = element("times");
  let day = times.lastElementChild?.dataset.day;
  for (const start of page.starts) {
    const label = format(start, { dateStyle: "full" });
    if (label !== day) times.append(dayOf((day = label)));
    times.lastElementChild.append(choiceOf(start));
  }
  element("more").hidden = nextAfter === null;
  element("move-now").hidden = times.children.length < 2;
  element("times-legend").textContent = times.children.length < 2 ? text.no_times : text.times;
}

function dayOf(label) {
  const group = document.createElement("div");
  group.dataset.day = label;
  group.append(item("h3", label));
  return group;
}

function choiceOf(start) {
  const choice = document.createElement("input");
  Object.assign(choice, { type: "radio", name: "start", value: start, required: true });
  const label = document.createElement("label");
  label.append(choice, format(start, { timeStyle: "short" }));
  return label;
}

async function change(what, sent, done) {
  await attempt(async () => {
    show(await post(what, { version: visit.version, ...sent }), done);
    element("title").focus();
  });
}

async function saveCalendar() {
  const address = URL.createObjectURL(await (await send("calendar", {})).blob());
  Object.assign(document.createElement("a"), { href: address, download: "appointment.ics" }).click();
  URL.revokeObjectURL(address);
}

async function attempt(work) {
  const controls = document.querySelectorAll("button");
  for (const control of controls) control.disabled = true;
  element("message").textContent = "";
  try {
    await work();
  } catch (error) {
    await explain(error);
  } finally {
    for (const control of controls) control.disabled = false;
  }
}

async function explain(error) {
  const { status, code } = error;
  if (code === "VERSION_CONFLICT" || code === "INVALID_TRANSITION") {
    const seen = await post("open").catch(() => null);
    if (seen) show(seen);
  }
  const reasons = {
    SLOT_TAKEN: text.taken,
    OUTSIDE_AVAILABILITY: text.taken,
    PATIENT_CONFLICT: text.taken,
    TOO_SOON: text.taken,
    TOO_FAR: text.taken,
    TOO_LATE: text.late,
    VERSION_CONFLICT: text.changed,
    INVALID_TRANSITION: text.changed,
    RATE_LIMITED: text.many,
  };
  element("message").textContent = reasons[code] ?? (status === 401 ? text.over : text.failed);
}

async function post(what, sent = {}) {
  return (await send(what, sent)).json();
}

async function send(what, sent) {
  const response = await fetch(`/visit/${what}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ token, ...sent }),
  });
  if (response.ok) return response;
  const body = await response.json().catch(() => null);
  throw Object.assign(new Error(what), { status: response.status, code: body?.error?.code });
}
