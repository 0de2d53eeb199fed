/** Booking for a patient: found by name, telephone or e-mail, or new to the clinic. */

import { useEffect, useRef, useState } from "preact/hooks";
import { codeOf, type HubError, type KnownPatient, type Profile } from "../sdk/index";
import { Dialog } from "../shared/dialog";
import { Field } from "../shared/field";
import { useCommand } from "../shared/hooks";
import { t } from "../shared/i18n";
import { instantOf, zoneName } from "../shared/zones";
import type { Clinic } from "./clinic";

const TYPED_MS = 200;
const TYPES = { name: "text", phone: "tel", email: "email" } as const;
const EMPTY = { name: "", phone: "", email: "" };

type Chosen = Pick<Profile, "id" | "name">;

export function NewBooking({
  clinic,
  start,
  onClose,
}: {
  clinic: Clinic;
  start: string;
  onClose: () => void;
}) {
  const [when, setWhen] = useState(start);
  const types = clinic.types.filter((each) => each.active && each.bookable_by.includes("staff"));
  const [type, setType] = useState(types[0]?.id ?? "");
  const [patient, setPatient] = useState<Chosen | null>(null);
  const [fresh, setFresh] = useState<typeof EMPTY | null>(null);
  const [notes, setNotes] = useState("");
  const [taken, setTaken] = useState(false);
  const [known, setKnown] = useState<KnownPatient[] | null>(null);
  const made = useRef<Profile | null>(null); // not once more when the booking is repeated
  const enter = (next: typeof EMPTY | null): void => {
    setFresh(next);
    setKnown(null);
    setPatient(null);
    made.current = null;
  };
  const { busy, problem, run } = useCommand();
  const book = (overbook: boolean, anyway = false): void => {
    const work = async (): Promise<void> => {
      if (patient === null && made.current === null) {
        made.current = await create(clinic, fresh ?? EMPTY, anyway).catch((error: unknown) => {
          if (codeOf(error) === "DUPLICATE_PATIENT") setKnown((error as HubError).candidates);
          throw error;
        });
        setKnown(null);
      }
      const patient_id = patient?.id ?? made.current?.id ?? "";
      const row = await clinic.hub.rest.book({
        dentist_id: clinic.me.id,
        appointment_type_id: type,
        start: instantOf(when, clinic.zone),
        patient_id,
        ...(notes.trim() && { notes: notes.trim() }),
        ...(overbook && { overbook }),
      });
      clinic.list.take(row);
      onClose();
    };
    void run(work, (code) => {
      setTaken(code === "SLOT_TAKEN");
      return code === "SLOT_TAKEN" || code === "DUPLICATE_PATIENT";
    });
  };
  return (
    <Dialog title={t("new")} onClose={onClose}>
      <form
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          book(false);
        }}
      >
        <div class="pair">
          <div>
            <label for="new-start">{t("new.start", { zone: zoneName(clinic.zone) })}</label>
            <input
              id="new-start"
              type="datetime-local"
              required
              step={300}
              value={when}
              onInput={(event) => {
                setWhen(event.currentTarget.value);
                setTaken(false);
              }}
            />
          </div>
          <div>
            <label for="new-type">{t("find.type")}</label>
            <select
              id="new-type"
              value={type}
              onChange={(event) => {
                setType(event.currentTarget.value);
                setTaken(false);
              }}
            >
              {types.map((each) => (
                <option key={each.id} value={each.id}>
                  {each.name} ({t("minutes", { n: each.duration_minutes })})
                </option>
              ))}
            </select>
          </div>
        </div>
        {fresh === null ? (
          <Search
            clinic={clinic}
            chosen={patient}
            onChoose={setPatient}
            onNew={(name) => enter({ ...EMPTY, name })}
          />
        ) : (
          <Fresh fresh={fresh} onChange={enter} onBack={() => enter(null)} />
        )}
        {known && <Known known={known} chosen={patient} onChoose={setPatient} />}
        <div>
          <label for="new-notes">{t("hold.notes")}</label>
          <textarea
            id="new-notes"
            rows={2}
            maxLength={1000}
            value={notes}
            onInput={(event) => setNotes(event.currentTarget.value)}
          />
        </div>
        {problem && (
          <p class="problem" role="alert">
            {problem}
          </p>
        )}
        {taken && (
          <p class="problem" role="alert">
            {t("overbook.taken")}
          </p>
        )}
        <div class="actions">
          <button type="button" class="secondary" onClick={onClose}>
            {t("back")}
          </button>
          {known && patient === null && (
            <button
              type="button"
              class="secondary danger"
              disabled={busy}
              onClick={() => book(false, true)}
            >
              {t("new.anyway")}
            </button>
          )}
          {taken && (
            <button
              type="button"
              class="secondary danger"
              disabled={busy}
              onClick={() => book(true)}
            >
              {t("overbook.yes")}
            </button>
          )}
          <button
            type="submit"
            class="primary"
            disabled={busy || (patient === null && (fresh === null || known !== null))}
          >
            {t("new.book")}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

