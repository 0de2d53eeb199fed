/** The day of the practice: a column for each dentist, in wall times of the practice. */

import {
  type Calendar,
  createCalendar,
  destroyCalendar,
  Interaction,
  ResourceTimeGrid,
} from "@event-calendar/core";
import "@event-calendar/core/index.css";
import { useEffect, useRef } from "preact/hooks";
import { Temporal } from "temporal-polyfill";
import { withoutTable } from "../dentist/grid";
import type { Appointment, Interval, PublicCard } from "../sdk/index";
import { locale, t } from "../shared/i18n";
import {
  clock,
  hourFormat,
  instantOf,
  minutesBetween,
  offsetAt,
  plusMinutes,
  span,
  wallTime,
  zoneName,
} from "../shared/zones";
import { colourOf } from "./colours";
import { closedOn, shownTimes } from "./open";
import { nameOf, type Place, type World } from "./world";

interface Props {
  world: World;
  rows: readonly Appointment[];
  dentists: readonly PublicCard[];
  date: string;
  /** The time of day that is to be seen first. */
  scrollTo: string;
  /** The open time of each dentist on the date. */
  open: ReadonlyMap<string, readonly Interval[]>;
  selected: string | null;
  flashing: ReadonlySet<string>;
  /** Where a visit would be moved to. */
  ghost: { row: Appointment; place: Place } | null;
  onSelect: (id: string) => void;
  onEmpty: (place: Place) => void;
  onMove: (row: Appointment, place: Place) => void;
}

const DRAGGABLE: ReadonlySet<Appointment["status"]> = new Set(["confirmed", "arrived"]);
const GHOST = "ghost";
const SHORT_MINUTES = 20;
const VIEW = "resourceTimeGridDay";

export function Columns(props: Props) {
  const container = useRef<HTMLDivElement>(null);
  const calendar = useRef<Calendar | null>(null);
  const latest = useRef(props);
  latest.current = props;
  const { world, rows, dentists, date, open, selected, flashing, ghost } = props;
  const { zone } = world;
  useEffect(() => {
    const target = container.current as HTMLDivElement;
    const made = createCalendar(target, [ResourceTimeGrid, Interaction], options(latest));
    const roles = withoutTable(target);
    calendar.current = made;
    return () => {
      calendar.current = null;
      roles.disconnect();
      void destroyCalendar(made);
    };
  }, [zone]);
  useEffect(() => {
    calendar.current?.setOption("scrollTime", props.scrollTo).setOption("date", `${date}T00:00:00`);
  }, [date, zone]);
  useEffect(
    () => void calendar.current?.setOption("resources", resources(props)),
    [dentists, zone],
  );
  const [from, to] = shownTimes([...open.values()].flat(), rows, date, zone);
  useEffect(() => {
    calendar.current?.setOption("slotMinTime", from).setOption("slotMaxTime", to);
  }, [from, to, zone]);
  const names = world.people.known.value;
  useEffect(() => {
    calendar.current?.setOption("events", [
      ...closed(latest.current),
      ...rows.map((row) => eventOf(row, latest.current)),
      ...(ghost ? [ghostOf(ghost, zone)] : []),
    ]);
  }, [rows, selected, flashing, open, ghost, zone, world.types, names]);
  return <div class="grid columns" role="group" aria-label={t("tab.calendar")} ref={container} />;
}

function options(latest: { current: Props }): Calendar.Options {
  const { world, date } = latest.current;
  const { zone } = world;
  return {
    view: VIEW,
    date: `${date}T00:00:00`,
    scrollTime: latest.current.scrollTo,
    timeZone: offsetAt(instantOf(`${date}T12:00`, zone), zone), // for the line of now
    locale: locale(),
    height: "100%",
    headerToolbar: { start: "", center: "", end: "" },
    allDaySlot: false,
    nowIndicator: true,
    pointer: true,
    editable: true,
    eventDurationEditable: false,
    slotDuration: "00:15",
    slotLabelInterval: "01:00",
    slotHeight: 20,
    slotLabelFormat: hourFormat(),
    resources: resources(latest.current),
    resourceLabelContent: ({ resource }) => ({
      domNodes: heading(String(resource.id), latest.current),
    }),
    eventContent: ({ event }) => ({ domNodes: content(String(event.id), latest.current) }),
    eventClick: ({ event }) => {
      if (event.id !== GHOST) latest.current.onSelect(String(event.id));
    },
    dateClick: ({ dateStr, resource }) =>
      resource &&
      latest.current.onEmpty({
        dentistId: String(resource.id),
        start: instantOf(dateStr.slice(0, 16), zone),
      }),
    eventDrop: ({ event, delta, newResource, revert }) => {
      const { rows, ghost, onMove } = latest.current;
      const row = event.id === GHOST ? ghost?.row : rows.find((each) => each.id === event.id);
      const from = event.id === GHOST ? ghost?.place.start : row?.start;
      const before = event.id === GHOST ? ghost?.place.dentistId : row?.dentist_id;
      revert(); // a drop is a proposal
      if (row === undefined || from === undefined || before === undefined) return;
      const dentistId = newResource ? String(newResource.id) : before;
      onMove(row, { dentistId, start: moved(from, delta, zone) });
    },
  };
}

