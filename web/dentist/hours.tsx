/** Weekly hours and exceptions. Before saving, the hub lists the affected appointments. */

import { useLayoutEffect, useState } from "preact/hooks";
import type { Appointment, Availability } from "../sdk/index";
import { Dialog } from "../shared/dialog";
import { useCommand } from "../shared/hooks";
import { t } from "../shared/i18n";
import { Icon } from "../shared/icons";
import { notify } from "../shared/toasts";
import { day, span, zoneName } from "../shared/zones";
import type { Clinic } from "./clinic";
import { type Editing, Overrides, TimeOff } from "./exceptions";
import { mistake, WEEKDAYS, windowsOf, withWindows } from "./hours-model";
import { Windows } from "./windows";

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
  const [outside, setOutside] = useState<Outside | null>(null);
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
  const review = (): void => void run(async () => setOutside(await outsideOf(clinic, draft)));
  const save = (): void =>
    void run(async () => {
      const saved = await clinic.hub.rest.replaceAvailability(draft);
      const { affected_appointments: _, ...schedule } = saved;
      begin(schedule as Availability);
      setOutside(null);
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
      {problem && outside === null && (
        <p class="problem" role="alert">
          {problem}
        </p>
      )}
      <div class="hours-columns">
        <Weekly draft={draft} onChange={setDraft} />
        <div class="stack">
          <TimeOff draft={draft} zone={clinic.zone} onChange={setDraft} />
          <Overrides draft={draft} zone={clinic.zone} onChange={setDraft} />
          <Policy draft={draft} onChange={setDraft} />
        </div>
      </div>
      {outside !== null && (
        <Review
          clinic={clinic}
          outside={outside}
          busy={busy}
          problem={problem}
          onSave={save}
          onClose={() => setOutside(null)}
        />
      )}
    </section>
  );
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

function Policy({ draft, onChange }: Editing) {
  return (
    <section class="card">
      <h2>{t("hours.policy")}</h2>
      <div class="policy">
        <div>
          <label for="time-zone">{t("hours.timeZone")}</label>
          <select
            id="time-zone"
            value={draft.time_zone}
            onChange={(event) => onChange({ ...draft, time_zone: event.currentTarget.value })}
          >
            {zoneNames(draft.time_zone).map((each) => (
              <option key={each} value={each}>
                {each.replaceAll("_", " ")}
              </option>
            ))}
          </select>
        </div>
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

async function outsideOf({ hub, me }: Clinic, draft: Availability): Promise<Outside> {
  const [saved, page] = await Promise.all([
    hub.rest.replaceAvailability(draft, { dryRun: true }),
    hub.rest.affected(me.id),
  ]);
  return { fresh: saved.affected_appointments ?? [], before: page.data };
}

/** The zones that the browser knows, and the one that is set. */
const zoneNames = (present: string): string[] =>
  [...new Set([present, "UTC", ...Intl.supportedValuesOf("timeZone")])].sort();

/** What a change would leave outside, and what lies outside already. */
interface Outside {
  fresh: readonly Appointment[];
  before: readonly Appointment[];
}

function Review(props: {
  clinic: Clinic;
  outside: Outside;
  busy: boolean;
  problem: string;
  onSave: () => void;
  onClose: () => void;
}) {
  const { clinic } = props;
  const { fresh, before } = props.outside;
  return (
    <Dialog title={t("hours.review.title")} onClose={props.onClose}>
      <div class="stack">
        {fresh.length === 0 && before.length === 0 && <p>{t("hours.review.none")}</p>}
        {fresh.length > 0 && (
          <p class="warn">
            <Icon name="warn" /> {t("hours.review.some", { n: fresh.length })}
          </p>
        )}
        <Affected clinic={clinic} rows={fresh} />
        {before.length > 0 && <p>{t("hours.review.before", { n: before.length })}</p>}
        <Affected clinic={clinic} rows={before} />
        {fresh.length + before.length > 0 && <p class="hint">{t("hours.review.stay")}</p>}
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

function Affected({ clinic, rows }: { clinic: Clinic; rows: readonly Appointment[] }) {
  if (rows.length === 0) return null;
  return (
    <ul class="affected">
      {rows.map((row) => (
        <li key={row.id}>
          <strong>{row.patient.name}</strong> {day(row.start, clinic.zone)},{" "}
          {span(row.start, row.end, clinic.zone)}
        </li>
      ))}
    </ul>
  );
}
