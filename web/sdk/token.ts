/** Where tokens come from: the host application, asked again whenever one runs out. */

/** `stale` is the token that is no longer good, if there was one; answer with another. */
export type TokenSource = (stale?: string) => string | Promise<string>;

/** The current token; concurrent askers share one question to the source. */
export class Tokens {
  #current: string | null = null;
  #asking: Promise<string> | null = null;

  constructor(private readonly source: TokenSource) {}

  get(): Promise<string> {
    return this.#current === null ? this.#ask() : Promise.resolve(this.#current);
  }

  /** Another token than `stale`; one that somebody fetched meanwhile will do. */
  renew(stale: string): Promise<string> {
    if (this.#current !== null && this.#current !== stale) return Promise.resolve(this.#current);
    return this.#ask(stale);
  }

  #ask(stale?: string): Promise<string> {
    this.#asking ??= Promise.resolve()
      .then(() => this.source(stale))
      .then((token) => (this.#current = token))
      .finally(() => (this.#asking = null));
    return this.#asking;
  }
}
