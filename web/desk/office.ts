/** What a desk knows of its practice; kept right by the events of the practice's channels. */

import { People } from "../dentist/people";
import {
  type AppointmentType,
  type Availability,
  type Hub,
  HubError,
  type HubEvent,
  Observable,
  type Practice,
  type Profile,
  type PublicCard,
} from "../sdk/index";

export interface Facts {
  practice: Practice;
  /** By name; those who are not active are left out. */
  dentists: readonly PublicCard[];
  types: readonly AppointmentType[];
  schedules: ReadonlyMap<string, Availability>;
}

const AGAIN_MS = 2_000;
const CHANGING: ReadonlySet<string> = new Set([
  "practice.updated",
  "people.updated",
  "appointment_types.updated",
]);

export class Office {
  readonly facts = new Observable<Facts | null>(null);
  readonly people: People;
  readonly #leave = new Map<string, () => void>();
  #loading = false;
  #stale = false;
  #closed = false;

  constructor(
    private readonly hub: Hub,
    readonly me: Profile,
    private readonly onRefused: (error: HubError) => void,
  ) {
    this.people = new People(hub, me.role === "dentist" ? `profiles:dentist:${me.id}` : null);
    if (me.practice_id !== null)
      this.#follow(`practices:${me.practice_id}`, (event) => this.#receive(event));
    void this.load();
  }

  /** Reads everything again; what is requested while it reads is read once afterwards. */
  async load(): Promise<void> {
    this.#stale = true;
    if (this.#loading) return;
    this.#loading = true;
    while (this.#stale && !this.#closed) {
      this.#stale = false;
      try {
        const facts = await this.#read();
        if (!this.#closed) this.#take(facts);
      } catch (error) {
        if (error instanceof HubError && !error.mayBeRetried) {
          this.onRefused(error);
          break;
        }
        this.#stale = true;
        await new Promise((done) => setTimeout(done, AGAIN_MS));
      }
    }
    this.#loading = false;
  }

  close(): void {
    this.#closed = true;
    this.people.close();
    for (const leave of this.#leave.values()) leave();
  }

  async #read(): Promise<Facts> {
    const { rest } = this.hub;
    const [practice, cards, types] = await Promise.all([
      rest.practice(this.me.practice_id ?? ""),
      rest.dentists(),
      rest.appointmentTypes(),
    ]);
    const dentists = cards.filter(
      (each) =>
        each.active !== false &&
        each.practice_id === practice.id &&
        (this.me.role !== "dentist" || each.id === this.me.id),
    );
    const schedules = await Promise.all(dentists.map(({ id }) => rest.availability(id)));
    return {
      practice,
      dentists,
      types,
      schedules: new Map(schedules.map((each) => [each.dentist_id, each])),
    };
  }

  #take(facts: Facts): void {
    this.facts.set(facts);
    for (const { id } of facts.dentists)
      this.#follow(`availability:dentist:${id}`, (event) => this.#reschedule(event));
  }

  #follow(channel: string, onEvent: (event: HubEvent) => void): void {
    if (this.#leave.has(channel)) return;
    const onRefetch = (): void => {
      void this.load();
      this.people.again();
    };
    this.#leave.set(channel, this.hub.live.follow(channel, { onEvent, onRefetch }));
  }

  #receive(event: HubEvent): void {
    if (CHANGING.has(event.type)) void this.load();
    if (event.type === "patient.updated" || event.type === "patient.merged")
      this.people.refreshKnown((event.data as { patient_id: string }).patient_id);
  }

  #reschedule(event: HubEvent): void {
    const facts = this.facts.value;
    if (event.type !== "availability.updated" || facts === null) return;
    const schedule = event.data as Availability;
    if (schedule.version <= (facts.schedules.get(schedule.dentist_id)?.version ?? 0)) return;
    const schedules = new Map(facts.schedules).set(schedule.dentist_id, schedule);
    this.facts.set({ ...facts, schedules });
  }
}
