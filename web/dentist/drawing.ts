/** How visits are drawn in the calendar component; shared by the dentist's and the desk's. */

import type { Calendar } from "@event-calendar/core";
import { Temporal } from "temporal-polyfill";
import type { Appointment } from "../sdk/index";
import { locale, t } from "../shared/i18n";
import {
  clock,
  clockOffset,
  day,
  hourFormat,
  instantOf,
  minutesBetween,
  plusMinutes,
  span,
  wallTime,
} from "../shared/zones";
import type { Place, Visits } from "./clinic";

/** The id of the event that shows where a visit would be. */
export const GHOST = "ghost";
const DRAGGABLE: ReadonlySet<Appointment["status"]> = new Set(["confirmed", "arrived"]);
const SHORT_MINUTES = 20;

export interface Ghost {
  row: Appointment;
  place: Place;
}

/** What of a visit depends on the moment. */
interface Look {
  selected: string | null;
  flashing: ReadonlySet<string>;
  ghost: Ghost | null;
  /** It lies in open time. */
  inside: boolean;
}

/** Options that every calendar has. */
export const commonOptions = (zone: string): Calendar.Options => ({
  timeZone: clockOffset(zone), // for the line of now; events come as wall times
  locale: locale(),
  firstDay: 1,
  height: "100%",
  headerToolbar: { start: "", center: "", end: "" },
  allDaySlot: false,
  nowIndicator: true,
  pointer: true,
  editable: true,
  eventDurationEditable: false,
  slotDuration: "00:15",
  slotLabelInterval: "01:00",
  slotLabelFormat: hourFormat(),
});

export function visitEvent(visits: Visits, row: Appointment, look: Look): Calendar.EventInput {
  const draggable = DRAGGABLE.has(row.status);
  const isOutside = !look.inside && row.status !== "held" && row.status !== "cancelled";
  return {
    id: row.id,
    start: `${wallTime(row.start, visits.zone)}:00`,
    end: `${wallTime(row.end, visits.zone)}:00`,
    editable: draggable,
    startEditable: draggable,
    classNames: [
      `is-${row.status}`,
      `visit-${row.id}`,
      ...(minutesBetween(row.start, row.end) <= SHORT_MINUTES ? ["is-short"] : []),
      ...(row.overbooked ? ["is-overbooked"] : []),
      ...(isOutside ? ["is-outside"] : []),
      ...(look.selected === row.id ? ["is-selected"] : []),
      ...(look.ghost?.row.id === row.id ? ["is-moving"] : []),
      ...(look.flashing.has(row.id) ? ["flash"] : []),
      ...(visits.list.pending(row.id) ? ["is-pending"] : []),
    ],
    // the drawn event depends on these values; a changed one redraws it
    extendedProps: {
      version: row.version,
      name: visits.people.name(row.patient_id, row.patient.name),
    },
  };
}

export function ghostEvent({ row, place }: Ghost, zone: string): Calendar.EventInput {
  return {
    id: GHOST,
    start: `${wallTime(place.start, zone)}:00`,
    end: `${wallTime(endOf(row, place), zone)}:00`,
    editable: true,
    startEditable: true,
    classNames: ["is-ghost"],
    extendedProps: { version: `${row.id} ${place.start}` },
  };
}

/** What an event shows; text nodes only: names are never read as HTML. */
export function contentOf(
  visits: Visits,
  id: string,
  rows: readonly Appointment[],
  ghost: Ghost | null,
): Node[] {
  const { zone } = visits;
  if (id === GHOST && ghost !== null) {
    const who = visits.people.name(ghost.row.patient_id, ghost.row.patient.name);
    const { start } = ghost.place;
    return [line("ev-who", who), line("ev-what", span(start, endOf(ghost.row, ghost.place), zone))];
  }
  const row = rows.find((each) => each.id === id);
  if (row === undefined) return [];
  const type = visits.types.find((each) => each.id === row.appointment_type_id);
  const held = row.status === "held";
  const who = held ? t("held.short") : visits.people.name(row.patient_id, row.patient.name);
  const status = row.status === "confirmed" || held ? "" : t(`status.${row.status}`);
  return [
    line("ev-who", who),
    line("ev-what", [clock(row.start, zone), status || type?.name].filter(Boolean).join(" · ")),
    line("visually-hidden", day(row.start, zone)),
  ];
}

export function line(name: string, text: string): HTMLElement {
  const element = document.createElement("span");
  element.className = name;
  element.textContent = text;
  return element;
}

/** Where a drop would put a visit; a ghost may be dropped again. `null`: nothing that moves. */
export function dropped(
  { event, delta }: Pick<Calendar.EventDropInfo, "event" | "delta">,
  rows: readonly Appointment[],
  ghost: Ghost | null,
  zone: string,
): Ghost | null {
  const row = rows.find((each) => each.id === event.id);
  const from = event.id === GHOST ? ghost : row && { row, place: placeOf(row) };
  if (!from) return null;
  const wall = Temporal.PlainDateTime.from(wallTime(from.place.start, zone));
  const later = wall.add({ days: delta.days, seconds: delta.seconds }).toString();
  return { row: from.row, place: { ...from.place, start: instantOf(later, zone) } };
}

/** Back to where a panel was opened from. */
export function focusVisit(id: string | null): void {
  document.querySelector<HTMLElement>(`.visit-${id}`)?.focus();
}

const placeOf = (row: Appointment): Place => ({ dentistId: row.dentist_id, start: row.start });
const endOf = (row: Appointment, place: Place): string =>
  plusMinutes(place.start, minutesBetween(row.start, row.end));
