/** Where tokens come from: the host application, called whenever one has expired. */

/** `stale` is the token that is no longer good, if there was one; answer with another. */
export type TokenSource = (stale?: string) => string | Promise<string>;

/** The current token; concurrent requests share one call of the source. */
export class Tokens {
  #current: string | null = null;
  #pending: Promise<string> | null = null;

  constructor(private readonly source: TokenSource) {}

  get(): Promise<string> {
    return this.#current === null ? this.#fetch() : Promise.resolve(this.#current);
  }

  /** A token other than `stale`, which may have been fetched meanwhile. */
  renew(stale: string): Promise<string> {
    if (this.#current !== null && this.#current !== stale) return Promise.resolve(this.#current);
    return this.#fetch(stale);
  }

  #fetch(stale?: string): Promise<string> {
    this.#pending ??= Promise.resolve()
      .then(() => this.source(stale))
      .then((token) => (this.#current = token))
      .finally(() => (this.#pending = null));
    return this.#pending;
  }
}
