import { useState } from "preact/hooks";
import { type Appointment, codeOf } from "../sdk/index";
import { Dialog } from "../shared/dialog";
import { useKey, useMedia, useValue } from "../shared/hooks";
import { t, tCode } from "../shared/i18n";
import { Icon } from "../shared/icons";
import { notify } from "../shared/toasts";
import { offerUndo } from "../shared/undo";
import {
  clock,
  dateWords,
  day,
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
import { Grid, type View } from "./grid";
import { NewBooking } from "./new-booking";
import { Panel } from "./panel";

interface Props {
  clinic: Clinic;
  date: string;
  onDate: (date: string) => void;
  flashing: ReadonlySet<string>;
}

export function CalendarTab({ clinic, date, onDate, flashing }: Props) {
  const narrow = useMedia("(max-width: 50rem)");
  const [view, setView] = useState<View>(narrow ? "day" : "week");
  const [selected, setSelected] = useState<string | null>(null);
  const [booking, setBooking] = useState<string | null>(null);
  const [taken, setTaken] = useState<{ row: Appointment; start: string } | null>(null);
  const rows = useValue(clinic.list.rows);
  const row = rows.find((each) => each.id === selected) ?? null;
  const move = (moving: Appointment, start: string, overbook = false): void => {
    reschedule(clinic, moving, start, overbook).then(
      () => {
        const name = clinic.people.name(moving.patient_id, moving.patient.name);
        offerUndo(t("undo.moved", { name, time: clock(start, clinic.zone) }), () =>
          reschedule(clinic, moving, moving.start, moving.overbooked),
        );
      },
      (error: unknown) => {
        const code = codeOf(error);
        if (code === "SLOT_TAKEN" && !overbook) setTaken({ row: moving, start });
        else notify(tCode(code), "problem");
      },
    );
  };
  const moveTo = (moving: Appointment, start: string): void => move(moving, start);
  useKey("Escape", () => setSelected(null));
  return (
    <div class="desk">
      <section class="desk-main" aria-label={t("tab.calendar")}>
        <Toolbar
          clinic={clinic}
          date={date}
          view={view}
          onDate={onDate}
          onView={setView}
          onNew={() => setBooking(firstStart(clinic.zone, date, view))}
        />
        <Grid
          clinic={clinic}
          rows={rows}
          view={view}
          date={date}
          selected={selected}
          flashing={flashing}
          onSelect={setSelected}
          onEmpty={setBooking}
          onMove={move}
        />
      </section>
      {row && !narrow && (
        <aside class="panel card" aria-label={t("panel.title")}>
          <Panel
            key={row.id}
            clinic={clinic}
            row={row}
            onMove={moveTo}
            onClose={() => setSelected(null)}
          />
        </aside>
      )}
      {row && narrow && (
        <Dialog title={t("panel.title")} onClose={() => setSelected(null)}>
          <Panel key={row.id} clinic={clinic} row={row} onMove={moveTo} />
        </Dialog>
      )}
      {booking && <NewBooking clinic={clinic} start={booking} onClose={() => setBooking(null)} />}
      {taken && (
        <Overbook
          clinic={clinic}
          {...taken}
          onClose={() => setTaken(null)}
          onYes={() => move(taken.row, taken.start, true)}
        />
      )}
    </div>
  );
}

function Toolbar(props: {
  clinic: Clinic;
  date: string;
  view: View;
  onDate: (date: string) => void;
  onView: (view: View) => void;
  onNew: () => void;
}) {
  const { clinic, date, view, onDate } = props;
  const step = view === "week" ? 7 : 1;
  const title =
    view === "week"
      ? weekWords(date)
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
        {(["day", "week"] as const).map((each) => (
          <button
            key={each}
            type="button"
            class="segment-button"
            aria-pressed={view === each}
            onClick={() => props.onView(each)}
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

function Overbook({
  clinic,
  row,
  start,
  onYes,
  onClose,
}: {
  clinic: Clinic;
  row: Appointment;
  start: string;
  onYes: () => void;
  onClose: () => void;
}) {
  return (
    <Dialog title={t("overbook.title")} onClose={onClose}>
      <div class="stack">
        <p>
          {t("overbook.text", {
            name: row.patient.name ?? "",
            day: day(start, clinic.zone),
            time: clock(start, clinic.zone),
          })}
        </p>
        <div class="actions">
          <button type="button" class="secondary" onClick={onClose}>
            {t("overbook.no")}
          </button>
          <button
            type="button"
            class="primary"
            onClick={() => {
              onClose();
              onYes();
            }}
          >
            {t("overbook.yes")}
          </button>
        </div>
      </div>
    </Dialog>
  );
}

/** Shown at the new time at once, and back at the old one if the hub refuses. */
function reschedule(
  clinic: Clinic,
  row: Appointment,
  start: string,
  overbook: boolean,
): Promise<Appointment> {
  const end = plusMinutes(start, minutesBetween(row.start, row.end));
  return clinic.list.change(row.id, overbook ? { start, overbook } : { start }, { end });
}

function weekWords(date: string): string {
  const monday = mondayOf(date);
  const first = dateWords(monday, { day: "numeric", month: "short" });
  const sunday = plusDays(monday, 6);
  const last = dateWords(sunday, { day: "numeric", month: "short", year: "numeric" });
  return `${first} – ${last}`;
}

/** Soon, or on the day that is shown if that is another time. */
function firstStart(zone: string, date: string, view: View): string {
  const here = today(zone);
  const shown = view === "week" ? mondayOf(date) === mondayOf(here) : date === here;
  return shown ? wallTime(nextQuarter(), zone) : `${date}T09:00`;
}

const nextQuarter = (): string =>
  plusMinutes(`${now().slice(0, 16)}Z`, 15 - (Number(now().slice(14, 16)) % 15));
