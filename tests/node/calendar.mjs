// A calendar that takes invitations as RFC 5546 has it, read with ical.js.
//
// The input is one line of JSON: a list of calendar files, in the order in which they arrive.
// The output is what the calendar has afterwards, by UID: {uid: {sequence, status, start, alarms}}

import { createInterface } from "node:readline";
import ICAL from "ical.js";

const entries = {};

function receive(text) {
  const calendar = new ICAL.Component(ICAL.parse(text));
  const method = calendar.getFirstPropertyValue("method");
  for (const component of calendar.getAllSubcomponents("vevent")) {
    const event = new ICAL.Event(component);
    const known = entries[event.uid];
    if (known !== undefined && known.sequence >= event.sequence) continue;
    entries[event.uid] = {
      sequence: event.sequence,
      status: method === "CANCEL" ? "removed" : component.getFirstPropertyValue("status"),
      start: event.startDate.toJSDate().toISOString(),
      alarms: component.getAllSubcomponents("valarm").length,
      organizer: component.getFirstPropertyValue("organizer"),
    };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  for (const text of JSON.parse(line)) receive(text);
  console.log(JSON.stringify(entries));
}