const create = (clinic: Clinic, { name, phone, email }: typeof EMPTY, anyway: boolean) =>
  clinic.hub.rest.createPatient({
    name: name.trim(),
    ...(phone.trim() && { phone: phone.trim() }),
    ...(email.trim() && { email: email.trim() }),
    ...(anyway && { allow_duplicate: true }),
  });

/** Patients of the practice whom the new one may be. */
function Known({
  known,
  chosen,
  onChoose,
}: {
  known: KnownPatient[];
  chosen: Chosen | null;
  onChoose: (patient: Chosen) => void;
}) {
  return (
    <fieldset class="plain stack">
      <legend>
        <span role="alert">{t("new.known")}</span>
      </legend>
      <ul class="found">
        {known.map((each) => (
          <li key={each.id}>
            <label class="chip">
              <input
                type="radio"
                name="known"
                checked={chosen?.id === each.id}
                onChange={() => onChoose(each)}
              />
              <span>
                {each.name} <small class="muted">{each.date_of_birth ?? ""}</small>
              </span>
            </label>
          </li>
        ))}
      </ul>
    </fieldset>
  );
}

function Search({
  clinic,
  chosen,
  onChoose,
  onNew,
}: {
  clinic: Clinic;
  chosen: Chosen | null;
  onChoose: (patient: Chosen | null) => void;
  onNew: (name: string) => void;
}) {
  const [q, setQ] = useState("");
  const [found, setFound] = useState<Profile[] | null>(null);
  useEffect(() => {
    const aborted = new AbortController();
    const timer = setTimeout(() => {
      clinic.hub.rest.patients(q.trim(), aborted.signal).then(
        ({ data }) => setFound(data),
        () => {},
      );
    }, TYPED_MS);
    return () => {
      clearTimeout(timer);
      aborted.abort();
    };
  }, [q, clinic]);
  return (
    <fieldset class="plain stack">
      <legend>{t("new.patient")}</legend>
      <label class="visually-hidden" for="patient-q">
        {t("new.search")}
      </label>
      <input
        id="patient-q"
        type="search"
        autocomplete="off"
        placeholder={t("new.search")}
        value={q}
        onInput={(event) => {
          setQ(event.currentTarget.value);
          onChoose(null);
        }}
      />
      <ul class="found">
        {found?.slice(0, 6).map((each) => (
          <li key={each.id}>
            <label class="chip">
              <input
                type="radio"
                name="patient"
                checked={chosen?.id === each.id}
                onChange={() => onChoose(each)}
              />
              <span>
                {each.name} <small class="muted">{each.phone ?? each.email ?? ""}</small>
              </span>
            </label>
          </li>
        ))}
        {found?.length === 0 && <li class="muted">{t("new.nobody")}</li>}
      </ul>
      <button type="button" class="link" onClick={() => onNew(q.trim())}>
        {t("new.create")}
      </button>
    </fieldset>
  );
}

function Fresh({
  fresh,
  onChange,
  onBack,
}: {
  fresh: typeof EMPTY;
  onChange: (fresh: typeof EMPTY) => void;
  onBack: () => void;
}) {
  return (
    <fieldset class="plain stack">
      <legend>{t("new.create")}</legend>
      {(["name", "phone", "email"] as const).map((field) => (
        <Field
          key={field}
          id={`fresh-${field}`}
          label={t(`profile.${field}`)}
          type={TYPES[field]}
          required={field === "name"}
          autocomplete="off"
          value={fresh[field]}
          onInput={(value) => onChange({ ...fresh, [field]: value })}
        />
      ))}
      <button type="button" class="link" onClick={onBack}>
        {t("new.back")}
      </button>
    </fieldset>
  );
}
