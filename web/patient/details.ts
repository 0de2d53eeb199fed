/** What the practice needs to know of a patient before the first visit. Pure. */

import type { Profile, ProfileFields } from "../sdk/index";

/** The hub's name for a patient who signed in without one. */
const UNNAMED = "Unnamed patient";

/** What is typed while a time is kept; it outlives the end of a hold. */
export interface Details {
  notes: string;
  name: string;
  phone: string;
  email: string;
  date_of_birth: string;
}

export const NO_DETAILS: Details = {
  notes: "",
  name: "",
  phone: "",
  email: "",
  date_of_birth: "",
};

export interface Missing {
  name: boolean;
  /** Neither a telephone number nor an e-mail address is known. */
  contact: boolean;
  date_of_birth: boolean;
}

export const knownName = (me: Profile): string => (me.name === UNNAMED ? "" : me.name);

/** `isNew`: the practice has not seen the patient before. */
export function missingOf(me: Profile, isNew: boolean): Missing {
  return {
    name: knownName(me) === "",
    contact: !me.phone && !me.email,
    date_of_birth: isNew && !me.date_of_birth,
  };
}

export const isComplete = (missing: Missing): boolean =>
  !missing.name && !missing.contact && !missing.date_of_birth;

/** The fields to save; `null`: a way to reach the patient is still missing. */
export function toSave(missing: Missing, typed: Details): ProfileFields | null {
  const [name, phone, email] = [typed.name.trim(), typed.phone.trim(), typed.email.trim()];
  if (missing.contact && phone === "" && email === "") return null;
  return {
    ...(missing.name && { name }),
    ...(missing.contact && phone !== "" && { phone }),
    ...(missing.contact && email !== "" && { email }),
    ...(missing.date_of_birth && typed.date_of_birth && { date_of_birth: typed.date_of_birth }),
  };
}