/** Back to where a panel was opened from. */
export function focusVisit(id: string | null): void {
  document.querySelector<HTMLElement>(`.visit-${id}`)?.focus();
}

const resources = ({ dentists }: Props): Calendar.ResourceInput[] =>
  dentists.map(({ id, name }) => ({ id, title: name ?? "" }));

/** An instant moved by so many seconds of wall time. */
function moved(start: string, delta: Calendar.Duration, zone: string): string {
  const wall = Temporal.PlainDateTime.from(wallTime(start, zone));
  return instantOf(wall.add({ days: delta.days, seconds: delta.seconds }).toString(), zone);
}

function eventOf(row: Appointment, props: Props): Calendar.EventInput {
  const { world, selected, flashing, open, ghost } = props;
  const { zone } = world;
  const draggable = DRAGGABLE.has(row.status);
  const inside = (open.get(row.dentist_id) ?? []).some(
    (each) => each.start <= row.start && row.end <= each.end,
  );
  return {
    id: row.id,
    resourceId: row.dentist_id,
    start: `${wallTime(row.start, zone)}:00`,
    end: `${wallTime(row.end, zone)}:00`,
    editable: draggable,
    startEditable: draggable,
    styles: `--type: ${colourOf(world.types, row.appointment_type_id)}`,
    classNames: [
      `is-${row.status}`,
      `visit-${row.id}`,
      ...(minutesBetween(row.start, row.end) <= SHORT_MINUTES ? ["is-short"] : []),
      ...(row.overbooked ? ["is-overbooked"] : []),
      ...(inside || row.status === "held" ? [] : ["is-outside"]),
      ...(selected === row.id ? ["is-selected"] : []),
      ...(ghost?.row.id === row.id ? ["is-moving"] : []),
      ...(flashing.has(row.id) ? ["flash"] : []),
      ...(world.list.pending(row.id) ? ["is-pending"] : []),
    ],
    // the drawn event depends on these values; a changed one redraws it
    extendedProps: {
      version: row.version,
      name: world.people.name(row.patient_id, row.patient.name),
    },
  };
}

function ghostOf({ row, place }: NonNullable<Props["ghost"]>, zone: string): Calendar.EventInput {
  const end = plusMinutes(place.start, minutesBetween(row.start, row.end));
  return {
    id: GHOST,
    resourceId: place.dentistId,
    start: `${wallTime(place.start, zone)}:00`,
    end: `${wallTime(end, zone)}:00`,
    editable: true,
    startEditable: true,
    classNames: ["is-ghost"],
    extendedProps: { version: `${row.id} ${place.start}` },
  };
}

/** Text nodes only: names are never read as HTML. */
const line = (name: string, text: string): HTMLElement => {
  const element = document.createElement("span");
  element.className = name;
  element.textContent = text;
  return element;
};

function heading(id: string, { world, dentists }: Props): Node[] {
  const dentist = dentists.find((each) => each.id === id);
  const zone = dentist?.time_zone ?? world.zone;
  return [
    line("column-name", dentist?.name ?? ""),
    ...(zone === world.zone
      ? []
      : [line("column-zone", t("zone.times", { zone: zoneName(zone) }))]),
  ];
}

function content(id: string, { world, rows, ghost }: Props): Node[] {
  const { zone } = world;
  if (id === GHOST && ghost !== null) {
    const end = plusMinutes(ghost.place.start, minutesBetween(ghost.row.start, ghost.row.end));
    const who = world.people.name(ghost.row.patient_id, ghost.row.patient.name);
    return [line("ev-who", who), line("ev-what", span(ghost.place.start, end, zone))];
  }
  const row = rows.find((each) => each.id === id);
  if (row === undefined) return [];
  const type = world.types.find((each) => each.id === row.appointment_type_id);
  const held = row.status === "held";
  const who = held ? t("held.short") : world.people.name(row.patient_id, row.patient.name);
  const status = row.status === "confirmed" || held ? "" : t(`status.${row.status}`);
  return [
    line("ev-who", who),
    line("ev-what", [clock(row.start, zone), status || type?.name].filter(Boolean).join(" · ")),
    line("visually-hidden", nameOf(world, row.dentist_id)),
  ];
}

function closed({ world, open, date, dentists }: Props): Calendar.EventInput[] {
  return dentists.flatMap(({ id }) =>
    closedOn(open.get(id) ?? [], date, world.zone).map(({ start, end }, number) => ({
      id: `closed-${id}-${number}`,
      resourceId: id,
      start,
      end,
      display: "background" as const,
      classNames: ["is-closed"],
    })),
  );
}
