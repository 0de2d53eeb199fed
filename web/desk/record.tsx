/** What the practice knows of a patient: contact, remark, visits; and booking the next one. */

import { useEffect, useState } from "preact/hooks";
import { Contact } from "../dentist/panel";
import { type Appointment, LISTED, type PracticePatient, type Profile } from "../sdk/index";
import { Field } from "../shared/field";
import { useCommand, useValue } from "../shared/hooks";
import { t } from "../shared/i18n";
import { Icon } from "../shared/icons";
import { offerUndo } from "../shared/undo";
import { clock, dateWords, day } from "../shared/zones";
import { Booking } from "./booking";
import { nameOf, type Place, type World } from "./world";

const PAST = 5;

export function Record({
  world,
  patientId,
  place,
  onVisit,
  onBooked,
  onClose,
}: {
  world: World;
  patientId: string;
  place: Place | null;
  onVisit: (row: Appointment) => void;
  onBooked: (row: Appointment) => void;
  onClose: () => void;
}) {
  const [editing, setEditing] = useState(false);
  const known = useValue(world.people.known);
  useEffect(() => world.people.want(patientId), [world.people, patientId]);
  const profile = known.get(patientId);
  const [remark, setRemark] = useRemark(world, patientId, profile?.version);
  const born = profile?.date_of_birth;
  return (
    <div class="stack" data-patient={patientId}>
      <header class="panel-head">
        <h2 tabIndex={-1}>{profile?.name ?? "…"}</h2>
        <button type="button" class="icon" aria-label={t("close")} onClick={onClose}>
          <Icon name="close" />
        </button>
      </header>
      {profile && !editing && (
        <>
          <Booking
            world={world}
            who={async () => profile}
            name={profile.name ?? ""}
            place={place}
            autoFocus
            onBooked={onBooked}
          />
          <div class="record-facts">
            {born && (
              <p class="muted">
                {t("record.born", { day: dateWords(born, { dateStyle: "long" }) })}
              </p>
            )}
            <Contact clinic={world} patientId={patientId} />
            {remark?.remark && <p class="notes">{remark.remark}</p>}
            <button type="button" class="quiet" onClick={() => setEditing(true)}>
              {t("record.edit")}
            </button>
          </div>
          <Visits world={world} patientId={patientId} onVisit={onVisit} />
        </>
      )}
      {profile && editing && (
        <Edit
          world={world}
          profile={profile}
          remark={remark}
          onRemark={setRemark}
          onClose={() => setEditing(false)}
        />
      )}
    </div>
  );
}

/** Read again when the patient changes: the remark has an event, but is not in it. */
function useRemark(world: World, patientId: string, version: number | undefined) {
  const [remark, setRemark] = useState<PracticePatient | null>(null);
  /** A read that began before a change may be answered after it. */
  const take = (next: PracticePatient): void =>
    setRemark((before) => (before !== null && before.version > next.version ? before : next));
  useEffect(() => {
    let current = true;
    world.hub.rest.practicePatient(world.practice.id, patientId).then(
      (read) => current && take(read),
      () => {},
    );
    return () => {
      current = false;
    };
  }, [world.hub, world.practice.id, patientId, version]);
  return [remark, take] as const;
}

