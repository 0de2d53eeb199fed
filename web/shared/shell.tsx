/** What every page has around it: sign-in, the head, the connection's state, messages. */

import { type ComponentChildren, render } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import { Hub, type Namespace } from "../sdk/index";
import { Dialog } from "./dialog";
import { useValue } from "./hooks";
import { choose, LANGUAGES, type Language, language, t } from "./i18n";
import { Icon } from "./icons";
import { setClock } from "./instants";
import { roleOf, Session } from "./session";
import type { Key } from "./strings/en";
import { toggle } from "./theme";
import { Toasts } from "./toasts";
import { watchUndoKey } from "./undo";
import "./base.css";

export interface Signed {
  hub: Hub;
  session: Session;
}

interface PageOptions {
  page: "chat" | "dentist" | "desk" | "patient" | "status";
  /** A function chooses by the role that the token names. */
  namespace: Namespace | ((role: string) => Namespace);
  title: Key;
  /** Drawn when a user is signed in. */
  view: (signed: Signed) => ComponentChildren;
  /** Drawn in any case, e.g. public facts. */
  open?: () => ComponentChildren;
}

export function start(options: PageOptions): void {
  const session = new Session(options.page);
  const root = document.getElementById("app");
  if (root !== null) render(<Page {...options} session={session} />, root);
  void session.start();
}

function Page(props: PageOptions & { session: Session }) {
  const { session, namespace } = props;
  const chosen = useValue(language);
  const token = useValue(session.token);
  const offered = useValue(session.offered);
  const ended = useValue(session.ended);
  useEffect(() => {
    document.documentElement.lang = chosen;
    document.title = `${t(props.title)} · Chairside`;
  }, [chosen]);
  useEffect(watchUndoKey, []);
  return (
    <div key={chosen} class={`page ${props.page}-page`}>
      {token === null && <Head />}
      {props.open?.()}
      {token === null ? (
        <SignIn session={session} role={props.page} />
      ) : (
        <SignedIn
          key={token}
          session={session}
          namespace={typeof namespace === "string" ? namespace : namespace(roleOf(token))}
          view={props.view}
        />
      )}
      {ended && <SignInAgain session={session} />}
      {offered !== null && <OtherPerson session={session} token={offered} />}
      <Toasts />
    </div>
  );
}

function SignedIn({
  session,
  namespace,
  view,
}: {
  session: Session;
  namespace: Namespace;
  view: PageOptions["view"];
}) {
  const signed = useMemo(
    () => ({ session, hub: new Hub({ namespace, token: session.source }) }),
    [],
  );
  const { hub } = signed;
  const connection = useValue(hub.live.connection);
  const [wasOnline, setWasOnline] = useState(false);
  useEffect(() => {
    setClock(() => hub.rest.now());
    hub.connect();
    return () => hub.close();
  }, [hub]);
  useEffect(() => setWasOnline((before) => before || connection === "online"), [connection]);
  useEffect(() => {
    if (connection === "refused") session.refused();
  }, [connection]);
  if (connection === "refused") {
    const code = hub.live.refusal?.code;
    const why = code === "UNAUTHORIZED" ? t("signin.expired") : t("signin.refused");
    return (
      <>
        <Head />
        <SignIn session={session} problem={why} />
      </>
    );
  }
  return (
    <>
      <div class="banner-place" role="status" data-connection={connection}>
        {connection !== "online" && wasOnline && (
          <p class="banner">
            <Icon name="offline" /> {t("offline")}
          </p>
        )}
      </div>
      {view(signed)}
    </>
  );
}

/** The head of the page; `children` are its own controls. */
export function Head({
  children,
  session,
  name,
}: {
  children?: ComponentChildren;
  session?: Session;
  name?: string | null;
}) {
  return (
    <header class="head">
      <span class="brand">
        <svg class="mark" viewBox="0 0 32 32" aria-hidden="true">
          <rect width="32" height="32" rx="9" />
          <path d="M22 11.500a7.500 7.500 0 1 0 0 9" />
        </svg>
        Chairside
      </span>
      <div class="head-middle">{children}</div>
      <div class="head-end">
        {name && <span class="who">{name}</span>}
        <label class="visually-hidden" for="language">
          {t("language")}
        </label>
        <select
          id="language"
          class="quiet"
          value={language.value}
          onChange={(event) => choose(event.currentTarget.value as Language)}
        >
          {Object.entries(LANGUAGES).map(([code, name]) => (
            <option key={code} value={code} lang={code}>
              {name}
            </option>
          ))}
        </select>
        <button
          type="button"
          class="icon"
          aria-label={t("theme")}
          title={t("theme")}
          onClick={toggle}
        >
          <Icon name="theme" />
        </button>
        {session?.isOfHub && <a href="/passkeys">{t("passkeys")}</a>}
        {session && (
          <button type="button" class="quiet" onClick={() => void session.leave()}>
            {t("signout")}
          </button>
        )}
      </div>
    </header>
  );
}

/** Asks before a link or the host signs in another person. */
function OtherPerson({ session, token }: { session: Session; token: string }) {
  const stay = (): void => session.decline();
  return (
    <Dialog title={t("other.title")} onClose={stay}>
      <div class="stack">
        <p>{t("other.text")}</p>
        <div class="actions">
          <button type="button" class="secondary" onClick={() => session.signIn(token)}>
            {t("other.switch")}
          </button>
          <button type="button" class="primary" onClick={stay}>
            {t("other.stay")}
          </button>
        </div>
      </div>
    </Dialog>
  );
}

/** What was typed stays: the user signs in in another window. */
function SignInAgain({ session }: { session: Session }) {
  return (
    <Dialog title={t("again.title")} onClose={() => session.ended.set(false)}>
      <div class="stack">
        <p>{t("again.text")}</p>
        <div class="actions">
          <button type="button" class="primary" onClick={() => session.signInAgain()}>
            {t("again.go")}
          </button>
        </div>
      </div>
    </Dialog>
  );
}

function SignIn({ session, problem, role }: { session: Session; problem?: string; role?: string }) {
  const [given, setGiven] = useState("");
  return (
    <main class="signin">
      <form
        class="card"
        onSubmit={(event) => {
          event.preventDefault();
          session.signOut(); // the same token may be tried again
          session.signIn(given.trim());
        }}
      >
        <h1>{t("signin.title")}</h1>
        {problem && (
          <p class="problem" role="alert">
            {problem}
          </p>
        )}
        <p class="muted">{role === "status" ? t("signin.admin") : t("signin.how")}</p>
        <label for="token">{t("signin.token")}</label>
        <input
          id="token"
          type="password"
          autocomplete="off"
          spellcheck={false}
          required
          value={given}
          onInput={(event) => setGiven(event.currentTarget.value)}
        />
        <button type="submit" class="primary">
          {t("signin.go")}
        </button>
      </form>
    </main>
  );
}
