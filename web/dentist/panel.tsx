/** One appointment: who, when, and what may be done with it now. */

import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Appointment, CancelReason, PublicCard, Status } from "../sdk/index";
import { useCommand, useNow, useValue } from "../shared/hooks";
import { t } from "../shared/i18n";
import { Icon } from "../shared/icons";
import { dial, mailTo } from "../shared/links";
import { offerUndo } from "../shared/undo";
import { clock, fullDay, instantOf, span, wallTime, zoneName } from "../shared/zones";
import type { Visits } from "./clinic";
import { History } from "./history";
import { Messages } from "./messages";

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
  clinic: Visits;
  row: Appointment;
  onMove: (row: Appointment, start: string, dentistId: string) => void;
  onClose?: () => void;
  /** Where the visit may move to; its own dentist only, if there are none. */
  dentists?: readonly PublicCard[];
  /** More about the patient and the visit. */
  children?: ComponentChildren;
}

export function Panel({ clinic, row, onMove, onClose, dentists = [], children }: Props) {
  const [cancelling, setCancelling] = useState(false);
  const { busy, problem, run } = useCommand();
  const type = clinic.types.find((each) => each.id === row.appointment_type_id);
  const name = clinic.people.name(row.patient_id, row.patient.name);
  const pressed = useRef(false);
  const change = (status: Status): void => {
    pressed.current = true;
    void run(async () => {
      await clinic.list.change(row.id, { status });
      offerUndo(t("undo.status", { name, status: t(`status.${status}`) }), () =>
        clinic.list.change(row.id, { status: row.status }),
      );
    });
  };
  const steps = useRef<HTMLDivElement>(null);
  useEffect(() => {
    // the button that was pressed is gone, and the focus with it
    if (document.activeElement === document.body && pressed.current)
      steps.current?.querySelector("button")?.focus();
    if (!busy) pressed.current = false;
  }, [row.status, busy]);
  if (row.status === "held")
    return <HeldPanel clinic={clinic} row={row} {...(onClose && { onClose })} />;
  return (
    <div class="stack" data-appointment={row.id} data-status={row.status}>
      <header class="panel-head">
        <h2 tabIndex={-1}>{name}</h2>
        {onClose && (
          <button type="button" class="icon" aria-label={t("close")} onClick={onClose}>
            <Icon name="close" />
          </button>
        )}
      </header>
      <p>
        <span class={`status ${row.status}`}>{t(`status.${row.status}`)}</span>
        {row.overbooked && <span class="status overbooked">{t("overbooked")}</span>}
        {row.status === "confirmed" && row.patient_confirmed_at && (
          <span class="status">{t("patient.confirmed")}</span>
        )}
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
      {children}
      {problem && (
        <p class="problem" role="alert">
          {problem}
        </p>
      )}
      <div ref={steps} class="status-buttons" role="group" aria-label={t("panel.status")}>
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
        <Move
          key={`${row.start} ${row.dentist_id}`}
          clinic={clinic}
          row={row}
          onMove={onMove}
          dentists={dentists}
        />
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
      <Messages key={row.id} clinic={clinic} id={row.id} version={row.version} />
      <History clinic={clinic} id={row.id} version={row.version} />
    </div>
  );
}

function HeldPanel({
  clinic,
  row,
  onClose,
}: {
  clinic: Visits;
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

/** A cancelled visit stays cancelled, so another one takes its place. */
export async function bookAgain(clinic: Visits, row: Appointment): Promise<void> {
  const again = await clinic.hub.rest.book({
    dentist_id: row.dentist_id,
    appointment_type_id: row.appointment_type_id,
    start: row.start,
    patient_id: row.patient_id,
    ...(row.notes && { notes: row.notes }),
    ...(row.overbooked && { overbook: true }),
  });
  clinic.list.take(again);
}

/** How to reach the patient, right also when they change it just now. */
export function Contact({ clinic, patientId }: { clinic: Visits; patientId: string }) {
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
function Move({ clinic, row, onMove, dentists = [] }: Props) {
  const [to, setTo] = useState(wallTime(row.start, clinic.zone));
  const [dentist, setDentist] = useState(row.dentist_id);
  const unchanged = to === wallTime(row.start, clinic.zone) && dentist === row.dentist_id;
  return (
    <form
      class="inline"
      onSubmit={(event) => {
        event.preventDefault();
        onMove(row, instantOf(to, clinic.zone), dentist);
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
      {dentists.length > 1 && (
        <select
          aria-label={t("find.dentist")}
          value={dentist}
          onChange={(event) => setDentist(event.currentTarget.value)}
        >
          {dentists.map((each) => (
            <option key={each.id} value={each.id}>
              {each.name}
            </option>
          ))}
        </select>
      )}
      <button type="submit" class="secondary" disabled={unchanged}>
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
  clinic: Visits;
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
          onClick={() =>
            void run(async () => {
              await clinic.list.cancel(row.id, reason);
              const name = clinic.people.name(row.patient_id, row.patient.name);
              offerUndo(t("undo.cancelled", { name }), () => bookAgain(clinic, row));
            })
          }
        >
          {t("cancel.confirm")}
        </button>
      </div>
      <p class="hint">{t("cancel.told", { time: clock(row.start, clinic.zone) })}</p>
    </div>
  );
}
