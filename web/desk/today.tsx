/** The waiting room, and what there is to do: calls, free times to fill, visits to move. */

import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { openOn } from "../dentist/open";
import type { Appointment, Message } from "../sdk/index";
import { useNow, useValue } from "../shared/hooks";
import { t } from "../shared/i18n";
import { Icon } from "../shared/icons";
import { dial } from "../shared/links";
import { clock, dateAt, day } from "../shared/zones";
import { late, minutesSince, present, refill, since, unconfirmed } from "./day";
import { nameOf, type Place, type World } from "./world";

const CLOCK_MS = 15_000;
const SHOWN = 8;

export function Today({
  world,
  onVisit,
  onPlace,
  onClose,
}: {
  world: World;
  onVisit: (row: Appointment) => void;
  onPlace: (place: Place) => void;
  onClose: () => void;
}) {
  useNow(CLOCK_MS);
  const { zone } = world;
  const rows = useValue(world.list.rows);
  const now = new Date(world.hub.rest.now()).toISOString();
  const today = rows.filter((row) => dateAt(row.start, zone) === dateAt(now, zone));
  const here = present(today);
  const line = (row: Appointment, text: string, onClick = () => onVisit(row)) => (
    <Line
      key={row.id}
      name={world.people.name(row.patient_id, row.patient.name)}
      text={text}
      onClick={onClick}
    />
  );
  const when = (row: Appointment): string =>
    `${day(row.start, zone)}, ${clock(row.start, zone)} · ${nameOf(world, row.dentist_id)}`;
  return (
    <div class="stack today">
      <header class="panel-head">
        <h2 tabIndex={-1}>{t("today.title")}</h2>
        <button type="button" class="icon" aria-label={t("close")} onClick={onClose}>
          <Icon name="close" />
        </button>
      </header>
      <section>
        <h3>{t("today.here")}</h3>
        {here.length === 0 && <p class="muted">{t("today.here.none")}</p>}
        <ul class="visits">
          {here.map((row) => (
            <li key={row.id}>
              <button type="button" class="visit-line here" onClick={() => onVisit(row)}>
                <span>{world.people.name(row.patient_id, row.patient.name)}</span>
                <strong class="figures">
                  {t("minutes", { n: minutesSince(since(row), now) })}
                </strong>
                <small class="muted">
                  {clock(row.start, zone)} · {nameOf(world, row.dentist_id)}
                </small>
                <span class={`status ${row.status}`}>{t(`status.${row.status}`)}</span>
              </button>
            </li>
          ))}
        </ul>
      </section>
      <Group title={t("today.late")}>
        {late(today, now).map((row) =>
          line(
            row,
            `${clock(row.start, zone)} · ${t("today.late.by", { n: minutesSince(row.start, now) })}`,
          ),
        )}
      </Group>
      <Group title={t("today.refill")}>
        {refill(rows, now)
          .slice(0, SHOWN)
          .map((row) =>
            line(row, when(row), () => onPlace({ dentistId: row.dentist_id, start: row.start })),
          )}
      </Group>
      <Group title={t("today.outside")}>
        {outside(world, rows, now)
          .slice(0, SHOWN)
          .map((row) => line(row, when(row)))}
      </Group>
      <Unanswered world={world} rows={rows} now={now}>
        {(row) => line(row, when(row))}
      </Unanswered>
      <Failed world={world} rows={rows} />
    </div>
  );
}

function Group({ title, children }: { title: string; children: ComponentChildren[] }) {
  return children.length === 0 ? null : (
    <section>
      <h3>{title}</h3>
      <ul class="visits">{children}</ul>
    </section>
  );
}

function Line({ name, text, onClick }: { name: string; text: string; onClick: () => void }) {
  return (
    <li>
      <button type="button" class="visit-line" onClick={onClick}>
        <span>{name}</span>
        <small class="muted">{text}</small>
      </button>
    </li>
  );
}

/** Visits to come, of the days that are loaded, outside of open time. */
function outside(world: World, rows: readonly Appointment[], now: string): Appointment[] {
  const { zone, schedules, practice } = world;
  const known = new Map<string, ReturnType<typeof openOn>>();
  return rows.filter((row) => {
    const schedule = schedules.get(row.dentist_id);
    if (row.status !== "confirmed" || row.start <= now || schedule === undefined) return false;
    const date = dateAt(row.start, zone);
    const key = `${row.dentist_id} ${date}`;
    const open = known.get(key) ?? openOn(schedule, practice.closures, date, zone);
    known.set(key, open);
    return !open.some((each) => each.start <= row.start && row.end <= each.end);
  });
}

/** Visits to come whose patients were asked whether they will come, and have not answered. */
function Unanswered({
  world,
  rows,
  now,
  children,
}: {
  world: World;
  rows: readonly Appointment[];
  now: string;
  children: (row: Appointment) => ComponentChildren;
}) {
  const latest = useValue(world.list.message);
  const [asked, setAsked] = useState<ReadonlySet<string>>(new Set());
  useEffect(() => {
    const aborted = new AbortController();
    world.hub.rest.confirmationRequests(aborted.signal).then(
      ({ data }) => setAsked(new Set(data.map((each) => each.appointment_id))),
      () => {},
    );
    return () => aborted.abort();
  }, [world.hub, latest?.id, latest?.version]);
  return (
    <Group title={t("today.unconfirmed")}>
      {unconfirmed(rows, asked, now).slice(0, SHOWN).map(children)}
    </Group>
  );
}

/** Messages that did not reach the patient of a visit to come: call instead. */
function Failed({ world, rows }: { world: World; rows: readonly Appointment[] }) {
  const latest = useValue(world.list.message);
  const people = useValue(world.people.known);
  const [failed, setFailed] = useState<readonly Message[]>([]);
  useEffect(() => {
    const aborted = new AbortController();
    world.hub.rest.failedMessages(aborted.signal).then(
      ({ data }) => setFailed(data),
      () => {},
    );
    return () => aborted.abort();
  }, [world.hub, latest?.id, latest?.version]);
  const ahead = failed
    .filter((each) => rows.some((row) => row.id === each.appointment_id))
    .slice(0, SHOWN);
  const ids = [...new Set(ahead.map((each) => each.patient_id))];
  useEffect(() => {
    for (const id of ids) world.people.want(id);
  }, [ids.join()]);
  return (
    <Group title={t("today.failed")}>
      {ids.map((id) => {
        const patient = people.get(id);
        return (
          <li key={id} class="call">
            <span>{patient?.name ?? "…"}</span>
            {patient?.phone ? (
              <a href={dial(patient.phone)}>{patient.phone}</a>
            ) : (
              <span class="muted">{t("contact.none")}</span>
            )}
          </li>
        );
      })}
    </Group>
  );
}
