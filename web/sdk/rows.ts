/**
 * Rows as the hub has them, with what the user just did on top: optimistic and honest.
 *
 * A row is replaced by a higher version only, so events may come twice and in any mix with
 * lists. A proposal shows at once; when its command is refused it is taken away and the
 * row is the hub's latest version, not the one that the proposal was made on.
 */

export interface Versioned {
  id: string;
  version: number;
}

export class Rows<T extends Versioned> {
  readonly #known = new Map<string, T>();
  readonly #proposed = new Map<number, { id: string; patch: Partial<T> }>();
  #tickets = 0;
  #view: ReadonlyMap<string, T> | null = null;

  /** The rows as they are to be shown. */
  get view(): ReadonlyMap<string, T> {
    this.#view ??= this.#make();
    return this.#view;
  }

  /** A row as the hub has it, without proposals. */
  known(id: string): T | undefined {
    return this.#known.get(id);
  }

  /** Take a row in; `false` if it was known, or newer. */
  apply(row: T): boolean {
    const known = this.#known.get(row.id);
    if (known !== undefined && known.version >= row.version) return false;
    this.#known.set(row.id, row);
    this.#view = null;
    return true;
  }

  /** The row is not in this list any more since `version`; `false` if a newer one is, or none. */
  forget(id: string, version: number): boolean {
    const known = this.#known.get(id);
    if (known === undefined || known.version >= version) return false;
    this.#known.delete(id);
    this.#view = null;
    return true;
  }

  /** A list that is true now: rows of its `scope` that it does not have are gone. */
  replace(
    rows: readonly T[],
    scope: (row: T) => boolean,
    keep: ReadonlySet<string> = new Set(),
  ): void {
    const listed = new Set(rows.map((row) => row.id));
    for (const [id, row] of this.#known) {
      if (scope(row) && !listed.has(id) && !keep.has(id)) this.#known.delete(id);
    }
    for (const row of rows) this.apply(row);
    this.#view = null;
  }

  /** Shows a change before the hub accepts it; the ticket settles it. */
  propose(id: string, patch: Partial<T>): number {
    this.#tickets += 1;
    this.#proposed.set(this.#tickets, { id, patch });
    this.#view = null;
    return this.#tickets;
  }

  /** The hub answered: with the row as it is now, or (rolled back) without. */
  settle(ticket: number, row?: T): void {
    this.#proposed.delete(ticket);
    this.#view = null;
    if (row !== undefined) this.apply(row);
  }

  /** Whether a change of this row waits for the hub's answer. */
  pending(id: string): boolean {
    for (const each of this.#proposed.values()) if (each.id === id) return true;
    return false;
  }

  #make(): ReadonlyMap<string, T> {
    const shown = new Map(this.#known);
    for (const { id, patch } of this.#proposed.values()) {
      const row = shown.get(id);
      if (row !== undefined) shown.set(id, { ...row, ...patch });
    }
    return shown;
  }
}
