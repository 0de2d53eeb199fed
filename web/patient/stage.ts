/** From a free time to a visit: where a booking stands. */

import type { Appointment, Reservation, Slot } from "../sdk/index";

export type Time = Pick<Slot, "start" | "end" | "dentist_id" | "appointment_type_id">;
type Hold = Pick<Reservation, "id" | "expires_at"> | Appointment;

export type Stage =
  | { is: "asking"; slot: Time }
  | { is: "held"; slot: Time; hold: Hold }
  | { is: "expired"; slot: Time }
  | { is: "faster"; slot: Time }
  | { is: "moving"; slot: Time }
  | { is: "booked"; slot: Time; row: Appointment };
