/** What today asks of the desk, read off the visits. Pure. */

import type { Appointment } from "../sdk/index";
import { minutesBetween } from "../shared/instants";

/** So late, a patient is worth a call. */
const LATE_MINUTES = 5;

const PRESENT: ReadonlySet<Appointment["status"]> = new Set(["arrived", "checked_in"]);
const OCCUPYING: ReadonlySet<Appointment["status"]> = new Set(["held", "confirmed", "arrived"]);

/** Patients who are here, the longest in their present state first. */
export const present = (rows: readonly Appointment[]): Appointment[] =>
  rows
    .filter((row) => PRESENT.has(row.status))
    .sort((a, b) => since(a).localeCompare(since(b)) || a.id.localeCompare(b.id));

/** When the visit was changed last: of a patient who is here, when they came to this state. */
export const since = (row: Appointment): string => row.updated_at;

/** Whole minutes, never below zero: clocks differ. */
export const minutesSince = (instant: string, now: string): number =>
  Math.max(Math.floor(minutesBetween(instant, now)), 0);

/** Patients who should be here and are not. */
export const late = (rows: readonly Appointment[], now: string): Appointment[] =>
  rows.filter(
    (row) =>
      row.status === "confirmed" && row.end > now && minutesBetween(row.start, now) >= LATE_MINUTES,
  );

/** Cancelled visits to come whose time nobody else has taken, one for each place. */
export function refill(rows: readonly Appointment[], now: string): Appointment[] {
  const taken = rows.filter((row) => OCCUPYING.has(row.status));
  const free = rows.filter(
    (row) =>
      row.status === "cancelled" &&
      row.start > now &&
      !taken.some(
        (other) =>
          other.dentist_id === row.dentist_id && other.start < row.end && row.start < other.end,
      ),
  );
  return [...new Map(free.map((row) => [`${row.dentist_id} ${row.start}`, row])).values()];
}

/** Visits to come whose patients were asked whether they will come, and have not answered. */
export const unconfirmed = (
  rows: readonly Appointment[],
  asked: ReadonlySet<string>,
  now: string,
): Appointment[] =>
  rows.filter(
    (row) =>
      row.status === "confirmed" &&
      row.start > now &&
      asked.has(row.id) &&
      !row.patient_confirmed_at,
  );
