/**
 * Who is signed in on this page. The host application hands the token over in one of three
 * ways (docs/screens.md), or the browser has a session at the hub itself (docs/sign-in.md). The
 * token is kept for this tab only and never stays in an address.
 *
 * Neither a link nor the host replaces a signed-in person without a question.
 */

import { Observable, type TokenSource } from "../sdk/index";

declare global {
  interface Window {
    /** Put there by a host that owns the web view, before the page loads. */
    chairside?: { token?: (stale?: string) => string | Promise<string> };
  }
}

const HOST_MS = 5_000;
const WANTED = "chairside:token-wanted";
const GIVEN = "chairside:token";
const SIGNED_IN = "chairside:signed-in";

export class Session {
  /** `null`: no user is signed in. */
  readonly token: Observable<string | null>;
  /** The token of another person, which waits for the answer of the one who is signed in. */
  readonly offered = new Observable<string | null>(null);
  /** The session at the hub has ended, and the page waits until its person signs in again. */
  readonly ended = new Observable(false);
  readonly #key: string;
  /** The newest token; it changes in place during a session. */
  #current: string | null;
  /** The hub has refused the newest token, so its person is no longer signed in. */
  #refused = false;
  /** Another token of the same person, from a link: used when the newest one ends. */
  #spare: string | null = null;
  /** The token of the link that opened the page, until it is known whether links count. */
  #linked: string | null;
  /** The hub itself has signed the user in. */
  #isOfHub = false;
  #signingInAgain: Promise<string> | null = null;

