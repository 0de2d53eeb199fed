/** The calendar component, fed with rows: it shows wall times of the dentist's zone. */

import {
  type Calendar,
  createCalendar,
  destroyCalendar,
  Interaction,
  TimeGrid,
} from "@event-calendar/core";
import "@event-calendar/core/index.css";
import { useEffect, useRef } from "preact/hooks";
import { Temporal } from "temporal-polyfill";
import type { Appointment } from "../sdk/index";
import { locale, t } from "../shared/i18n";
import { clock, hourFormat, instantOf, now, offsetAt, plusDays, wallTime } from "../shared/zones";
import type { Clinic } from "./clinic";
import { closedTimes, shownHours } from "./hours-model";

export type View = "week" | "day";

interface Props {
  clinic: Clinic;
  rows: readonly Appointment[];
  view: View;
  date: string;
  selected: string | null;
  flashing: ReadonlySet<string>;
  onSelect: (id: string) => void;
  onEmpty: (start: string) => void;
  onMove: (row: Appointment, start: string) => void;
}

const DRAGGABLE: ReadonlySet<Appointment["status"]> = new Set(["confirmed", "arrived"]);
const HIDDEN: ReadonlySet<Appointment["status"]> = new Set(["cancelled"]);

export function Grid(props: Props) {
  const container = useRef<HTMLDivElement>(null);
  const calendar = useRef<Calendar | null>(null);
  const latest = useRef(props);
  latest.current = props;
  useEffect(() => {
    const target = container.current as HTMLDivElement;
    const made = createCalendar(target, [TimeGrid, Interaction], options(latest));
    const roles = withoutTable(target);
    calendar.current = made;
    return () => {
      calendar.current = null;
      roles.disconnect();
      void destroyCalendar(made);
    };
  }, [props.clinic.zone]);
  const { clinic, view, date, rows, selected, flashing } = props;
  useEffect(() => void calendar.current?.setOption("view", nameOf(view)), [view, clinic.zone]);
  useEffect(
    () => void calendar.current?.setOption("date", `${date}T00:00:00`),
    [date, clinic.zone],
  );
  useEffect(() => {
    const { from, to } = shownHours(clinic.schedule, rows, clinic.zone);
    calendar.current?.setOption("slotMinTime", from).setOption("slotMaxTime", to);
  }, [clinic.schedule, clinic.zone, rows]);
  const names = clinic.people.known.value;
  useEffect(() => {
    calendar.current?.setOption("events", [
      ...closed(latest.current),
      ...rows.filter((row) => !HIDDEN.has(row.status)).map((row) => eventOf(row, latest.current)),
    ]);
  }, [rows, selected, flashing, clinic.schedule, clinic.closures, clinic.zone, date, names]);
  return (
    <div
      class="grid"
      role="group"
      aria-label={t("tab.calendar")}
      ref={container}
      data-view={view}
    />
  );
}

const TABLE = ["table", "rowgroup", "row", "cell", "columnheader"]
  .map((role) => `[role=${role}]`)
  .join();
const OF_TABLES = [
  "role",
  "aria-colindex",
  "aria-rowindex",
  "aria-colcount",
  "aria-rowcount",
  "aria-colspan",
];

/**
 * The component calls itself a table, whose rows hold nothing and whose events are outside
 * of its cells: screen readers announce an empty one. Without those roles they read the days
 * and, as buttons, the appointments.
 */
export function withoutTable(target: HTMLElement): MutationObserver {
  const strip = (): void => {
    for (const element of target.querySelectorAll(TABLE)) {
      for (const name of OF_TABLES) element.removeAttribute(name);
    }
  };
  strip();
  const observer = new MutationObserver(strip);
  observer.observe(target, { childList: true, subtree: true, attributeFilter: ["role"] });
  return observer;
}

function options(latest: { current: Props }): Calendar.Options {
  const { clinic, view, date } = latest.current;
  return {
    view: nameOf(view),
    date: `${date}T00:00:00`,
    timeZone: offsetAt(now(), clinic.zone), // for the line of now; events come as wall times
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
    slotHeight: 17,
    slotLabelFormat: hourFormat(),
    dayHeaderFormat: { weekday: "short", day: "numeric", month: "short" },
    views: { timeGridDay: { dayHeaderFormat: { weekday: "long", day: "numeric", month: "long" } } },
    eventContent: ({ event }) => ({ domNodes: content(String(event.id), latest.current) }),
    eventClick: ({ event }) => latest.current.onSelect(String(event.id)),
    dateClick: ({ dateStr }) => latest.current.onEmpty(dateStr.slice(0, 16)),
    eventDrop: ({ event, delta, revert }) => {
      const row = latest.current.rows.find((each) => each.id === event.id);
      revert(); // the rows already contain the change
      if (row !== undefined)
        latest.current.onMove(row, moved(row.start, delta, latest.current.clinic.zone));
    },
  };
}

const nameOf = (view: View): string => (view === "week" ? "timeGridWeek" : "timeGridDay");

/** A row dragged by so many days and seconds of wall time. */
function moved(start: string, delta: Calendar.Duration, zone: string): string {
  const wall = Temporal.PlainDateTime.from(wallTime(start, zone));
  return instantOf(wall.add({ days: delta.days, seconds: delta.seconds }).toString(), zone);
}

function eventOf(row: Appointment, { clinic, selected, flashing }: Props): Calendar.EventInput {
  return {
    id: row.id,
    start: `${wallTime(row.start, clinic.zone)}:00`,
    end: `${wallTime(row.end, clinic.zone)}:00`,
    editable: DRAGGABLE.has(row.status),
    startEditable: DRAGGABLE.has(row.status),
    classNames: [
      `is-${row.status}`,
      ...(row.overbooked ? ["is-overbooked"] : []),
      ...(selected === row.id ? ["is-selected"] : []),
      ...(flashing.has(row.id) ? ["flash"] : []),
      ...(clinic.list.pending(row.id) ? ["is-pending"] : []),
    ],
    // the drawn event depends on these values; a changed one redraws it
    extendedProps: {
      version: row.version,
      name: clinic.people.name(row.patient_id, row.patient.name),
    },
  };
}

/** Text nodes only: names are never read as HTML. */
function content(id: string, { clinic, rows }: Props): Node[] {
  const row = rows.find((each) => each.id === id);
  if (row === undefined) return [];
  const type = clinic.types.find((each) => each.id === row.appointment_type_id);
  const held = row.status === "held";
  const who = held ? t("held.short") : clinic.people.name(row.patient_id, row.patient.name);
  const line = (name: string, text: string): HTMLElement => {
    const element = document.createElement("span");
    element.className = name;
    element.textContent = text;
    return element;
  };
  const status = row.status === "confirmed" || held ? "" : t(`status.${row.status}`);
  return [
    line("ev-who", who),
    line(
      "ev-what",
      [clock(row.start, clinic.zone), status || type?.name].filter(Boolean).join(" · "),
    ),
  ];
}

function closed({ clinic, date }: Props): Calendar.EventInput[] {
  const days = Array.from({ length: 21 }, (_, number) => plusDays(date, number - 10));
  return closedTimes(clinic.schedule, days, clinic.closures).map(({ start, end }, number) => ({
    id: `closed-${number}`,
    start,
    end,
    display: "background",
    classNames: ["is-closed"],
  }));
}
