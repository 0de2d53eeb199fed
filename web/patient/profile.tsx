import { useState } from "preact/hooks";
import type { Profile, ProfileFields } from "../sdk/index";
import { Field } from "../shared/field";
import { useCommand } from "../shared/hooks";
import { t } from "../shared/i18n";
import { knownName } from "./details";
import type { World } from "./world";

const FIELDS = ["name", "email", "phone"] as const;
const TYPES = { name: "text", email: "email", phone: "tel" } as const;
type Draft = Record<(typeof FIELDS)[number], string>;

export function ProfileForm({ world, me }: { world: World; me: Profile }) {
  /** What was typed and is not saved; it stays when the profile changes elsewhere. */
  const [typed, setTyped] = useState<Partial<Draft>>({});
  const draft: Draft = { ...draftOf(me), ...typed };
  const [saved, setSaved] = useState(false);
  const { busy, problem, run } = useCommand();
  const changes = Object.fromEntries(
    FIELDS.filter((field) => draft[field].trim() !== draftOf(me)[field]).map((field) => [
      field,
      draft[field].trim() || null,
    ]),
  );
  const save = (): void => {
    setSaved(false);
    void run(() => world.hub.rest.updateMe(changes as ProfileFields, me.version)).then((done) => {
      if (done) setTyped({});
      setSaved(done);
    });
  };
  return (
    <>
      <h1>{t("profile.title")}</h1>
      <form
        class="card stack"
        onSubmit={(event) => {
          event.preventDefault();
          save();
        }}
      >
        <p class="muted">{t("profile.live")}</p>
        {FIELDS.map((field) => (
          <Field
            key={field}
            id={field}
            label={t(`profile.${field}`)}
            type={TYPES[field]}
            autocomplete={field === "phone" ? "tel" : field}
            required={field === "name"}
            maxLength={field === "phone" ? 40 : 200}
            value={draft[field]}
            onInput={(value) => setTyped((now) => ({ ...now, [field]: value }))}
          />
        ))}
        {problem && (
          <p class="problem" role="alert">
            {problem}
          </p>
        )}
        <div class="actions">
          <span role="status" class="muted">
            {saved && Object.keys(changes).length === 0 ? t("saved") : ""}
          </span>
          <button
            type="submit"
            class="primary"
            disabled={busy || Object.keys(changes).length === 0}
          >
            {t("save")}
          </button>
        </div>
      </form>
    </>
  );
}

const draftOf = (me: Profile): Draft => ({
  name: knownName(me),
  email: me.email ?? "",
  phone: me.phone ?? "",
});
