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
import {
  commonOptions,
  contentOf,
  dropped,
  GHOST,
  type Ghost,
  ghostEvent,
  line,
  visitEvent,
} from "../dentist/drawing";
import { withoutTable } from "../dentist/grid";
import { closedOn, shownTimes } from "../dentist/open";
import type { Appointment, Interval, PublicCard } from "../sdk/index";
import { t } from "../shared/i18n";
import { instantOf, zoneName } from "../shared/zones";
import { colourOf } from "./colours";
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
  ghost: Ghost | null;
  onSelect: (id: string) => void;
  onEmpty: (place: Place) => void;
  onMove: (row: Appointment, place: Place) => void;
}

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
    ...commonOptions(zone),
    slotHeight: 20,
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
      revert(); // a drop is a proposal
      const next = dropped({ event, delta }, rows, ghost, zone);
      if (next === null) return;
      const dentistId = newResource ? String(newResource.id) : next.place.dentistId;
      onMove(next.row, { ...next.place, dentistId });
    },
  };
}

const resources = ({ dentists }: Props): Calendar.ResourceInput[] =>
  dentists.map(({ id, name }) => ({ id, title: name ?? "" }));

function eventOf(row: Appointment, props: Props): Calendar.EventInput {
  const { world, selected, flashing, open, ghost } = props;
  const inside = (open.get(row.dentist_id) ?? []).some(
    (each) => each.start <= row.start && row.end <= each.end,
  );
  return {
    ...visitEvent(world, row, { selected, flashing, ghost, inside }),
    resourceId: row.dentist_id,
    styles: `--type: ${colourOf(world.types, row.appointment_type_id)}`,
  };
}

const ghostOf = (ghost: Ghost, zone: string): Calendar.EventInput => ({
  ...ghostEvent(ghost, zone),
  resourceId: ghost.place.dentistId,
});

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
  const dentistId = rows.find((each) => each.id === id)?.dentist_id;
  return [
    ...contentOf(world, id, rows, ghost),
    ...(dentistId ? [line("visually-hidden", nameOf(world, dentistId))] : []),
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
