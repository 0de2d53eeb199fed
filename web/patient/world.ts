import type {
  Appointment,
  AppointmentList,
  AppointmentType,
  Hub,
  Profile,
  PublicCard,
} from "../sdk/index";
import { zoneOf } from "../shared/zones";

/** What the patient's screens share: the connection, and the data that stays current. */
export interface World {
  hub: Hub;
  me: Profile;
  types: readonly AppointmentType[];
  dentists: readonly PublicCard[];
  list: AppointmentList;
}

export const dentistOf = (world: World, id: string): PublicCard | undefined =>
  world.dentists.find((each) => each.id === id);
export const typeOf = (world: World, id: string): AppointmentType | undefined =>
  world.types.find((each) => each.id === id);
/** The zone of the practice where a visit takes place. */
export const zoneOfVisit = (world: World, row: Pick<Appointment, "dentist_id">): string =>
  zoneOf(dentistOf(world, row.dentist_id));
/** A visit that still takes place. */
export const isAhead = (row: Appointment, nowMs: number): boolean =>
  ["confirmed", "arrived", "checked_in"].includes(row.status) && Date.parse(row.end) > nowMs;
