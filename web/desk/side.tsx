/** What is open beside the calendar: a visit, a patient, a new patient, or a free place. */

import { Panel } from "../dentist/panel";
import type { Appointment } from "../sdk/index";
import { useValue } from "../shared/hooks";
import { t } from "../shared/i18n";
import { Icon } from "../shared/icons";
import { clock, day } from "../shared/zones";
import { Newcomer } from "./newcomer";
import { Record } from "./record";
import { PatientSearch } from "./search";
import { Today } from "./today";
import { nameOf, type Place, type World } from "./world";

export type Side =
  | { kind: "visit"; id: string }
  | { kind: "patient"; id: string; place: Place | null }
  | { kind: "new"; name: string; place: Place | null }
  | { kind: "gap"; place: Place }
  | { kind: "today" };

export const TITLES = {
  visit: "panel.title",
  patient: "record.title",
  new: "new.create",
  gap: "new",
  today: "today.title",
} as const;

export function SidePanel({
  world,
  side,
  onSide,
  onMove,
  onVisit,
  onBooked,
  onClose,
}: {
  world: World;
  side: Side;
  onSide: (side: Side) => void;
  onMove: (row: Appointment, start: string, dentistId: string) => void;
  onVisit: (row: Appointment) => void;
  onBooked: (row: Appointment) => void;
  onClose: () => void;
}) {
  const rows = useValue(world.list.rows);
  const patient = (id: string, place: Place | null): void => onSide({ kind: "patient", id, place });
  if (side.kind === "visit") {
    const row = rows.find((each) => each.id === side.id);
    if (row === undefined) return <p class="muted">{t("loading")}</p>;
    return (
      <Panel
        key={row.id}
        clinic={world}
        row={row}
        dentists={world.dentists}
        onMove={onMove}
        onClose={onClose}
      >
        <button type="button" class="link" onClick={() => patient(row.patient_id, null)}>
          {t("record.open")}
        </button>
      </Panel>
    );
  }
  if (side.kind === "today")
    return (
      <Today
        world={world}
        onVisit={onVisit}
        onPlace={(place) => onSide({ kind: "gap", place })}
        onClose={onClose}
      />
    );
  if (side.kind === "patient")
    return (
      <Record
        key={side.id}
        world={world}
        patientId={side.id}
        place={side.place}
        onVisit={onVisit}
        onBooked={onBooked}
        onClose={onClose}
      />
    );
  if (side.kind === "new")
    return (
      <Newcomer
        key={side.name}
        world={world}
        name={side.name}
        place={side.place}
        onKnown={(id) => patient(id, side.place)}
        onBooked={onBooked}
        onClose={onClose}
      />
    );
  const { place } = side;
  return (
    <div class="stack">
      <header class="panel-head">
        <h2>{t("new")}</h2>
        <button type="button" class="icon" aria-label={t("close")} onClick={onClose}>
          <Icon name="close" />
        </button>
      </header>
      <p class="panel-time">
        <strong>
          {day(place.start, world.zone)}, {clock(place.start, world.zone)}
        </strong>
        <br />
        {nameOf(world, place.dentistId)}
      </p>
      <PatientSearch
        hub={world.hub}
        id="gap-search"
        autoFocus
        onPatient={({ id }) => patient(id, place)}
        onNew={(name) => onSide({ kind: "new", name, place })}
      />
    </div>
  );
}
