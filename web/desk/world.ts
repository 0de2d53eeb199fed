import type { Place, Visits } from "../dentist/clinic";
import type { Practice, Profile, PublicCard } from "../sdk/index";
import type { Facts } from "./office";

export type { Place };

/** What the parts of the desk share; the zone is the practice's. */
export interface World extends Visits, Facts {
  me: Profile;
  practice: Practice;
  dentists: readonly PublicCard[];
}

export const nameOf = (world: World, dentistId: string): string =>
  world.dentists.find((each) => each.id === dentistId)?.name ?? "";
