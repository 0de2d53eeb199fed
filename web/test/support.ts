import type { AppointmentType, HubEvent, Slot, TimeBlock } from "../sdk/index";

export const CHANNEL = "availability:dentist:d";

/** An event with this offset; `epoch` is 1 by default. */
export const event = (offset: number, epoch = 1): HubEvent => ({
  id: `e${offset}`,
  type: "slots.changed",
  channel: CHANNEL,
  offset,
  epoch,
  time: "2027-03-08T09:00:00Z",
  data: {},
});

export const type = (before = 0, after = 0, minutes = 30): AppointmentType => ({
  id: "t",
  name: "Check-up",
  duration_minutes: minutes,
  buffer_before_minutes: before,
  buffer_after_minutes: after,
  description: null,
  order: 0,
  color: null,
  bookable_by: ["patient", "staff"],
  active: true,
  practice_id: null,
  reminder_hours: null,
  version: 1,
});

export const at = (clock: string): string => `2027-03-08T${clock}:00Z`;

export const slot = (start: string, end: string, dentist = "d"): Slot => ({
  dentist_id: dentist,
  appointment_type_id: "t",
  start: at(start),
  end: at(end),
});

export const block = (start: string, end: string, before = 0, after = 0): TimeBlock => ({
  start: at(start),
  end: at(end),
  buffer_before_minutes: before,
  buffer_after_minutes: after,
});
