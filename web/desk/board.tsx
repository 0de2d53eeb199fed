/** The desk itself: the calendar, what is open beside it, and the keys. */

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { focusVisit } from "../dentist/drawing";
import { doubts, openOn } from "../dentist/open";
import { type Proposal, ProposalBar } from "../dentist/proposal";
import type { Appointment } from "../sdk/index";
import { useKey, useMedia, useNow, useValue } from "../shared/hooks";
import { t } from "../shared/i18n";
import { Head, type Signed } from "../shared/shell";
import { clock, dateAt, minutesBetween, plusDays, plusMinutes, startOfDay } from "../shared/zones";
import { Columns } from "./columns";
import { PatientSearch } from "./search";
import { type Side, SidePanel, TITLES } from "./side";
import { Toolbar } from "./toolbar";
import { nameOf, type World } from "./world";

const CLOCK_MS = 20_000;
const TODAY: Side = { kind: "today" };
const SEARCH = "patient-search";
const TYPED = "input, textarea, select";

/** What is loaded around a date. */
export const around = (date: string, zone: string): { start: string; end: string } => ({
  start: startOfDay(plusDays(date, -1), zone),
  end: startOfDay(plusDays(date, 8), zone),
});

export function Board({
  world,
  session,
  flashing,
}: {
  world: World;
  session: Signed["session"];
  flashing: ReadonlySet<string>;
}) {
  const { hub, zone, list, dentists, schedules, practice, people } = world;
  useNow(CLOCK_MS);
  useValue(people.known);
  const now = new Date(hub.rest.now()).toISOString();
  const today = dateAt(now, zone);
  const [date, setDate] = useState(today);
  const wide = useMedia("(min-width: 75rem)");
  const [side, setSide] = useState<Side | null>(() => (wide ? TODAY : null));
  const selected = side?.kind === "visit" ? side.id : null;
  const [proposal, setProposal] = useState<Proposal | null>(null);
  const narrow = useMedia("(max-width: 50rem)");
  const [only, setOnly] = useState<string | null>(null);
  const one = narrow ? (only ?? dentists[0]?.id ?? null) : only;
  const shown = useMemo(
    () => dentists.filter((each) => one === null || each.id === one),
    [dentists, one],
  );
  useEffect(() => list.look(around(date, zone)), [list, date, zone]);
  const rows = useValue(list.rows);
  const visits = useMemo(
    () => rows.filter((row) => row.status !== "cancelled" && dateAt(row.start, zone) === date),
    [rows, date, zone],
  );
  const open = useMemo(
    () =>
      new Map(
        [...schedules].map(([id, each]) => [id, openOn(each, practice.closures, date, zone)]),
      ),
    [schedules, practice, date, zone],
  );
  const against = useMemo(() => {
    if (proposal === null) return [];
    const { row: moving, place } = proposal;
    const end = plusMinutes(place.start, minutesBetween(moving.start, moving.end));
    const schedule = schedules.get(place.dentistId);
    const there = dateAt(place.start, zone);
    const free = schedule ? openOn(schedule, practice.closures, there, zone) : [];
    return doubts({ ...place, end, id: moving.id }, free, rows, now);
  }, [proposal, rows, schedules, practice, zone]);
  const propose = (next: Proposal): void => {
    setProposal(next);
    setDate(dateAt(next.place.start, zone));
  };
  const aside = useRef<HTMLElement>(null);
  const search = (): HTMLElement | null => document.getElementById(SEARCH);
  const opened = useRef<Side | null>(null);
  useEffect(() => {
    const before = opened.current;
    opened.current = side;
    if (side?.kind === "visit") aside.current?.querySelector<HTMLElement>("h2")?.focus();
    // when the calendar has drawn its visits again
    if (before !== null && before.kind !== "today" && (side === null || side.kind === "today"))
      setTimeout(() => (before.kind === "visit" ? focusVisit(before.id) : search()?.focus()));
  }, [side]);
  const close = (): void => setSide(side?.kind !== "today" && wide ? TODAY : null);
  const show = (row: Appointment): void => {
    setDate(dateAt(row.start, zone));
    setSide({ kind: "visit", id: row.id });
  };
  const booked = (row: Appointment): void => {
    setDate(dateAt(row.start, zone));
    close();
  };
  useKey("Escape", () => {
    if (proposal !== null) setProposal(null);
    else if (side !== null) close();
  });
  useKey("/", (event) => {
    if (event.target instanceof Element && event.target.matches(TYPED)) return;
    event.preventDefault();
    search()?.focus();
  });
  const place = side !== null && "place" in side ? side.place : null;
  return (
    <>
      <Head session={session} name={world.me.name}>
        <PatientSearch
          hub={hub}
          id={SEARCH}
          autoFocus={!narrow}
          onPatient={(patient) => {
            people.take(patient);
            setSide({ kind: "patient", id: patient.id, place });
          }}
          onNew={(name) => setSide({ kind: "new", name, place })}
        />
      </Head>
      <main class="wide-column">
        <div class="desk">
          <section class="desk-main" aria-label={t("tab.calendar")}>
            <Toolbar
              world={world}
              date={date}
              today={today}
              only={one}
              mustChoose={narrow}
              onDate={setDate}
              onOnly={setOnly}
              isOpen={side?.kind === "today"}
              onRoom={() => setSide(side?.kind === "today" ? null : TODAY)}
            />
            <Columns
              world={world}
              rows={visits}
              dentists={shown}
              date={date}
              scrollTo={date === today ? clock(plusMinutes(now, -60), zone) : "07:00"}
              open={open}
              selected={selected}
              flashing={flashing}
              ghost={proposal}
              onSelect={(id) => setSide({ kind: "visit", id })}
              onEmpty={(at) =>
                setSide(
                  side !== null && "place" in side
                    ? { ...side, place: at }
                    : { kind: "gap", place: at },
                )
              }
              onMove={(moving, place) => propose({ row: moving, place })}
            />
            {proposal && (
              <ProposalBar
                clinic={world}
                dentist={nameOf(world, proposal.place.dentistId)}
                proposal={proposal}
                against={against}
                onClose={() => setProposal(null)}
              />
            )}
          </section>
          {side && (
            <aside ref={aside} class="panel side card" aria-label={t(TITLES[side.kind])}>
              <SidePanel
                world={world}
                side={side}
                onSide={setSide}
                onMove={(moving, start, dentistId) =>
                  propose({ row: moving, place: { start, dentistId } })
                }
                onVisit={show}
                onBooked={booked}
                onClose={close}
              />
            </aside>
          )}
        </div>
      </main>
    </>
  );
}
