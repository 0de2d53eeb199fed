/** The dentist's patients: found by the same field as at the front desk, with the same record. */

import { useMemo, useState } from "preact/hooks";
import { Newcomer } from "../desk/newcomer";
import { Record } from "../desk/record";
import { PatientSearch } from "../desk/search";
import type { World } from "../desk/world";
import type { Appointment, Practice, Profile } from "../sdk/index";
import { useKey } from "../shared/hooks";
import { t } from "../shared/i18n";
import { useLoaded } from "../shared/loaded";
import type { Clinic } from "./clinic";

const SEARCH = "patient-search";
const TYPED = "input, textarea, select";

type Shown = { id: string } | { name: string } | null;

export function Patients({
  clinic,
  practice,
  onVisit,
}: {
  clinic: Clinic;
  practice: Practice | null;
  onVisit: (row: Appointment) => void;
}) {
  const [shown, setShown] = useState<Shown>(null);
  const close = (): void => setShown(null);
  useKey("/", (event) => {
    if (event.target instanceof Element && event.target.matches(TYPED)) return;
    event.preventDefault();
    document.getElementById(SEARCH)?.focus();
  });
  const open = (patient: Profile): void => {
    clinic.people.take(patient);
    setShown({ id: patient.id });
  };
  const world = useMemo(() => practice && worldOf(clinic, practice), [clinic, practice]);
  if (world === null) return <p class="empty">{t("desk.nowhere")}</p>;
  const panel = { world, place: null, onBooked: onVisit, onClose: close };
  return (
    <section class="patients" aria-label={t("patients.title")}>
      <div class="toolbar">
        <h1>{t("patients.title")}</h1>
        <PatientSearch
          hub={clinic.hub}
          id={SEARCH}
          autoFocus
          onPatient={open}
          onNew={(name) => setShown({ name })}
        />
      </div>
      {shown === null && <ByName clinic={clinic} onPatient={open} />}
      {shown !== null && (
        <section class="card record-card" aria-label={t("record.title")}>
          {"id" in shown ? (
            <Record key={shown.id} {...panel} patientId={shown.id} onVisit={onVisit} />
          ) : (
            <Newcomer {...panel} name={shown.name} onKnown={(id) => setShown({ id })} />
          )}
        </section>
      )}
    </section>
  );
}

/** The first patients, for a look around; the others are searched for. */
function ByName({ clinic, onPatient }: { clinic: Clinic; onPatient: (patient: Profile) => void }) {
  const page = useLoaded(() => clinic.hub.rest.patients(""), [clinic.hub]);
  if (page === null) return <p class="muted">{t("loading")}</p>;
  return (
    <section class="card">
      <h2>{t("patients.list")}</h2>
      <ul class="visits">
        {page.data.map((each) => (
          <li key={each.id}>
            <button type="button" class="visit-line" onClick={() => onPatient(each)}>
              <span>{each.name}</span>
              <small class="muted">{each.phone ?? each.email ?? t("contact.none")}</small>
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}

/** The front desk's view of a practice that consists of this calendar. */
function worldOf(clinic: Clinic, practice: Practice): World {
  const { id, name, time_zone, practice_id } = clinic.me;
  return {
    ...clinic,
    practice,
    dentists: [{ id, name, time_zone, practice_id, active: true }],
    schedules: new Map([[id, clinic.schedule]]),
  };
}
