/**
 * Who is signed in on this page. The host application hands the token over in one of three
 * ways (docs/screens.md); it is kept for this tab only and never stays in an address.
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

export class Session {
  /** `null`: no user is signed in. */
  readonly token: Observable<string | null>;
  readonly #key: string;
  /** The newest token; it changes in place during a session. */
  #current: string | null;

  constructor(page: string) {
    this.#key = `chairside-token-${page}`;
    this.#current = this.#fromAddress() ?? sessionStorage.getItem(this.#key);
    this.token = new Observable(this.#current);
    addEventListener("hashchange", () => {
      const token = this.#fromAddress();
      if (token !== null) this.signIn(token);
    });
    addEventListener("message", (event) => {
      // a frame's parent is an origin that the hub's frame-ancestors allow, or there is no frame
      if (event.source !== parent || parent === window || event.data?.type !== GIVEN) return;
      if (typeof event.data.token !== "string") return;
      if (this.token.value === null) this.signIn(event.data.token);
      else this.#keep(event.data.token);
    });
  }

  /** Requests a token from the host page; without one, the user enters it. */
  async start(): Promise<void> {
    if (this.token.value === null)
      await this.#host().then((token) => token !== null && this.signIn(token));
  }

  signIn(token: string): void {
    this.#keep(token);
    this.token.set(token);
  }

  signOut(): void {
    sessionStorage.removeItem(this.#key);
    this.#current = null;
    this.token.set(null);
  }

  /** For the SDK: the token, or another one when it is stale. */
  readonly source: TokenSource = async (stale) => {
    if (this.#current !== null && this.#current !== stale) return this.#current;
    const fresh = await this.#host(stale);
    if (fresh === null || fresh === stale) throw new Error("nobody has another token");
    this.#keep(fresh);
    return fresh;
  };

  #keep(token: string): void {
    this.#current = token;
    sessionStorage.setItem(this.#key, token);
  }

  #fromAddress(): string | null {
    const token = new URLSearchParams(location.hash.slice(1)).get("token");
    if (token === null) return null;
    history.replaceState(null, "", location.pathname + location.search);
    sessionStorage.setItem(this.#key, token);
    return token;
  }

  async #host(stale?: string): Promise<string | null> {
    if (window.chairside?.token) return window.chairside.token(stale);
    if (parent === window) return null;
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
