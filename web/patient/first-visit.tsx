import { Field } from "../shared/field";
import { t } from "../shared/i18n";
import { today, VIEWER_ZONE } from "../shared/zones";
import { type Details, isComplete, type Missing } from "./details";

/** What the practice does not know yet of the patient: fields of the first visit. */
export function FirstVisit({
  missing,
  typed,
  setTyped,
}: {
  missing: Missing;
  typed: Details;
  setTyped: (typed: Details) => void;
}) {
  if (isComplete(missing)) return null;
  return (
    <fieldset class="stack details">
      <legend>{t("details.title")}</legend>
      {missing.name && (
        <Field
          id="your-name"
          label={t("profile.name")}
          type="text"
          autocomplete="name"
          required
          maxLength={200}
          value={typed.name}
          onInput={(name) => setTyped({ ...typed, name })}
        />
      )}
      {missing.contact && (
        <>
          <Field
            id="your-phone"
            label={t("profile.phone")}
            type="tel"
            autocomplete="tel"
            maxLength={40}
            value={typed.phone}
            onInput={(phone) => setTyped({ ...typed, phone })}
          />
          <Field
            id="your-email"
            label={t("profile.email")}
            type="email"
            autocomplete="email"
            maxLength={254}
            value={typed.email}
            onInput={(email) => setTyped({ ...typed, email })}
          />
          <p class="hint">{t("details.contact")}</p>
        </>
      )}
      {missing.date_of_birth && (
        <Field
          id="your-birth"
          label={t("details.born")}
          type="date"
          autocomplete="bday"
          max={today(VIEWER_ZONE)}
          value={typed.date_of_birth}
          onInput={(date_of_birth) => setTyped({ ...typed, date_of_birth })}
        />
      )}
    </fieldset>
  );
}
