/** The hub's resources and events, named; the forms come from its OpenAPI document. */

import type { components } from "./openapi.js";

type Schemas = components["schemas"];

export type Status = NonNullable<Schemas["Appointment"]["status"]>;
export type CancelReason = NonNullable<Schemas["Appointment"]["cancel_reason"]>;

export interface Person {
  id: string;
  name: string | null;
}

/** `expires_at` only while it is, or if it ended as, a reservation. */
export type Appointment = Omit<
  Schemas["Appointment"],
  "expires_at" | "cancel_reason" | "notes" | "patient_confirmed_at"
> & {
  expires_at?: string | null;
  cancel_reason?: CancelReason | null;
  patient_confirmed_at?: string | null;
  notes?: string | null;
};
export type Reservation = Schemas["Reservation"];
export type AppointmentType = Schemas["AppointmentType"];
export type Profile = Schemas["Profile"];
export type LookupResult = Schemas["LookupResult"];
/** What a person may enter of their profile; a patient enters `date_of_birth` once. */
export type ProfileFields = Partial<
  Pick<Profile, "name" | "email" | "phone" | "time_zone" | "date_of_birth" | "language">
> & { consent?: { email?: boolean; sms?: boolean } };
export type PublicCard = Schemas["PublicCard"];
export type Practice = Schemas["Practice"];
export type Closure = Schemas["Closure"];
export type Message = Schemas["Message"];
export type PracticePatient = Schemas["PracticePatient"];
export type Consent = Schemas["Consent"];
export interface Consents {
  data: readonly Consent[];
  /** Chatbots without a recorded consent may act, too. */
  assumed: boolean;
}
export type Slot = Schemas["Slot"];
export type Interval = Schemas["Interval"];
export type HistoryEntry = Schemas["HistoryEntry"];
/** What became of a message to a patient about a visit. */
export type Window = { start: string; end: string };
export type Weekday =
  | "monday"
  | "tuesday"
  | "wednesday"
  | "thursday"
  | "friday"
  | "saturday"
  | "sunday";
export type Availability = Omit<
  Schemas["Availability"],
  "slots" | "position" | "affected_appointments" | "rules" | "overrides"
> & {
  rules: ({ weekday: Weekday } & Window)[];
  overrides: { date: string; windows: Window[] }[];
  slots?: Interval[];
  position?: ChannelPosition;
  affected_appointments?: Appointment[];
};

/** A place in a channel: everything up to it is known. */
export interface Position {
  epoch: number;
  offset: number;
}

export interface ChannelPosition extends Position {
  channel: string;
}

export interface Page<T> {
  data: T[];
  pagination: { limit: number; next_cursor: string | null; total: number | null };
  position: ChannelPosition | null;
  /** Of a list over several channels. */
  positions?: ChannelPosition[];
}

export interface SlotPage {
  data: Slot[];
  pagination: Page<Slot>["pagination"];
  positions: ChannelPosition[];
}

export interface TimeBlock extends Interval {
  buffer_before_minutes: number;
  buffer_after_minutes: number;
}

/** Data of `slots.changed`: times only, never who. */
export interface SlotsChanged {
  dentist_id: string;
  taken: TimeBlock[];
  freed: TimeBlock[];
  refetch: Interval[];
}

/** Who made a change: of the hub itself, and where the person is not shown, only the role. */
export interface Author {
  role: string;
  id?: string;
  name?: string;
}

/** The envelope, the same on every wire; ephemeral events have no offset and no epoch. */
export interface HubEvent<T = unknown> {
  id: string;
  type: string;
  channel: string;
  offset: number | null;
  epoch: number | null;
  time: string;
  by?: Author;
  data: T;
}

/** The part of a join's answer, or of `hub:ready`, for one channel. */
export interface ChannelAnswer {
  recovered: boolean;
  events: HubEvent[];
  more: boolean;
  epoch: number | null;
  offset: number | null;
}

export interface ErrorBody {
  code: string;
  message: string;
  timestamp: string;
  request_id: string;
  details: { field: string; message: string }[];
  /** Of `DUPLICATE_PATIENT`: whom the new patient may be. */
  candidates?: KnownPatient[];
}

export interface KnownPatient {
  id: string;
  name: string;
  date_of_birth: string | null;
}

export interface ChatOption {
  label: string;
  /** The message that choosing it sends. */
  say: string;
}

export interface ChatReply {
  text: string;
  options: readonly ChatOption[];
  /** Sent unprompted, because of an event. */
  notice: boolean;
}

export interface ChatAnswer {
  replies: readonly ChatReply[];
  state: string;
  /** Channels whose events to forward, in addition to the patient's own. */
  watch: readonly string[];
}
