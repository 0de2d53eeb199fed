/** Free slots that vanish and reappear by themselves. The algebra is in `slots.ts`. */

import { canonicalId } from "./channels.js";
import type { LiveClient } from "./live.js";
import { Observable } from "./observable.js";
import type { RestClient } from "./rest.js";
import { pause } from "./retry.js";
import { DentistSlots, joined, refetchWindows } from "./slots.js";
import type {
  AppointmentType,
  HubEvent,
  Interval,
  Position,
  Slot,
  SlotPage,
  SlotsChanged,
} from "./types.js";

export interface SlotSearch {
  type: AppointmentType;
  dentistIds: readonly string[];
  /** Starts in `[start, end)`. */
  range: Interval;
  /** Wall time at the dentist's, e.g. `"12:00"`. */
  timeFrom?: string | undefined;
  timeTo?: string | undefined;
}

const JITTER_MS = 300;
const AGAIN_MS = 1_500;
/** Notice periods move with the clock, and no event reports that. */
const AFRESH_MS = 5 * 60_000;
const CLOCK_MS = 15_000;

export class SlotView {
  readonly slots = new Observable<readonly Slot[]>([]);
  readonly loaded = new Observable(false);
  readonly #dentists: ReadonlyMap<string, DentistSlots>;
  readonly #closed = new AbortController();
  readonly #leave: (() => void)[] = [];
  readonly #followed = new Set<string>();
  readonly #timers: ReturnType<typeof setInterval>[];
  readonly #waiting = new Map<string, Interval[]>();
  #working: Promise<void> = Promise.resolve();
  #holds: readonly Interval[] = [];
  #own: readonly Interval[] = [];

  constructor(
    private readonly rest: RestClient,
    private readonly live: LiveClient,
    readonly search: SlotSearch,
    private readonly types: readonly AppointmentType[],
  ) {
    const ids = search.dentistIds.map(canonicalId);
    this.#dentists = new Map(ids.map((id) => [id, new DentistSlots(search.type)]));
    this.#later([...this.#dentists.keys()], [search.range], 0);
    this.#timers = [
      setInterval(() => this.#later([...this.#dentists.keys()], [search.range]), AFRESH_MS),
      setInterval(() => this.#show(), CLOCK_MS),
    ];
  }

  /** The viewer's live holds and appointments, all dentists': whenever they change. */
  mine(holds: readonly Interval[], own: readonly Interval[]): void {
    [this.#holds, this.#own] = [holds, own];
    this.#show();
  }

  /** The slot is taken: it is no longer offered, even before the event arrives. */
  lost(slot: Slot): void {
    this.#later([slot.dentist_id], [slot], 0);
  }

  close(): void {
    this.#closed.abort();
    for (const timer of this.#timers) clearInterval(timer);
    for (const leave of this.#leave) leave();
  }

  #receive(dentistId: string, event: HubEvent): void {
    const { epoch, offset } = event;
    if (epoch === null || offset === null) return;
    if (event.type === "availability.updated") this.#later([dentistId], [this.search.range]);
    if (event.type !== "slots.changed") return;
    const { taken, freed, refetch } = event.data as SlotsChanged;
    this.#dentists.get(dentistId)?.took(taken, { epoch, offset });
    this.#show();
    const windows = refetchWindows([...freed, ...refetch], this.search.type, this.types);
    if (windows.length > 0) this.#later([dentistId], windows);
  }

  /** Fetch one window after the other: their positions only ever grow. */
  #later(
    dentistIds: readonly string[],
    windows: readonly Interval[],
    jitterMs = Math.random() * JITTER_MS,
  ): void {
    for (const id of dentistIds)
      this.#waiting.set(id, joined([...(this.#waiting.get(id) ?? []), ...windows]));
    this.#working = this.#working.then(() => pause(jitterMs)).then(() => this.#work());
  }

  async #work(): Promise<void> {
    while (this.#waiting.size > 0 && !this.#closed.signal.aborted) {
      const [first] = this.#waiting.values();
      const window = this.#within(first?.[0] as Interval);
      const ids = [...this.#waiting]
        .filter(([, all]) => this.#same(all[0], first?.[0]))
        .map(([id]) => id);
      try {
        if (window !== null) await this.#fetch(ids, window);
        for (const id of ids) this.#done(id);
      } catch {
        await pause(AGAIN_MS);
      }
    }
  }

  #same(one: Interval | undefined, other: Interval | undefined): boolean {
    return one?.start === other?.start && one?.end === other?.end;
  }

  #done(id: string): void {
    const rest = this.#waiting.get(id)?.slice(1) ?? [];
    if (rest.length > 0) this.#waiting.set(id, rest);
    else this.#waiting.delete(id);
  }

  /** The part of a window that is shown, in time that is left. */
  #within({ start, end }: Interval): Interval | null {
    const from = Math.max(Date.parse(start), Date.parse(this.search.range.start));
    const before = Math.min(Date.parse(end), Date.parse(this.search.range.end));
    return before > from
      ? { start: new Date(from).toISOString(), end: new Date(before).toISOString() }
      : null;
  }

  async #fetch(ids: string[], window: Interval): Promise<void> {
    const { type, timeFrom, timeTo } = this.search;
    const found: Slot[] = [];
    let positions: SlotPage["positions"] = [];
    const query = {
      dentist_id: ids,
      appointment_type_id: type.id,
      from: window.start,
      to: window.end,
      time_from: timeFrom,
      time_to: timeTo,
    };
    await this.rest.slots(
      query,
      (page) => {
        found.push(...page.data);
        // page one's positions: events bring the rest
        positions = positions.length > 0 ? positions : page.positions;
        const more = page.pagination.next_cursor !== null;
        if (more) this.#takeIn(ids, window, found, positions); // paint early
      },
      this.#closed.signal,
    );
    this.#takeIn(ids, window, found, positions);
    this.loaded.set(true);
  }

  #takeIn(
    ids: readonly string[],
    window: Interval,
    found: readonly Slot[],
    positions: SlotPage["positions"],
  ): void {
    for (const id of ids) {
      const channel = `availability:dentist:${id}`;
      const position = positions.find((each) => each.channel === channel);
      if (position === undefined) continue;
      const since = { epoch: position.epoch, offset: position.offset };
      this.#dentists.get(id)?.fetched(
        window,
        found.filter((slot) => slot.dentist_id === id),
        since,
      );
      this.#follow(id, channel, since);
    }
    this.#show();
  }

  /** Follows a channel once, from its first answer on. */
  #follow(id: string, channel: string, since: Position): void {
    if (this.#followed.has(id) || this.#closed.signal.aborted) return;
    this.#followed.add(id);
    const onRefetch = (): void => this.#later([id], [this.search.range]);
    this.#leave.push(
      this.live.follow(channel, { onEvent: (event) => this.#receive(id, event), onRefetch }, since),
    );
  }

  #show(): void {
    const now = this.rest.now();
    const free = [...this.#dentists.values()].flatMap((each) =>
      each.free(now, this.#holds, this.#own),
    );
    this.slots.set(
      free.sort(
        (a, b) => a.start.localeCompare(b.start) || a.dentist_id.localeCompare(b.dentist_id),
      ),
    );
  }
}
