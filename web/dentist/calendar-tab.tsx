import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Appointment } from "../sdk/index";
import { Dialog } from "../shared/dialog";
import { useKey, useMedia, useValue } from "../shared/hooks";
import { t } from "../shared/i18n";
import { Icon } from "../shared/icons";
import {
  dateAt,
  dateWords,
  minutesBetween,
  mondayOf,
  now,
  plusDays,
  plusMinutes,
  today,
  wallTime,
  zoneName,
} from "../shared/zones";
import type { Clinic } from "./clinic";
import { focusVisit } from "./drawing";
import { Grid, type View } from "./grid";
import { NewBooking } from "./new-booking";
import { type Doubt, doubts, openOn } from "./open";
import { Panel } from "./panel";
import { type Proposal, ProposalBar } from "./proposal";

interface Props {
  clinic: Clinic;
  date: string;
  onDate: (date: string) => void;
  flashing: ReadonlySet<string>;
  /** The visit that is open at first. */
  opened: string | null;
}

export function CalendarTab({ clinic, date, onDate, flashing, opened: first }: Props) {
  const narrow = useMedia("(max-width: 50rem)");
  const [chosen, setChosen] = useState<View>(narrow ? "day" : "week");
  // a week on a telephone cannot be read
  const view = narrow && chosen === "week" ? "three" : chosen;
  const [selected, setSelected] = useState(first);
  const [booking, setBooking] = useState<string | null>(null);
  const [proposal, setProposal] = useState<Proposal | null>(null);
  const rows = useValue(clinic.list.rows);
  const against = useDoubts(clinic, rows, proposal);
  const row = rows.find((each) => each.id === selected) ?? null;
  const propose = (next: Proposal): void => {
    setProposal(next);
    onDate(dateAt(next.place.start, clinic.zone));
  };
  const moveTo = (moving: Appointment, start: string): void =>
    propose({ row: moving, place: { start, dentistId: moving.dentist_id } });
  const aside = useRef<HTMLElement>(null);
  const opened = useRef<string | null>(null);
  useEffect(() => {
    const before = opened.current;
    opened.current = selected;
    if (selected !== null) aside.current?.querySelector<HTMLElement>("h2")?.focus();
    // when the calendar has drawn its visits again, and unless the focus went elsewhere
    else if (before !== null)
      setTimeout(() => document.activeElement === document.body && focusVisit(before));
  }, [selected]);
  const close = (): void => setSelected(null);
  useKey("Escape", () => {
    if (proposal !== null) setProposal(null);
    else if (selected !== null) close();
  });
  return (
    <div class="desk">
      <section class="desk-main" aria-label={t("tab.calendar")}>
        <Toolbar
          clinic={clinic}
          date={date}
          view={view}
          narrow={narrow}
          onDate={onDate}
          onView={setChosen}
          onNew={() => setBooking(firstStart(clinic.zone, date, view))}
        />
        <Grid
          clinic={clinic}
          rows={rows}
          view={view}
          date={date}
          selected={selected}
          flashing={flashing}
          ghost={proposal}
          onSelect={setSelected}
          onEmpty={setBooking}
          onMove={(moving, place) => propose({ row: moving, place })}
        />
        {proposal && (
          <ProposalBar
            clinic={clinic}
            dentist={clinic.me.name}
            proposal={proposal}
            against={against}
            onClose={() => setProposal(null)}
          />
        )}
      </section>
      {row && !narrow && (
        <aside ref={aside} class="panel card" aria-label={t("panel.title")}>
          <Panel key={row.id} clinic={clinic} row={row} onMove={moveTo} onClose={close} />
        </aside>
      )}
      {row && narrow && (
        <Dialog title={t("panel.title")} onClose={close}>
          <Panel
            key={row.id}
            clinic={clinic}
            row={row}
            onMove={(moving, start) => {
              setSelected(null); // the proposal is in the calendar
              moveTo(moving, start);
            }}
          />
        </Dialog>
      )}
      {booking && <NewBooking clinic={clinic} start={booking} onClose={() => setBooking(null)} />}
    </div>
  );
}

/** What speaks against a move, as the calendar is now. */
function useDoubts(
  clinic: Clinic,
  rows: readonly Appointment[],
  proposal: Proposal | null,
): readonly Doubt[] {
  return useMemo(() => {
    if (proposal === null) return [];
    const { row, place } = proposal;
    const end = plusMinutes(place.start, minutesBetween(row.start, row.end));
    const there = dateAt(place.start, clinic.zone);
    const open = openOn(clinic.schedule, clinic.closures, there, clinic.zone);
    return doubts({ ...place, end, id: row.id }, open, rows, now());
  }, [proposal, rows, clinic.schedule, clinic.closures, clinic.zone]);
}

function Toolbar(props: {
  clinic: Clinic;
  date: string;
  view: View;
  /** There is room for a few days only. */
  narrow: boolean;
  onDate: (date: string) => void;
  onView: (view: View) => void;
  onNew: () => void;
}) {
  const { clinic, date, view, onDate } = props;
  const step = DAYS[view];
  const title =
    view !== "day"
      ? daysWords(view === "week" ? mondayOf(date) : date, step)
      : dateWords(date, { weekday: "long", day: "numeric", month: "long", year: "numeric" });
  return (
    <div class="toolbar">
      <div class="turn">
        <button
          type="button"
          class="icon"
          aria-label={t(`${view}.earlier`)}
          onClick={() => onDate(plusDays(date, -step))}
        >
          <Icon name="left" />
        </button>
        <button type="button" class="secondary" onClick={() => onDate(today(clinic.zone))}>
          {t("today")}
        </button>
        <button
          type="button"
          class="icon"
          aria-label={t(`${view}.later`)}
          onClick={() => onDate(plusDays(date, step))}
        >
          <Icon name="right" />
        </button>
      </div>
      <h1 aria-live="polite">{title}</h1>
      <p class="muted zone-note">{t("zone.times", { zone: zoneName(clinic.zone) })}</p>
      <div class="segments" role="group" aria-label={t("view")}>
        {(["day", props.narrow ? "three" : "week"] as const).map((each) => (
          <button
            key={each}
            type="button"
            class="segment-button"
            aria-pressed={view === each}
            onClick={() => props.onView(each === "day" ? "day" : "week")}
          >
            {t(`view.${each}`)}
          </button>
        ))}
      </div>
      <button type="button" class="primary" onClick={props.onNew}>
        <Icon name="plus" /> {t("new")}
      </button>
    </div>
  );
}

const DAYS: Record<View, number> = { week: 7, three: 3, day: 1 };

function daysWords(first: string, count: number): string {
  const from = dateWords(first, { day: "numeric", month: "short" });
  const last = plusDays(first, count - 1);
  return `${from} – ${dateWords(last, { day: "numeric", month: "short", year: "numeric" })}`;
}

/** Soon, or on the day that is shown if that is another time. */
function firstStart(zone: string, date: string, view: View): string {
  const here = today(zone);
  const shown = view === "week" ? mondayOf(date) === mondayOf(here) : date === here;
  return shown ? wallTime(nextQuarter(), zone) : `${date}T09:00`;
}

const nextQuarter = (): string =>
  plusMinutes(`${now().slice(0, 16)}Z`, 15 - (Number(now().slice(14, 16)) % 15));
