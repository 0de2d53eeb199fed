/** A move that waits for a yes: what it would be, and what speaks against it. */

import { useEffect, useRef } from "preact/hooks";
import type { Appointment } from "../sdk/index";
import { useCommand } from "../shared/hooks";
import { t } from "../shared/i18n";
import { Icon } from "../shared/icons";
import { offerUndo } from "../shared/undo";
import { clock, day, minutesBetween, plusMinutes } from "../shared/zones";
import type { Place, Visits } from "./clinic";
import type { Doubt } from "./open";

export interface Proposal {
  row: Appointment;
  place: Place;
}

export function ProposalBar({
  clinic,
  dentist,
  proposal,
  against,
  onClose,
}: {
  clinic: Visits;
  /** The name of the one at whose calendar the visit would be. */
  dentist: string;
  proposal: Proposal;
  against: readonly Doubt[];
  onClose: () => void;
}) {
  const { row, place } = proposal;
  const { busy, problem, run } = useCommand();
  const yes = useRef<HTMLButtonElement>(null);
  useEffect(() => yes.current?.focus(), [place.start, place.dentistId]);
  const overbook = against.includes("taken");
  const accept = (): void =>
    void run(async () => {
      await move(clinic, row, place, overbook);
      onClose();
      const name = clinic.people.name(row.patient_id, row.patient.name);
      const back = { dentistId: row.dentist_id, start: row.start };
      offerUndo(t("undo.moved", { name, time: clock(place.start, clinic.zone) }), () =>
        move(clinic, { ...row, ...changeOf(row, place) }, back, row.overbooked),
      );
    });
  return (
    <div class="proposal card" role="group" aria-label={t("move.propose")}>
      <p role="status">
        {t("move.question", {
          name: clinic.people.name(row.patient_id, row.patient.name),
          day: day(place.start, clinic.zone),
          time: clock(place.start, clinic.zone),
          dentist,
        })}
      </p>
      {against.length > 0 && (
        <ul class="doubts">
          {against.map((each) => (
            <li key={each}>
              <Icon name="warn" /> {t(`doubt.${each}`)}
            </li>
          ))}
        </ul>
      )}
      {problem && (
        <p class="problem" role="alert">
          {problem}
        </p>
      )}
      <div class="actions">
        <button type="button" class="secondary" onClick={onClose}>
          {t("undo")}
        </button>
        <button ref={yes} type="button" class="primary" disabled={busy} onClick={accept}>
          {t(overbook ? "overbook.yes" : "move")}
        </button>
      </div>
    </div>
  );
}

/** Only what differs: a dentist at the own calendar may not name one. */
const changeOf = (row: Appointment, { start, dentistId }: Place) => ({
  start,
  ...(dentistId !== row.dentist_id && { dentist_id: dentistId }),
});

function move(
  { list }: Visits,
  row: Appointment,
  place: Place,
  overbook: boolean,
): Promise<Appointment> {
  const end = plusMinutes(place.start, minutesBetween(row.start, row.end));
  return list.change(row.id, { ...changeOf(row, place), ...(overbook && { overbook }) }, { end });
}