  constructor(page: string) {
    this.#key = `chairside-token-${page}`;
    const kept = sessionStorage.getItem(this.#key);
    this.#linked = takeFromAddress();
    const isWaiting = this.#linked !== null && kept !== null && hasExpired(kept);
    this.#current = isWaiting ? null : kept;
    this.#isOfHub = claimsOf(kept ?? "").iss === location.origin;
    this.token = new Observable(this.#current);
    addEventListener("hashchange", () => {
      const token = takeFromAddress(); // never stays there, whether it is used or not
      if (token !== null && !this.#isSignedIn)
        void refusesLinks().then((refuses) => !refuses && !this.#isSignedIn && this.signIn(token));
    });
    addEventListener("message", (event) => {
      // a frame's parent is an origin that the hub's frame-ancestors allow, or there is no frame
      if (event.source !== parent || parent === window || event.data?.type !== GIVEN) return;
      if (typeof event.data.token === "string") this.#given(event.data.token);
    });
  }

  get #isSignedIn(): boolean {
    return this.#current !== null && !this.#refused;
  }

  /** Whether the user signed in at the hub itself. */
  get isOfHub(): boolean {
    return this.#isOfHub;
  }

  /** Requests a token from the host page or the hub; without one, the user enters it. */
  async start(): Promise<void> {
    const linked = this.#linked;
    if (linked !== null && !(await refusesLinks())) this.#follow(linked);
    if (this.token.value !== null) return;
    const token = await this.#host().catch(() => null);
    if (token !== null) this.signIn(token);
    else if (this.#isOfHub) location.replace(signInPage());
  }

  signIn(token: string): void {
    this.#refused = false;
    this.offered.set(null);
    this.#keep(token);
    this.token.set(token);
  }

  signOut(): void {
    sessionStorage.removeItem(this.#key);
    this.#current = null;
    this.token.set(null);
  }

  /** Signs the user out, also at the hub if it has a session of this browser. */
  async leave(): Promise<void> {
    this.signOut();
    if (!this.#isOfHub) return;
    await fetch("/sign-in/sign-out", { method: "POST" }).catch(() => null);
    location.replace(signInPage());
  }

  /** The person who is signed in stays; what was offered is forgotten. */
  decline(): void {
    this.offered.set(null);
  }

  /** The hub refuses the newest token. */
  refused(): void {
    this.#refused = true;
  }

  /** For the SDK: the token, or another one when it is stale. */
  readonly source: TokenSource = async (stale) => {
    if (this.#current !== null && this.#current !== stale) return this.#current;
    const fresh = this.#spare ?? (await this.#host(stale));
    this.#spare = null;
    if (fresh === null || fresh === stale) throw new Error("nobody has another token");
    this.#given(fresh);
    if (this.#current !== fresh) throw new Error("the new token is of another person");
    return fresh;
  };

  /** The token of a link: it replaces nobody who is signed in. */
  #follow(linked: string): void {
    if (this.#current === null || hasExpired(this.#current)) this.signIn(linked);
    else if (linked !== this.#current) {
      if (personOf(linked) === personOf(this.#current)) this.#spare = linked;
      else this.offered.set(linked);
    }
  }

  /** A token of the host: a newer one of the same person, or an offer. */
  #given(token: string): void {
    if (!this.#isSignedIn) this.signIn(token);
    else if (personOf(token) === personOf(this.#current)) this.#keep(token);
    else this.offered.set(token);
  }

  #keep(token: string): void {
    this.#current = token;
    sessionStorage.setItem(this.#key, token);
  }

  /** In a window of its own, so that this page keeps what was typed. */
  signInAgain(): void {
    open("/sign-in?again=1", "_blank", "popup,width=480,height=720");
  }

  /** A token of the browser's session at the hub; when that has ended, of the next session. */
  async #hub(stale?: string): Promise<string | null> {
    const token = await this.#ofHub();
    return token === null && this.#isOfHub && stale !== undefined ? this.#nextSession() : token;
  }

  /** The token of the session that begins in another window; it waits until one does. */
  #nextSession(): Promise<string> {
    this.#signingInAgain ??= new Promise<string>((found) => {
      const channel = new BroadcastChannel(SIGNED_IN);
      const look = async (): Promise<void> => {
        const token = await this.#ofHub().catch(() => null);
        this.ended.set(token === null);
        if (token === null) return;
        channel.close();
        removeEventListener("focus", look);
        found(token);
      };
      channel.onmessage = look;
      addEventListener("focus", look);
      this.ended.set(true);
    }).finally(() => {
      this.#signingInAgain = null;
    });
    return this.#signingInAgain;
  }

  /** A token of the browser's session at the hub; `null`: there is none. */
  async #ofHub(): Promise<string | null> {
    const response = await fetch("/sign-in/token", { method: "POST" });
    this.#isOfHub = response.ok ? response.status === 200 : response.status === 401;
    return response.status === 200 ? (await response.json()).access_token : null;
  }

  async #host(stale?: string): Promise<string | null> {
    if (window.chairside?.token) return window.chairside.token(stale);
    if (parent === window) return this.#hub(stale);
    return new Promise((answer) => {
      const timer = setTimeout(() => done(null), HOST_MS);
      const onMessage = (event: MessageEvent): void => {
        if (event.source === parent && event.data?.type === GIVEN) done(String(event.data.token));
      };
      const done = (token: string | null): void => {
        clearTimeout(timer);
        removeEventListener("message", onMessage);
        answer(token);
      };
      addEventListener("message", onMessage);
      parent.postMessage({ type: WANTED }, "*"); // it contains nothing secret
    });
  }
}

/** Whether users sign in at the hub itself: then a link signs nobody in, except in the demo. */
async function refusesLinks(): Promise<boolean> {
  const response = await fetch("/sign-in/token", { method: "POST" }).catch(() => null);
  if (response === null || ![200, 401].includes(response.status)) return false;
  const ways = await fetch("/sign-in/ways").catch(() => null);
  return !(ways?.ok && (await ways.json()).links);
}

/** Where users sign in at the hub; they come back to this page. */
function signInPage(): string {
  return `/sign-in?next=${encodeURIComponent(location.pathname)}`;
}

/** The token of a link, which leaves the address and the history at once. */
function takeFromAddress(): string | null {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (token !== null) history.replaceState(null, "", location.pathname + location.search);
  return token;
}

interface Claims {
  iss?: unknown;
  sub?: unknown;
  act?: unknown;
  exp?: unknown;
  role?: unknown;
}

/** Unverified: the hub verifies tokens. */
function claimsOf(token: string): Claims {
  try {
    const payload = (token.split(".")[1] ?? "").replaceAll("-", "+").replaceAll("_", "/");
    const claims: unknown = JSON.parse(atob(payload));
    return typeof claims === "object" && claims !== null ? claims : {};
  } catch {
    return {};
  }
}

/** The role that a token names; the hub decides what it is worth. */
export function roleOf(token: string): string {
  const { role } = claimsOf(token);
  return typeof role === "string" ? role : "";
}

/** Whose token it is; a token that cannot be read is nobody else's than its own. */
function personOf(token: string | null): string {
  const { iss, sub, act } = claimsOf(token ?? "");
  return sub === undefined ? `token ${token}` : JSON.stringify([iss, sub, act]);
}

function hasExpired(token: string): boolean {
  const { exp } = claimsOf(token);
  return typeof exp === "number" && exp * 1000 <= Date.now();
}
