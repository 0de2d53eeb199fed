/** A new patient, entered while booking: once, and not if the practice knows them already. */

import { useEffect, useRef, useState } from "preact/hooks";
import { type Appointment, codeOf, HubError, type KnownPatient, type Profile } from "../sdk/index";
import { Field } from "../shared/field";
import { t } from "../shared/i18n";
import { Icon } from "../shared/icons";
import { dateWords } from "../shared/zones";
import { BOOKING, Booking } from "./booking";
import type { Place, World } from "./world";

const TYPED_MS = 250;
const FIELDS = ["name", "phone", "date_of_birth", "email"] as const;
const TYPES = { name: "text", phone: "tel", email: "email", date_of_birth: "date" } as const;
const DIGITS = 6;
type Fields = Record<(typeof FIELDS)[number], string>;

export function Newcomer({
  world,
  name,
  place,
  onKnown,
  onBooked,
  onClose,
}: {
  world: World;
  name: string;
  place: Place | null;
  onKnown: (patientId: string) => void;
  onBooked: (row: Appointment) => void;
  onClose: () => void;
}) {
  const [fields, setFields] = useState<Fields>({ name, phone: "", date_of_birth: "", email: "" });
  const [anyway, setAnyway] = useState(false);
  const [refused, setRefused] = useState<readonly KnownPatient[]>([]);
  const looked = useLookalikes(world, fields);
  const made = useRef<Profile | null>(null); // whatever happens to the booking
  // who was just created is found, too
  const suspects = anyway || made.current ? [] : refused.length > 0 ? refused : looked;
  const create = async (): Promise<Profile> => {
    made.current ??= await world.hub.rest
      .createPatient({
        name: fields.name.trim(),
        ...(fields.phone.trim() && { phone: fields.phone.trim() }),
        ...(fields.email.trim() && { email: fields.email.trim() }),
        ...(fields.date_of_birth && { date_of_birth: fields.date_of_birth }),
        ...(anyway && { allow_duplicate: true }),
      })
      .catch((error: unknown) => {
        if (error instanceof HubError && codeOf(error) === "DUPLICATE_PATIENT")
          setRefused(error.candidates);
        throw error;
      });
    return made.current;
  };
  return (
    <div class="stack">
      <header class="panel-head">
        <h2 tabIndex={-1}>{t("new.create")}</h2>
        <button type="button" class="icon" aria-label={t("close")} onClick={onClose}>
          <Icon name="close" />
        </button>
      </header>
      <fieldset class="plain stack newcomer" disabled={made.current !== null}>
        {FIELDS.map((field) => (
          <Field
            key={field}
            id={`new-${field}`}
            label={t(`profile.${field}`)}
            type={TYPES[field]}
            required={field === "name"}
            autoFocus={field === (name ? "phone" : "name")}
            autocomplete="off"
            form={BOOKING}
            value={fields[field]}
            onInput={(value) => {
              setFields({ ...fields, [field]: value });
              setRefused([]);
              setAnyway(false);
            }}
          />
        ))}
      </fieldset>
      {suspects.length > 0 && (
        <section class="stack boxed" aria-label={t("new.known")}>
          <p role="alert">{t("new.known")}</p>
          {suspects.map((each) => (
            <button key={each.id} type="button" class="visit-line" onClick={() => onKnown(each.id)}>
              <span>{each.name}</span>
              {each.date_of_birth && (
                <small class="muted">
                  {dateWords(each.date_of_birth, { dateStyle: "medium" })}
                </small>
              )}
            </button>
          ))}
          <button type="button" class="link" onClick={() => setAnyway(true)}>
            {t("new.anyway")}
          </button>
        </section>
      )}
      <Booking
        world={world}
        who={create}
        name={fields.name.trim()}
        place={place}
        disabled={fields.name.trim() === "" || suspects.length > 0}
        onBooked={onBooked}
      />
    </div>
  );
}

/** Patients with the same telephone number, or the same name and date of birth. */
function useLookalikes(world: World, { name, phone, date_of_birth }: Fields) {
  const [found, setFound] = useState<readonly KnownPatient[]>([]);
  const digits = phone.replace(/\D/g, "");
  useEffect(() => {
    const queries = [
      ...(digits.length >= DIGITS ? [phone.trim()] : []),
      ...(date_of_birth && name.trim() ? [`${name.trim()} ${date_of_birth}`] : []),
    ];
    const aborted = new AbortController();
    const timer = setTimeout(() => {
      void Promise.all(queries.map((q) => world.hub.rest.patients(q, aborted.signal))).then(
        (pages) => {
          const all = pages.flatMap((page) => page.data);
          setFound([...new Map(all.map((each) => [each.id, each])).values()].slice(0, 4));
        },
        () => {},
      );
    }, TYPED_MS);
    return () => {
      clearTimeout(timer);
      aborted.abort();
    };
  }, [world.hub, name, digits, date_of_birth]);
  return found;
}
