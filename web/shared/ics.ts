/** An appointment for other calendars: iCalendar, RFC 5545. */

export interface Entry {
  id: string;
  version: number;
  start: string;
  end: string;
  summary: string;
  description?: string;
  cancelled?: boolean;
}

export function icsText(entry: Entry, now: Date = new Date()): string {
  const lines = [
    "BEGIN:VCALENDAR",
    "VERSION:2.0",
    "PRODID:-//Chairside//Chairside//EN",
    "METHOD:PUBLISH",
    "BEGIN:VEVENT",
    `UID:${entry.id}@chairside`,
    `SEQUENCE:${entry.version}`,
    `DTSTAMP:${stamp(now)}`,
    `DTSTART:${stamp(new Date(entry.start))}`,
    `DTEND:${stamp(new Date(entry.end))}`,
    `SUMMARY:${escaped(entry.summary)}`,
    ...(entry.description ? [`DESCRIPTION:${escaped(entry.description)}`] : []),
    `STATUS:${entry.cancelled ? "CANCELLED" : "CONFIRMED"}`,
    "END:VEVENT",
    "END:VCALENDAR",
  ];
  return `${lines.map(folded).join("\r\n")}\r\n`;
}

/** Offers the file for download. */
export function download(entry: Entry): void {
  const address = URL.createObjectURL(new Blob([icsText(entry)], { type: "text/calendar" }));
  const link = Object.assign(document.createElement("a"), {
    href: address,
    download: "appointment.ics",
  });
  link.click();
  URL.revokeObjectURL(address);
}

const stamp = (date: Date): string => date.toISOString().replace(/[-:]|\.\d+/g, "");
/** No character of a text ends a line, or is one that §3.1 does not allow. */
const escaped = (text: string): string =>
  text
    .replace(/[\\;,]/g, "\\$&")
    .replace(/\r\n|[\n\v\f\r\x85\u2028\u2029]/g, "\\n")
    .replace(/[^\P{Cc}\t]/gu, "");

/** Lines have at most 75 octets; a fold never parts a character (§3.1). */
function folded(line: string): string {
  const encoder = new TextEncoder();
  const parts: string[] = [];
  let part = "";
  let octets = 0;
  for (const character of line) {
    const size = encoder.encode(character).length;
    if (octets + size > 75) {
      parts.push(part);
      [part, octets] = ["", 1]; // the space that begins a continuation
    }
    part += character;
    octets += size;
  }
  return [...parts, part].join("\r\n ");
}
