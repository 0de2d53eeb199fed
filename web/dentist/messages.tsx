/** What became of the messages to the patient: no one is said to know what did not arrive. */

import { useEffect, useState } from "preact/hooks";
import type { Message } from "../sdk/index";
import { useCommand, useValue } from "../shared/hooks";
import { t } from "../shared/i18n";
import { Icon } from "../shared/icons";
import { clock, day } from "../shared/zones";
import type { Visits } from "./clinic";
import { withMessage } from "./message-list";

/** Read when the visit is opened and changed, and kept right by the events of its messages. */
export function Messages({ clinic, id, version }: { clinic: Visits; id: string; version: number }) {
  const [messages, setMessages] = useState<readonly Message[]>([]);
  const { busy, problem, run } = useCommand();
  const last = useValue(clinic.list.message);
  useEffect(() => {
    clinic.hub.rest.messages(id).then(
      ({ data }) => setMessages((before) => data.reduceRight(withMessage, before)),
      () => {},
    );
  }, [clinic, id, version]);
  useEffect(() => {
    if (last !== null) setMessages((before) => withMessage(before, last));
  }, [last]);
  const shown = messages.filter((each) => each.appointment_id === id && each.error !== "replaced");
  const latest = shown[0];
  if (latest === undefined) return null;
  return (
    <div class="messages">
      <ul>
        {shown.slice(0, SHOWN).map((each) => (
          <li key={each.id} data-state={each.state}>
            <Icon name={each.state === "failed" ? "warn" : "mail"} /> {t(`message.${each.kind}`)}:{" "}
            {fate(each, clinic.zone)}
          </li>
        ))}
      </ul>
      {problem && (
        <p class="problem" role="alert">
          {problem}
        </p>
      )}
      {latest.state === "failed" && (
        <button
          type="button"
          class="secondary"
          disabled={busy}
          onClick={() =>
            void run(async () => {
              const again = await clinic.hub.rest.resend(latest.id);
              setMessages((before) => withMessage(before, again));
            })
          }
        >
          {t("message.resend")}
        </button>
      )}
    </div>
  );
}

const SHOWN = 3;

function fate(message: Message, zone: string): string {
  const error = message.error === null ? "" : t(`message.error.${message.error}`);
  if (message.state === "queued")
    return error ? t("message.retried", { error }) : t("message.queued");
  if (message.state !== "sent") return t(`message.${message.state}`, { error });
  const at = message.sent_at ?? message.created_at;
  return t(`message.sent.${message.channel}`, { day: day(at, zone), time: clock(at, zone) });
}
