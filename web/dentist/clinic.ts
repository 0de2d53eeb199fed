import type {
  AppointmentList,
  AppointmentType,
  Availability,
  Closure,
  Hub,
  Profile,
} from "../sdk/index";
import type { People } from "./people";

/** What is needed to show a visit and to change it. */
export interface Visits {
  hub: Hub;
  zone: string;
  types: readonly AppointmentType[];
  list: AppointmentList;
  people: People;
}

/** A place in a calendar. */
export interface Place {
  dentistId: string;
  /** An instant. */
  start: string;
}

/** What the dentist's screens share: the connection, and the data that stays current. */
export interface Clinic extends Visits {
  me: Profile;
  schedule: Availability;
  closures: readonly Closure[];
}
