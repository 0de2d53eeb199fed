import { useState } from "preact/hooks";
import type { Consent } from "../sdk/index";
import { useCommand } from "../shared/hooks";
import { t } from "../shared/i18n";
import { useLoaded } from "../shared/loaded";
import { fullDay, VIEWER_ZONE } from "../shared/zones";
import type { World } from "./world";

/** The chatbots that may act for the patient, each with a button that ends it. */
export function Consents({ world }: { world: World }) {
  const [round, setRound] = useState(0);
  const found = useLoaded(() => world.hub.rest.consents(), [world, round]);
  const { busy, problem, run } = useCommand();
  if (!found) return null;
  const now = world.hub.rest.now();
  const active = found.data.filter((each) => !each.ended_at && Date.parse(each.expires_at) > now);
  if (active.length === 0 && !found.assumed) return null;
  const end = (consent: Consent): void =>
    void run(() => world.hub.rest.endConsent(consent.id)).then(() => setRound(round + 1));
  return (
    <section class="card stack" aria-labelledby="consents">
      <h2 id="consents">{t("consents.title")}</h2>
      {found.assumed && <p class="muted">{t("consents.assumed")}</p>}
      {active.map((each) => (
        <div key={each.id} class="actions" data-party={each.party}>
          <span>
            {t("consents.entry", {
              name: each.party.replace(/^chatbot:/, ""),
              day: fullDay(each.expires_at, VIEWER_ZONE),
            })}
          </span>
          <button type="button" class="secondary danger" disabled={busy} onClick={() => end(each)}>
            {t("consents.end")}
          </button>
        </div>
      ))}
      {problem && (
        <p class="problem" role="alert">
          {problem}
        </p>
      )}
    </section>
  );
}
