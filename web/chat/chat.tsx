import { useEffect, useRef, useState } from "preact/hooks";
import { type Chat, type ChatLine, codeOf } from "../sdk/index";
import { useResource, useValue } from "../shared/hooks";
import { t, tCode } from "../shared/i18n";
import { useLoaded } from "../shared/loaded";
import { Head, type Signed } from "../shared/shell";

const MESSAGE_MAX_CHARS = 2_000;

export function ChatPage({ hub, session }: Signed) {
  const me = useLoaded(() => hub.rest.me(), [hub]);
  const chat = useResource(() => (me ? hub.chat(me.id) : null), [me?.id]);
  return (
    <>
      <Head session={session} name={me?.name ?? null} />
      <main class="column chat" aria-busy={chat === null}>
        <h1>{t("chat.title")}</h1>
        <p class="hint">{t("chat.about")}</p>
        {chat ? <Conversation chat={chat} /> : <p class="muted">{t("loading")}</p>}
      </main>
    </>
  );
}

function Conversation({ chat }: { chat: Chat }) {
  const lines = useValue(chat.lines);
  const waiting = useValue(chat.waiting);
  const problem = useValue(chat.problem);
  const [typed, setTyped] = useState("");
  const input = useRef<HTMLInputElement>(null);
  const end = useRef<HTMLDivElement>(null);
  useEffect(() => end.current?.scrollIntoView({ block: "end" }), [lines, waiting]);
  const send = (message: string): void => {
    if (message.trim() === "") return;
    setTyped("");
    void chat.send(message.trim());
    input.current?.focus();
  };
  return (
    <>
      <div role="log" aria-live="polite" aria-label={t("chat.title")}>
        <ol class="chat-lines">
          {lines.map((line) => (
            <Line key={line.id} line={line} />
          ))}
        </ol>
      </div>
      {waiting > 0 && <p class="chat-waiting muted">{t("chat.waiting")}</p>}
      {problem !== null && (
        <p class="problem" role="alert">
          {tCode(codeOf(problem))}
        </p>
      )}
      <Options lines={lines} busy={waiting > 0} onChoose={send} />
      <form
        class="chat-form"
        onSubmit={(event) => {
          event.preventDefault();
          send(typed);
        }}
      >
        <label for="message" class="visually-hidden">
          {t("chat.message")}
        </label>
        <input
          ref={input}
          id="message"
          lang="en"
          autocomplete="off"
          maxLength={MESSAGE_MAX_CHARS}
          placeholder={t("chat.hint")}
          value={typed}
          onInput={(event) => setTyped(event.currentTarget.value)}
        />
        <button type="submit" class="primary">
          {t("chat.send")}
        </button>
      </form>
      <div ref={end} />
    </>
  );
}

/** A message is shown as text, never as markup. */
function Line({ line }: { line: ChatLine }) {
  const who = line.from === "me" ? t("chat.you") : t("chat.bot");
  return (
    <li class={`chat-line ${line.from}${line.notice ? " notice" : ""}`}>
      <span class="visually-hidden">{who}: </span>
      <span class="chat-text" lang={line.from === "bot" ? "en" : undefined}>
        {line.text}
      </span>
    </li>
  );
}

/** The choices that the latest message offers. */
function Options({
  lines,
  busy,
  onChoose,
}: {
  lines: readonly ChatLine[];
  busy: boolean;
  onChoose: (message: string) => void;
}) {
  const options = lines.at(-1)?.options ?? [];
  if (options.length === 0) return null;
  return (
    <ul class="chat-options" aria-label={t("chat.options")}>
      {options.map(({ label, say }) => (
        <li key={say}>
          <button
            type="button"
            class="quiet"
            lang="en"
            disabled={busy}
            onClick={() => onChoose(say)}
          >
            {label}
          </button>
        </li>
      ))}
    </ul>
  );
}
