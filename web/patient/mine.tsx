import { useState } from "preact/hooks";
import type { Appointment, CancelReason } from "../sdk/index";
import { Dialog } from "../shared/dialog";
import { useCommand, useNow, useValue } from "../shared/hooks";
import { t } from "../shared/i18n";
import { go } from "../shared/place";
import { dateAt, dateWords, longDay, span, zoneName } from "../shared/zones";
import { CalendarButton } from "./calendar-button";
import { addressOf } from "./route";
import { isAhead, typeOf, type World, zoneOfVisit } from "./world";

const PAST_SHOWN = 10;
const REASONS = [
  "patient",
  "patient_ill",
  "patient_feels_better",
  "patient_no_transport",
  "patient_moved_away",
  "other",
] as const satisfies readonly CancelReason[];

export function Mine({ world, onFind }: { world: World; onFind: () => void }) {
  const rows = useValue(world.list.rows).filter((row) => row.status !== "held");
  const loaded = useValue(world.list.loaded);
  const now = useNow(30_000);
  const [cancelling, setCancelling] = useState<Appointment | null>(null);
  const upcoming = rows.filter((row) => isAhead(row, now));
  const past = rows
    .filter((row) => !isAhead(row, now))
    .reverse()
    .slice(0, PAST_SHOWN);
  return (
    <>
      <h1>{t("mine.title")}</h1>
      {!loaded && (
        <p class="muted" aria-busy="true">
          {t("loading")}
        </p>
      )}
      {loaded && upcoming.length === 0 && (
        <div class="empty card">
          <p>{t("mine.none")}</p>
          <button type="button" class="primary" onClick={onFind}>
            {t("mine.find")}
          </button>
        </div>
      )}
      <ul class="appointments">
        {upcoming.map((row) => (
          <Card
            key={row.id}
            row={row}
            world={world}
            onMove={() => go(addressOf({ is: "move", id: row.id, search: {} }))}
            onCancel={() => setCancelling(row)}
          />
        ))}
      </ul>
      {past.length > 0 && (
        <details class="past">
          <summary>{t("mine.past")}</summary>
          <ul class="appointments">
            {past.map((row) => (
              <Card key={row.id} row={row} world={world} />
            ))}
          </ul>
        </details>
      )}
      {cancelling && <Cancel row={cancelling} world={world} onClose={() => setCancelling(null)} />}
    </>
  );
}

function Card({
  row,
  world,
  onMove,
  onCancel,
}: {
  row: Appointment;
  world: World;
  onMove?: () => void;
  onCancel?: () => void;
}) {
  const type = typeOf(world, row.appointment_type_id);
  const zone = zoneOfVisit(world, row);
  const date = dateAt(row.start, zone);
  return (
    <li
      class="appointment card"
      data-id={row.id}
      data-status={row.status}
      data-start={row.start}
      aria-busy={world.list.pending(row.id)}
    >
      <div class="leaf" aria-hidden="true">
        <span>{dateWords(date, { month: "short" })}</span>
        <strong>{dateWords(date, { day: "numeric" })}</strong>
        <span>{dateWords(date, { weekday: "short" })}</span>
      </div>
      <div class="about">
        <p class="visually-hidden">
          {dateWords(date, { weekday: "long", day: "numeric", month: "long" })}
        </p>
        <h2>{span(row.start, row.end, zone)}</h2>
        <p>{[type?.name, row.dentist.name].filter(Boolean).join(" · ")}</p>
        <p class="muted">
          {t("zone.times", { zone: zoneName(zone) })} ·{" "}
          <span class={`status ${row.status}`}>{t(`status.${row.status}`)}</span>
        </p>
        {row.notes && <p class="notes">{row.notes}</p>}
      </div>
      {onMove && (
        <div class="card-actions">
          {row.status === "confirmed" && type && (
            <button type="button" class="secondary" onClick={onMove}>
              {t("move")}
            </button>
          )}
          {row.status === "confirmed" && (
            <button type="button" class="secondary danger" onClick={onCancel}>
              {t("mine.cancel")}
            </button>
          )}
          <CalendarButton world={world} id={row.id} look="quiet" />
        </div>
      )}
      {!onMove && row.status === "cancelled" && (
        <div class="card-actions">
          <CalendarButton world={world} id={row.id} look="quiet" />
        </div>
      )}
    </li>
  );
}

function Cancel({ row, world, onClose }: { row: Appointment; world: World; onClose: () => void }) {
  const [reason, setReason] = useState<(typeof REASONS)[number]>("patient");
  const { busy, problem, run } = useCommand();
  const zone = zoneOfVisit(world, row);
  const cancel = (): void =>
    void run(() => world.list.cancel(row.id, reason)).then((done) => done && onClose());
  return (
    <Dialog title={t("cancel.title")} onClose={onClose}>
      <div class="stack">
        <p>
          {longDay(row.start, zone)}, {span(row.start, row.end, zone)}
        </p>
        <div>
          <label for="reason">{t("cancel.reason")}</label>
          <select
            id="reason"
            value={reason}
            onChange={(event) => setReason(event.currentTarget.value as typeof reason)}
          >
            {REASONS.map((each) => (
              <option key={each} value={each}>
                {t(`why.${each}`)}
              </option>
            ))}
          </select>
        </div>
        {problem && (
          <p class="problem" role="alert">
            {problem}
          </p>
        )}
        <div class="actions">
          <button type="button" class="secondary" onClick={onClose}>
            {t("cancel.keep")}
          </button>
          <button type="button" class="primary danger" disabled={busy} onClick={cancel}>
            {t("cancel.confirm")}
          </button>
        </div>
      </div>
    </Dialog>
  );
}
