import { AppointmentList, type AppointmentNews } from "./appointments.js";
import { Chat } from "./chat.js";
import { LiveClient, type Namespace } from "./live.js";
import { RestClient } from "./rest.js";
import { type SlotSearch, SlotView } from "./slot-view.js";
import { type TokenSource, Tokens } from "./token.js";
import type { AppointmentType, Interval } from "./types.js";

export interface HubOptions {
  /** Where the hub is, e.g. `https://hub.clinic.example`; empty: where the page is from. */
  url?: string;
  namespace: Namespace;
  token: TokenSource;
}

/** One person's view of a hub: commands over REST, events over Socket.IO. */
export class Hub {
  readonly rest: RestClient;
  readonly live: LiveClient;

  constructor({ url = "", namespace, token }: HubOptions) {
    const base = url.replace(/\/$/, "");
    const tokens = new Tokens(token);
    this.rest = new RestClient(base, tokens);
    this.live = new LiveClient(base, namespace, tokens);
  }

  connect(): void {
    this.live.connect();
  }

  close(): void {
    this.live.close();
  }

  dentistAppointments(
    dentistId: string,
    range: Interval,
    onNews?: (news: AppointmentNews) => void,
  ): AppointmentList {
    return new AppointmentList(
      this.rest,
      this.live,
      `appointments:dentist:${dentistId}`,
      range,
      onNews,
    );
  }

  /** Of all dentists of the practice, for its staff; for a dentist, their own. */
  practiceAppointments(range: Interval, onNews?: (news: AppointmentNews) => void): AppointmentList {
    return new AppointmentList(this.rest, this.live, null, range, onNews);
  }

  patientAppointments(
    patientId: string,
    range: Interval,
    onNews?: (news: AppointmentNews) => void,
  ): AppointmentList {
    return new AppointmentList(
      this.rest,
      this.live,
      `appointments:patient:${patientId}`,
      range,
      onNews,
    );
  }

  /** A conversation with the hub's chatbot, for this patient. */
  chat(patientId: string): Chat {
    return new Chat(this.rest, this.live, patientId);
  }

  /** `types` are all of the clinic's: their buffers set how far around a freed time to refetch. */
  freeSlots(search: SlotSearch, types: readonly AppointmentType[]): SlotView {
    return new SlotView(this.rest, this.live, search, types);
  }
}