function Visits({
  world,
  patientId,
  onVisit,
}: {
  world: World;
  patientId: string;
  onVisit: (row: Appointment) => void;
}) {
  const [visits, setVisits] = useState<readonly Appointment[] | null>(null);
  const rows = useValue(world.list.rows);
  const changes = rows
    .filter((row) => row.patient_id === patientId)
    .map((row) => `${row.id} ${row.version}`)
    .join();
  useEffect(() => {
    const aborted = new AbortController();
    world.hub.rest.visitsOf(patientId, LISTED, aborted.signal).then(
      ({ data }) => setVisits(data),
      () => {},
    );
    return () => aborted.abort();
  }, [world.hub, patientId, changes]);
  if (visits === null) return <p class="muted">{t("loading")}</p>;
  const now = new Date(world.hub.rest.now()).toISOString();
  const next = visits.filter((row) => row.end > now && row.status !== "cancelled").reverse();
  const past = visits.filter((row) => !next.includes(row)).slice(0, PAST);
  const list = (title: string, each: readonly Appointment[], none: string) => (
    <section>
      <h3>{title}</h3>
      {each.length === 0 && <p class="muted">{none}</p>}
      <ul class="visits">
        {each.map((row) => (
          <li key={row.id}>
            <button type="button" class="visit-line" onClick={() => onVisit(row)}>
              <span>
                {day(row.start, world.zone)}, {clock(row.start, world.zone)}
              </span>
              <small class="muted">
                {[
                  world.types.find((type) => type.id === row.appointment_type_id)?.name,
                  nameOf(world, row.dentist_id),
                  row.status === "confirmed" ? "" : t(`status.${row.status}`),
                ]
                  .filter(Boolean)
                  .join(" · ")}
              </small>
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
  return (
    <>
      {list(t("record.next"), next, t("record.next.none"))}
      {past.length > 0 && list(t("record.past"), past, "")}
    </>
  );
}

const FIELDS = ["name", "phone", "email", "date_of_birth"] as const;
const TYPES = { name: "text", phone: "tel", email: "email", date_of_birth: "date" } as const;
type Fields = Record<(typeof FIELDS)[number], string>;

function Edit({
  world,
  profile,
  remark,
  onRemark,
  onClose,
}: {
  world: World;
  profile: Profile;
  remark: PracticePatient | null;
  onRemark: (remark: PracticePatient) => void;
  onClose: () => void;
}) {
  const was: Fields = {
    name: profile.name ?? "",
    phone: profile.phone ?? "",
    email: profile.email ?? "",
    date_of_birth: profile.date_of_birth ?? "",
  };
  const [fields, setFields] = useState<Fields>(was);
  const [text, setText] = useState(remark?.remark ?? "");
  // contact data are the patient's and the front desk's; a dentist keeps the remark
  const mayChange = world.me.role === "dentist" ? [] : FIELDS;
  const { busy, problem, run } = useCommand();
  const save = async (): Promise<void> => {
    const changed = FIELDS.filter((each) => fields[each].trim() !== was[each]);
    if (changed.length > 0) {
      const pick = (of: Fields) =>
        Object.fromEntries(changed.map((each) => [each, of[each].trim() || null]));
      const saved = await world.hub.rest.updateProfile(profile.id, pick(fields), profile.version);
      world.people.take(saved);
      offerUndo(t("undo.profile", { name: saved.name ?? "" }), async () =>
        world.people.take(await world.hub.rest.updateProfile(profile.id, pick(was), saved.version)),
      );
    }
    if (remark !== null && text.trim() !== (remark.remark ?? "")) {
      const saved = await world.hub.rest.updateRemark(remark, text.trim() || null);
      onRemark(saved);
      offerUndo(t("undo.remark"), async () =>
        onRemark(await world.hub.rest.updateRemark(saved, remark.remark)),
      );
    }
    onClose();
  };
  return (
    <form
      class="stack"
      onSubmit={(event) => {
        event.preventDefault();
        void run(save);
      }}
    >
      {mayChange.map((field, number) => (
        <Field
          key={field}
          id={`edit-${field}`}
          label={t(`profile.${field}`)}
          type={TYPES[field]}
          required={field === "name"}
          autoFocus={number === 0}
          autocomplete="off"
          value={fields[field]}
          onInput={(value) => setFields({ ...fields, [field]: value })}
        />
      ))}
      <div>
        <label for="edit-remark">{t("record.remark")}</label>
        <textarea
          id="edit-remark"
          rows={3}
          maxLength={2000}
          disabled={remark === null}
          value={text}
          onInput={(event) => setText(event.currentTarget.value)}
        />
      </div>
      {problem && (
        <p class="problem" role="alert">
          {problem}
        </p>
      )}
      <div class="actions">
        <button type="button" class="secondary" onClick={onClose}>
          {t("back")}
        </button>
        <button type="submit" class="primary" disabled={busy}>
          {t("save")}
        </button>
      </div>
    </form>
  );
}
