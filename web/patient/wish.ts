/** What is looked for: the address's wishes, and the usual ones for what it leaves out. */

import type { Appointment, AppointmentType, Interval } from "../sdk/index";
import {
  earlier,
  later,
  now,
  plusDays,
  plusMonths,
  startOfDay,
  today,
  VIEWER_ZONE,
} from "../shared/zones";
import type { Search, TimeOfDay } from "./route";
import { dentistOf, typeOf, type World } from "./world";

/** So many days are shown at once. */
export const DAYS = 7;
/** Further ahead than practices let patients book. */
const MONTHS_MAX = 24;

export interface Wish {
  type: AppointmentType;
  /** `""`: any. */
  dentist: string;
  time: TimeOfDay;
  /** The first of the days shown. */
  from: string;
  /** The day whose times are shown, if it was chosen. */
  day: string | null;
}

/** `null`: nothing can be booked here at all. */
export function wishOf(world: World, search: Search, moving: Appointment | null): Wish | null {
  const type = typeOf(world, moving?.appointment_type_id ?? search.type ?? "") ?? world.types[0];
  if (!type || world.dentists.length === 0) return null;
  const dentist = search.dentist ?? moving?.dentist_id ?? "";
  const here = today(VIEWER_ZONE);
  const from = later(search.from ?? here, here);
  const last = plusMonths(here, MONTHS_MAX);
  return {
    type,
    dentist: dentistOf(world, dentist) ? dentist : "",
    time: search.time ?? "any",
    from: earlier(from, last),
    day: search.day ?? null,
  };
}

/** From now, or the first midnight of any of the zones, to the last of them. */
export function rangeOf(wish: Wish, zones: readonly string[]): Interval {
  const every = [...zones, VIEWER_ZONE];
  const start = every.map((zone) => startOfDay(wish.from, zone)).sort()[0] as string;
  const end = every
    .map((zone) => startOfDay(plusDays(wish.from, DAYS), zone))
    .sort()
    .at(-1) as string;
  return { start: later(start, now()), end };
}
