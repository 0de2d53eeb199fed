/** Weekly hours and exceptions. Before saving, the hub lists the affected appointments. */

import { useLayoutEffect, useState } from "preact/hooks";
import type { Appointment, Availability, Window } from "../sdk/index";
import { Dialog } from "../shared/dialog";
import { useCommand } from "../shared/hooks";
import { t } from "../shared/i18n";
import { Icon } from "../shared/icons";
import { notify } from "../shared/toasts";
import { day, plusDays, span, today, zoneName } from "../shared/zones";
import type { Clinic } from "./clinic";
import { mistake, nextWindow, WEEKDAYS, windowsOf, withWindows } from "./hours-model";

const POLICY = [
  "slot_step_minutes",
  "min_notice_minutes",
  "cancel_notice_minutes",
  "horizon_days",
] as const;
const LEAST: Record<(typeof POLICY)[number], number> = {
  slot_step_minutes: 1,
  min_notice_minutes: 0,
  cancel_notice_minutes: 0,
  horizon_days: 1,
};

export function Hours({ clinic }: { clinic: Clinic }) {
  const [draft, setDraft] = useState(clinic.schedule);
  const [base, setBase] = useState(clinic.schedule);
  const [affected, setAffected] = useState<Appointment[] | null>(null);
  const { busy, problem, run } = useCommand();
  const dirty = JSON.stringify(draft) !== JSON.stringify(base);
  const elsewhere = dirty && clinic.schedule.version > base.version;
  const begin = (schedule: Availability): void => {
    setBase(schedule);
    setDraft(schedule);
  };
  // Set before the first input event: a later effect would treat the form as unedited.
  useLayoutEffect(() => {
    if (!dirty) begin(clinic.schedule);
  }, [clinic.schedule]);
  const wrong = mistake(draft);
  const review = (): void =>
    void run(async () =>
      setAffected(
        (await clinic.hub.rest.replaceAvailability(draft, { dryRun: true }))
          .affected_appointments ?? [],
      ),
    );
  const save = (): void =>
    void run(async () => {
      const saved = await clinic.hub.rest.replaceAvailability(draft);
      const { affected_appointments: _, ...schedule } = saved;
      begin(schedule as Availability);
      setAffected(null);
      notify(t("hours.saved"));
    });
  return (
    <section class="hours">
      <div class="toolbar">
        <h1>{t("hours.title")}</h1>
        <p class="muted zone-note">{t("hours.zone", { zone: zoneName(clinic.zone) })}</p>
        <button
          type="button"
          class="secondary"
          disabled={!dirty}
          onClick={() => begin(clinic.schedule)}
        >
          {t("hours.discard")}
        </button>
        <button
          type="button"
          class="primary"
          disabled={!dirty || busy || wrong !== null || elsewhere}
          onClick={review}
        >
          {t("hours.review")}
        </button>
      </div>
      {elsewhere && (
        <p class="problem" role="alert">
          {t("hours.elsewhere")}
        </p>
      )}
      {wrong && (
        <p class="problem" role="alert">
          {t(`hours.${wrong}`)}
        </p>
      )}
      {problem && affected === null && (
        <p class="problem" role="alert">
          {problem}
        </p>
      )}
      <div class="hours-columns">
        <Weekly draft={draft} onChange={setDraft} />
        <div class="stack">
          <Overrides draft={draft} zone={clinic.zone} onChange={setDraft} />
          <Policy draft={draft} onChange={setDraft} />
        </div>
      </div>
      {affected !== null && (
        <Review
          clinic={clinic}
          affected={affected}
          busy={busy}
          problem={problem}
          onSave={save}
          onClose={() => setAffected(null)}
        />
      )}
    </section>
  );
}

interface Editing {
  draft: Availability;
  onChange: (draft: Availability) => void;
}

function Weekly({ draft, onChange }: Editing) {
  return (
    <section class="card">
      <h2>{t("hours.weekly")}</h2>
      {WEEKDAYS.map((weekday) => (
        <fieldset key={weekday} class="weekday-row" data-weekday={weekday}>
          <legend>{t(`weekday.${weekday}`)}</legend>
          <Windows
            windows={windowsOf(draft, weekday)}
            label={t(`weekday.${weekday}`)}
            onChange={(windows) => onChange(withWindows(draft, weekday, windows))}
          />
        </fieldset>
      ))}
    </section>
  );
}

