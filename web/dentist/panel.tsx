/** One appointment: who, when, and what may be done with it now. */

import { useEffect, useState } from "preact/hooks";
import type { Appointment, CancelReason, Status } from "../sdk/index";
import { useCommand, useNow, useValue } from "../shared/hooks";
import { t } from "../shared/i18n";
import { Icon } from "../shared/icons";
import { dial, mailTo } from "../shared/links";
import { clock, fullDay, instantOf, span, wallTime, zoneName } from "../shared/zones";
import type { Clinic } from "./clinic";
import { History } from "./history";

/** The arrows of the state machine that staff may take, the usual one first. */
type Step = "arrived" | "checked_in" | "completed" | "no_show" | "confirmed";
const NEXT: Partial<Record<Status, readonly Step[]>> = {
  confirmed: ["arrived", "no_show"],
  arrived: ["checked_in", "confirmed"],
  checked_in: ["completed", "arrived"],
  completed: ["checked_in"],
  no_show: ["confirmed"],
};
/** What staff take back when they took the wrong arrow. */
const BACK: Partial<Record<Status, Step>> = {
  arrived: "confirmed",
  checked_in: "arrived",
  completed: "checked_in",
  no_show: "confirmed",
};
const MOVABLE: ReadonlySet<Status> = new Set(["confirmed", "arrived"]);
const REASONS: readonly CancelReason[] = [
  "patient",
  "patient_ill",
  "patient_feels_better",
  "patient_no_transport",
  "dentist",
  "dentist_personal",
  "dentist_meeting",
  "equipment",
  "room",
  "weather",
  "booking_error",
  "other",
];

interface Props {
  clinic: Clinic;
  row: Appointment;
  onMove: (row: Appointment, start: string) => void;
  onClose?: () => void;
}

export function Panel({ clinic, row, onMove, onClose }: Props) {
  const [cancelling, setCancelling] = useState(false);
  const { busy, problem, run } = useCommand();
  const type = clinic.types.find((each) => each.id === row.appointment_type_id);
  const change = (status: Status): void => void run(() => clinic.list.change(row.id, { status }));
  if (row.status === "held")
    return <HeldPanel clinic={clinic} row={row} {...(onClose && { onClose })} />;
  return (
    <div class="stack" data-appointment={row.id} data-status={row.status}>
      <header class="panel-head">
        <h2>{clinic.people.name(row.patient_id, row.patient.name)}</h2>
        {onClose && (
          <button type="button" class="icon" aria-label={t("close")} onClick={onClose}>
            <Icon name="close" />
          </button>
        )}
      </header>
      <p>
        <span class={`status ${row.status}`}>{t(`status.${row.status}`)}</span>
        {row.overbooked && <span class="status overbooked">{t("overbooked")}</span>}
      </p>
      <p class="panel-time">
        <strong>{span(row.start, row.end, clinic.zone)}</strong>
        <br />
        {fullDay(row.start, clinic.zone)}
        <br />
        <span class="muted">
          {type?.name} · {t("zone.times", { zone: zoneName(clinic.zone) })}
        </span>
      </p>
      <Contact clinic={clinic} patientId={row.patient_id} />
      {row.notes && <p class="notes">{row.notes}</p>}
      {problem && (
        <p class="problem" role="alert">
          {problem}
        </p>
      )}
      <div class="status-buttons" role="group" aria-label={t("panel.status")}>
        {(NEXT[row.status] ?? []).map((status, number) => (
          <button
            key={status}
            type="button"
            class={number === 0 && status !== BACK[row.status] ? "primary" : "secondary"}
            disabled={busy}
            onClick={() => change(status)}
          >
            {t(status === "confirmed" || status === BACK[row.status] ? "undo" : `do.${status}`)}
          </button>
        ))}
      </div>
      {MOVABLE.has(row.status) && (
        <Move key={row.start} clinic={clinic} row={row} onMove={onMove} />
      )}
      {row.status === "confirmed" && !cancelling && (
        <button type="button" class="secondary danger" onClick={() => setCancelling(true)}>
          {t("cancel")}
        </button>
      )}
      {row.status === "confirmed" && cancelling && (
        <Cancel clinic={clinic} row={row} onClose={() => setCancelling(false)} />
      )}
      {row.status === "cancelled" && row.cancel_reason && (
        <p class="muted">{t(`reason.${row.cancel_reason}`)}</p>
      )}
      <History clinic={clinic} id={row.id} version={row.version} />
    </div>
  );
}

