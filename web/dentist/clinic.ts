import type { AppointmentList, AppointmentType, Availability, Hub, Profile } from "../sdk/index";
import type { People } from "./people";

/** What the dentist's screens share: the connection, and the data that stays current. */
export interface Clinic {
  hub: Hub;
  me: Profile;
  zone: string;
  types: readonly AppointmentType[];
  list: AppointmentList;
  people: People;
  schedule: Availability;
}