function Windows({
  windows,
  label,
  onChange,
}: {
  windows: readonly Window[];
  label: string;
  onChange: (windows: Window[]) => void;
}) {
  const set = (number: number, part: Partial<Window>): void =>
    onChange(windows.map((each, at) => (at === number ? { ...each, ...part } : each)));
  return (
    <div class="windows">
      {windows.length === 0 && <span class="muted">{t("hours.closed")}</span>}
      {windows.map((window, number) => (
        <span key={number} class="window">
          <input
            type="time"
            aria-label={t("hours.from", { day: label })}
            value={window.start}
            required
            onInput={(event) =>
              event.currentTarget.value && set(number, { start: event.currentTarget.value })
            }
          />
          <span aria-hidden="true">–</span>
          {/* a clock has no 24:00: midnight at the end is 00:00 */}
          <input
            type="time"
            aria-label={t("hours.to", { day: label })}
            value={window.end === "24:00" ? "00:00" : window.end}
            required
            onInput={(event) =>
              event.currentTarget.value &&
              set(number, {
                end: event.currentTarget.value === "00:00" ? "24:00" : event.currentTarget.value,
              })
            }
          />
          <button
            type="button"
            class="icon small"
            aria-label={t("hours.remove", { day: label })}
            onClick={() => onChange(windows.filter((_, at) => at !== number))}
          >
            <Icon name="close" />
          </button>
        </span>
      ))}
      <button
        type="button"
        class="icon small"
        aria-label={t("hours.add", { day: label })}
        onClick={() => onChange([...windows, nextWindow(windows)])}
      >
        <Icon name="plus" />
      </button>
    </div>
  );
}

function Overrides({ draft, zone, onChange }: Editing & { zone: string }) {
  const [date, setDate] = useState("");
  const upcoming = draft.overrides.filter((each) => each.date >= plusDays(today(zone), -1));
  const set = (overrides: Availability["overrides"]): void => onChange({ ...draft, overrides });
  const add = (): void => {
    set([...draft.overrides, { date, windows: [] }].sort((a, b) => a.date.localeCompare(b.date)));
    setDate("");
  };
  return (
    <section class="card">
      <h2>{t("hours.overrides")}</h2>
      <p class="hint">{t("hours.overrides.hint")}</p>
      {upcoming.map((each) => (
        <fieldset key={each.date} class="weekday-row" data-override={each.date}>
          <legend>{day(`${each.date}T12:00:00Z`, "UTC")}</legend>
          <Windows
            windows={each.windows}
            label={each.date}
            onChange={(windows) =>
              set(draft.overrides.map((other) => (other === each ? { ...each, windows } : other)))
            }
          />
          <button
            type="button"
            class="link"
            onClick={() => set(draft.overrides.filter((other) => other !== each))}
          >
            {t("hours.as.usual")}
          </button>
        </fieldset>
      ))}
      <div class="inline">
        <label for="override-date">{t("hours.override.date")}</label>
        <input
          id="override-date"
          type="date"
          min={today(zone)}
          value={date}
          onInput={(event) => setDate(event.currentTarget.value)}
        />
        <button
          type="button"
          class="secondary"
          disabled={date === "" || draft.overrides.some((each) => each.date === date)}
          onClick={add}
        >
          {t("hours.override.add")}
        </button>
      </div>
    </section>
  );
}

function Policy({ draft, onChange }: Editing) {
  return (
    <section class="card">
      <h2>{t("hours.policy")}</h2>
      <div class="policy">
        {POLICY.map((field) => (
          <div key={field}>
            <label for={field}>{t(`policy.${field}`)}</label>
            <input
              id={field}
              type="number"
              min={LEAST[field]}
              value={draft[field]}
              onInput={(event) =>
                event.currentTarget.value !== "" &&
                onChange({ ...draft, [field]: Number(event.currentTarget.value) })
              }
            />
          </div>
        ))}
      </div>
    </section>
  );
}

function Review(props: {
  clinic: Clinic;
  affected: readonly Appointment[];
  busy: boolean;
  problem: string;
  onSave: () => void;
  onClose: () => void;
}) {
  const { clinic, affected } = props;
  return (
    <Dialog title={t("hours.review.title")} onClose={props.onClose}>
      <div class="stack">
        {affected.length === 0 ? (
          <p>{t("hours.review.none")}</p>
        ) : (
          <p class="warn">
            <Icon name="warn" /> {t("hours.review.some", { n: affected.length })}
          </p>
        )}
        <ul class="affected">
          {affected.map((row) => (
            <li key={row.id}>
              <strong>{row.patient.name}</strong> {day(row.start, clinic.zone)},{" "}
              {span(row.start, row.end, clinic.zone)}
            </li>
          ))}
        </ul>
        {affected.length > 0 && <p class="hint">{t("hours.review.stay")}</p>}
        {props.problem && (
          <p class="problem" role="alert">
            {props.problem}
          </p>
        )}
        <div class="actions">
          <button type="button" class="secondary" onClick={props.onClose}>
            {t("back")}
          </button>
          <button type="button" class="primary" disabled={props.busy} onClick={props.onSave}>
            {t("hours.save")}
          </button>
        </div>
      </div>
    </Dialog>
  );
}