function HeldPanel({
  clinic,
  row,
  onClose,
}: {
  clinic: Clinic;
  row: Appointment;
  onClose?: () => void;
}) {
  useNow(1_000);
  const seconds = Math.max(
    Math.ceil((Date.parse(row.expires_at ?? "") - clinic.hub.rest.now()) / 1_000),
    0,
  );
  return (
    <div class="stack">
      <header class="panel-head">
        <h2>{t("held.title")}</h2>
        {onClose && (
          <button type="button" class="icon" aria-label={t("close")} onClick={onClose}>
            <Icon name="close" />
          </button>
        )}
      </header>
      <p class="panel-time">
        <strong>{span(row.start, row.end, clinic.zone)}</strong>
        <br />
        {fullDay(row.start, clinic.zone)}
      </p>
      <p>
        {t("held.text", {
          name: row.patient.name ?? "",
          time: `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`,
        })}
      </p>
    </div>
  );
}

/** How to reach the patient, right also when they change it just now. */
function Contact({ clinic, patientId }: { clinic: Clinic; patientId: string }) {
  const known = useValue(clinic.people.known);
  useEffect(() => clinic.people.want(patientId), [clinic.people, patientId]);
  const profile = known.get(patientId);
  if (profile === undefined) return <p class="muted">…</p>;
  return (
    <ul class="contact">
      {profile.phone && (
        <li>
          <Icon name="phone" /> <a href={dial(profile.phone)}>{profile.phone}</a>
        </li>
      )}
      {profile.email && (
        <li>
          <Icon name="mail" /> <a href={mailTo(profile.email)}>{profile.email}</a>
        </li>
      )}
      {!profile.phone && !profile.email && <li class="muted">{t("contact.none")}</li>}
    </ul>
  );
}

/** The way of dragging for those who do not drag. */
function Move({ clinic, row, onMove }: Props) {
  const [to, setTo] = useState(wallTime(row.start, clinic.zone));
  return (
    <form
      class="inline"
      onSubmit={(event) => {
        event.preventDefault();
        onMove(row, instantOf(to, clinic.zone));
      }}
    >
      <label for="move-to">{t("move.to")}</label>
      <input
        id="move-to"
        type="datetime-local"
        required
        step={300}
        value={to}
        onInput={(event) => setTo(event.currentTarget.value)}
      />
      <button type="submit" class="secondary" disabled={to === wallTime(row.start, clinic.zone)}>
        {t("move")}
      </button>
    </form>
  );
}

function Cancel({
  clinic,
  row,
  onClose,
}: {
  clinic: Clinic;
  row: Appointment;
  onClose: () => void;
}) {
  const [reason, setReason] = useState<CancelReason>("dentist");
  const { busy, problem, run } = useCommand();
  return (
    <div class="stack boxed">
      <label for="reason">{t("cancel.reason")}</label>
      <select
        id="reason"
        value={reason}
        onChange={(event) => setReason(event.currentTarget.value as CancelReason)}
      >
        {REASONS.map((each) => (
          <option key={each} value={each}>
            {t(`reason.${each}`)}
          </option>
        ))}
      </select>
      {problem && (
        <p class="problem" role="alert">
          {problem}
        </p>
      )}
      <div class="actions">
        <button type="button" class="secondary" onClick={onClose}>
          {t("cancel.keep")}
        </button>
        <button
          type="button"
          class="primary danger"
          disabled={busy}
          onClick={() => void run(() => clinic.list.cancel(row.id, reason))}
        >
          {t("cancel.confirm")}
        </button>
      </div>
      <p class="hint">{t("cancel.told", { time: clock(row.start, clinic.zone) })}</p>
    </div>
  );
}
