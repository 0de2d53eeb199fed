import type { AppointmentList, AppointmentType, Hub, Profile, PublicCard } from "../sdk/index";

/** What the patient's screens share: the connection, and the data that stays current. */
export interface World {
  hub: Hub;
  me: Profile;
  types: readonly AppointmentType[];
  dentists: readonly PublicCard[];
  list: AppointmentList;
}
