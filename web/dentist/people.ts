/** Patients' contact data, fetched when somebody looks and kept right by the hub's events. */

import { type Hub, type HubEvent, Observable, type Profile } from "../sdk/index";

export class People {
  readonly known = new Observable<ReadonlyMap<string, Profile>>(new Map());
  readonly #asked = new Set<string>();
  readonly #leave: () => void;

  constructor(
    private readonly hub: Hub,
    dentistId: string,
    private readonly onChanged: (profile: Profile) => void,
  ) {
    this.#leave = hub.live.follow(`profiles:dentist:${dentistId}`, {
      onEvent: (event) => this.#heard(event),
      onRefetch: () => this.#again(),
    });
  }

  /** Fetch it if nobody did. */
  want(id: string): void {
    if (this.#asked.has(id)) return;
    this.#asked.add(id);
    this.hub.rest.profile(id).then(
      (profile) => this.#take(profile),
      () => this.#asked.delete(id),
    );
  }

  name(id: string, otherwise: string | null): string {
    return this.known.value.get(id)?.name ?? otherwise ?? "";
  }

  close(): void {
    this.#leave();
  }

  #heard(event: HubEvent): void {
    const profile = event.data as Profile;
    if (this.#take(profile)) this.onChanged(profile);
  }

  #take(profile: Profile): boolean {
    const known = this.known.value.get(profile.id);
    if (known !== undefined && known.version >= profile.version) return false;
    this.known.set(new Map(this.known.value).set(profile.id, profile));
    return true;
  }

  /** History did not reach back: whoever is shown is asked for again. */
  #again(): void {
    const ids = [...this.#asked];
    this.#asked.clear();
    for (const id of ids) this.want(id);
  }
}
