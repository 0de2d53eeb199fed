/** Appointments that stay right by themselves: a list, its events, and what the user just did. */

import type { LiveClient } from "./live.js";
import { Observable } from "./observable.js";
import type { AppointmentChange, RestClient } from "./rest.js";
import { pause } from "./retry.js";
import { Rows } from "./rows.js";
import type {
  Appointment,
  CancelReason,
  ChannelPosition,
  HubEvent,
  Interval,
  Message,
  Page,
  Status,
} from "./types.js";

export const LISTED: readonly Status[] = [
  "held",
  "confirmed",
  "arrived",
  "checked_in",
  "completed",
  "no_show",
  "cancelled",
];
export const LIVE: ReadonlySet<Status> = new Set(["held", "confirmed", "arrived", "checked_in"]);
const GONE: ReadonlySet<Status> = new Set(["released", "expired"]);
const OF_ROWS = /^(appointment|reservation)\./;
const AGAIN_MS = 1_500;

export interface AppointmentNews {
  row: Appointment;
  /** `appointment.created`, `reservation.expired` … */
  type: string;
}

/**
 * Appointments in a range of time: of one channel (`appointments:dentist:…`,
 * `appointments:patient:…`), or with `null` of all calendars of the caller's practice. `onNews`
 * is called for every change by others while the list is open.
 */
export class AppointmentList {
  readonly rows = new Observable<readonly Appointment[]>([]);
  readonly loaded = new Observable(false);
  /** The last message about a visit of which something became known; for its practice. */
  readonly message = new Observable<Message | null>(null);
  readonly #rows = new Rows<Appointment>();
  readonly #seen = new Set<string>();
  readonly #expected = new Set<string>();
  #loading: AbortController | null = null;
  #stops: (() => void)[] = [];

  constructor(
    private readonly rest: RestClient,
    private readonly live: LiveClient,
    readonly channel: string | null,
    private range: Interval,
    private readonly onNews: (news: AppointmentNews) => void = () => {},
  ) {
    void this.load();
  }

  /** Look at another range; what is known of the old one stays. */
  look(range: Interval): void {
    if (range.start === this.range.start && range.end === this.range.end) return;
    this.range = range;
    void this.load();
  }

  /** Reads the range again and follows from there; retried until it succeeds or is replaced. */
  async load(): Promise<void> {
    this.#loading?.abort();
    this.#loading = new AbortController();
    const { signal } = this.#loading;
    this.#seen.clear();
    while (!signal.aborted) {
      try {
        await this.#read(signal);
        return;
      } catch {
        if (!signal.aborted) await pause(AGAIN_MS);
      }
    }
  }

  pending(id: string): boolean {
    return this.#rows.pending(id);
  }

  /** Show the change at once; rolled back when the hub refuses, whose error is raised. */
  change(
    id: string,
    change: AppointmentChange,
    shown: Partial<Appointment> = {},
  ): Promise<Appointment> {
    const { overbook: _, cancel_reason: reason, ...fields } = change;
    const patch: Partial<Appointment> = {
      ...fields,
      ...(reason !== undefined && { cancel_reason: reason }),
      ...shown,
    };
    return this.#optimistic(id, patch, () =>
      this.rest.change(id, change, this.#rows.known(id)?.version),
    );
  }

  async cancel(id: string, reason?: CancelReason): Promise<void> {
    await this.#optimistic(id, { status: "cancelled", cancel_reason: reason ?? null }, async () => {
      await this.rest.cancel(id, reason);
      return undefined;
    });
  }

  /** A command of ours about this row is on its way: its event is no news. */
  async expect<T>(id: string, command: () => Promise<T>): Promise<T> {
    this.#expected.add(id);
    try {
      return await command();
    } finally {
      this.#expected.delete(id);
    }
  }

  /** A row that a command of ours answered with; its event will come as well. */
  take(row: Appointment): void {
    if (this.#rows.apply(row)) this.#show();
  }

  close(): void {
    this.#loading?.abort();
    for (const stop of this.#stops) stop();
  }

  async #read(signal: AbortSignal): Promise<void> {
    const found: Appointment[] = [];
    const { start: from, end: to } = this.range;
    const since: ChannelPosition[] = []; // page one's: events bring everything later
    await this.rest.appointments(
      { status: LISTED, from, to },
      (page) => {
        found.push(...page.data);
        if (since.length === 0) since.push(...this.#positions(page));
      },
      signal,
    );
    if (signal.aborted) return;
    const inRange = (row: Appointment): boolean => row.start >= from && row.start < to;
    this.#rows.replace(found, inRange, this.#seen);
    this.loaded.set(true);
    this.#show();
    const handlers = {
      onEvent: (event: HubEvent) => this.#receive(event),
      onRefetch: () => void this.load(),
    };
    const followed = since.map(({ channel, epoch, offset }) =>
      this.live.follow(channel, handlers, { epoch, offset }),
    );
    for (const stop of this.#stops) stop(); // what the next owner follows stays followed
    this.#stops = followed;
  }

  #positions(page: Page<Appointment>): readonly ChannelPosition[] {
    if (this.channel === null) return page.positions ?? [];
    return page.position === null ? [] : [{ ...page.position, channel: this.channel }];
  }

  async #optimistic<T extends Appointment | undefined>(
    id: string,
    patch: Partial<Appointment>,
    send: () => Promise<T>,
  ): Promise<T> {
    const ticket = this.#rows.propose(id, patch);
    this.#show();
    try {
      const row = await send();
      if (row === undefined) await this.#until(() => this.#rows.known(id)?.status === patch.status);
      this.#rows.settle(ticket, row);
      return row;
    } catch (error) {
      this.#rows.settle(ticket);
      throw error;
    } finally {
      this.#show();
    }
  }

  /** A command without an answer to show: its event brings the row, within a moment. */
  async #until(isSo: () => boolean): Promise<void> {
    for (let tries = 0; tries < 40 && !isSo(); tries += 1) await pause(50);
  }

  #receive(event: HubEvent): void {
    if (event.type.startsWith("message.")) this.message.set(event.data as Message);
    if (!OF_ROWS.test(event.type)) return;
    const sent = event.data as Appointment;
    if (sent.id === undefined) return;
    const movedAway = event.type === "appointment.moved_away"; // it has the id and version only
    const row = movedAway ? this.#rows.known(sent.id) : sent;
    const ours = this.#rows.pending(sent.id) || this.#expected.has(sent.id);
    const changed = movedAway ? this.#rows.forget(sent.id, sent.version) : this.#rows.apply(sent);
    if (!movedAway) this.#seen.add(sent.id);
    else if (changed) this.#seen.delete(sent.id); // else another calendar of the list has it
    if (!changed) return;
    this.#show();
    if (!ours && row) this.onNews({ row, type: event.type });
  }

  #show(): void {
    const shown = [...this.#rows.view.values()].filter((row) => !GONE.has(row.status));
    this.rows.set(shown.sort((a, b) => a.start.localeCompare(b.start) || a.id.localeCompare(b.id)));
  }
}
