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
import type { Appointment, Interval } from "../sdk/index";
import { t } from "../shared/i18n";
import { dateAt, plusDays } from "../shared/zones";
import type { Clinic, Place } from "./clinic";
import {
  commonOptions,
  contentOf,
  dropped,
  GHOST,
  type Ghost,
  ghostEvent,
  visitEvent,
} from "./drawing";
import { closedTimes, shownHours } from "./hours-model";
import { OCCUPYING, openOn } from "./open";

/** `three`: the days that a telephone has room for. */
export type View = "week" | "three" | "day";

interface Props {
  clinic: Clinic;
  rows: readonly Appointment[];
  view: View;
  date: string;
  selected: string | null;
  flashing: ReadonlySet<string>;
  /** Where a visit would be moved to. */
  ghost: Ghost | null;
  onSelect: (id: string) => void;
  onEmpty: (start: string) => void;
  onMove: (row: Appointment, place: Place) => void;
}

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
  const { clinic, view, date, rows, selected, flashing, ghost } = props;
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
      ...drawn(rows).map(eventOf(latest.current)),
      ...(ghost ? [ghostEvent(ghost, clinic.zone)] : []),
    ]);
  }, [rows, selected, flashing, ghost, clinic.schedule, clinic.closures, clinic.zone, date, names]);
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
    ...commonOptions(clinic.zone),
    slotHeight: 17,
    dayHeaderFormat: { weekday: "short", day: "numeric", month: "short" },
    views: {
      timeGridDay: { dayHeaderFormat: { weekday: "long", day: "numeric", month: "long" } },
      timeGridThree: { type: "timeGridDay", duration: { days: 3 } },
    },
    eventContent: ({ event }) => {
      const { clinic, rows, ghost } = latest.current;
      return { domNodes: contentOf(clinic, String(event.id), rows, ghost) };
    },
    eventClick: ({ event }) => {
      if (event.id !== GHOST) latest.current.onSelect(String(event.id));
    },
    dateClick: ({ dateStr }) => latest.current.onEmpty(dateStr.slice(0, 16)),
    eventDrop: ({ event, delta, revert }) => {
      const { rows, ghost, onMove } = latest.current;
      revert(); // a drop is a proposal
      const next = dropped({ event, delta }, rows, ghost, clinic.zone);
      if (next !== null) onMove(next.row, next.place);
    },
  };
}

const VIEWS = { week: "timeGridWeek", three: "timeGridThree", day: "timeGridDay" } as const;
const nameOf = (view: View): string => VIEWS[view];

/** All but cancelled visits whose time somebody else has taken. */
function drawn(rows: readonly Appointment[]): readonly Appointment[] {
  const taken = rows.filter((row) => OCCUPYING.has(row.status));
  return rows.filter(
    (row) =>
      row.status !== "cancelled" ||
      !taken.some((other) => other.start < row.end && row.start < other.end),
  );
}

function eventOf({ clinic, selected, flashing, ghost }: Props) {
  const { schedule, closures, zone } = clinic;
  const openDays = new Map<string, Interval[]>();
  return (row: Appointment): Calendar.EventInput => {
    const date = dateAt(row.start, zone);
    const open = openDays.get(date) ?? openOn(schedule, closures, date, zone);
    openDays.set(date, open);
    const inside = open.some((each) => each.start <= row.start && row.end <= each.end);
    return visitEvent(clinic, row, { selected, flashing, ghost, inside });
  };
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
