/** Patients' contact data, fetched when somebody looks and kept right by the hub's events. */

import { type Hub, type HubEvent, Observable, type Profile } from "../sdk/index";

export class People {
  readonly known = new Observable<ReadonlyMap<string, Profile>>(new Map());
  readonly #requested = new Set<string>();
  readonly #leave: () => void = () => {};

  constructor(
    private readonly hub: Hub,
    /** Of a dentist's patients; without one, `refresh` is called for what has changed. */
    channel: string | null,
    private readonly onChanged: (profile: Profile) => void = () => {},
  ) {
    if (channel !== null)
      this.#leave = hub.live.follow(channel, {
        onEvent: (event) => this.#receive(event),
        onRefetch: () => this.again(),
      });
  }

  /** Fetches the profile once. */
  want(id: string): void {
    if (this.#requested.has(id)) return;
    this.refresh(id);
  }

  /** Fetches the profile, also one that is known. */
  refresh(id: string): void {
    this.#requested.add(id);
    this.hub.rest.profile(id).then(
      (profile) => this.take(profile),
      () => this.#requested.delete(id),
    );
  }

  /** Somebody changed: fetched again if it is shown anywhere. */
  refreshKnown(id: string): void {
    if (this.#requested.has(id)) this.refresh(id);
  }

  name(id: string, otherwise: string | null): string {
    return this.known.value.get(id)?.name ?? otherwise ?? "";
  }

  close(): void {
    this.#leave();
  }

  #receive(event: HubEvent): void {
    const profile = event.data as Profile;
    if (this.take(profile)) this.onChanged(profile);
  }

  /** A profile that was just read; `false` if it, or a newer one, was known. */
  take(profile: Profile): boolean {
    const known = this.known.value.get(profile.id);
    if (known !== undefined && known.version >= profile.version) return false;
    this.known.set(new Map(this.known.value).set(profile.id, profile));
    return true;
  }

  /** The history does not reach back: fetches every shown profile again. */
  again(): void {
    const ids = [...this.#requested];
    this.#requested.clear();
    for (const id of ids) this.want(id);
  }
}
