/** The REST side: one request per command, repeated within bounds, carried out once. */

import { ConnectionLost, HubError } from "./errors.js";
import { retrying } from "./retry.js";
import type { Tokens } from "./token.js";
import type {
  Appointment,
  AppointmentType,
  Availability,
  CancelReason,
  ChatAnswer,
  Consents,
  ErrorBody,
  HistoryEntry,
  LookupResult,
  Message,
  Page,
  Practice,
  PracticePatient,
  Profile,
  ProfileFields,
  PublicCard,
  Reservation,
  SlotPage,
  Status,
} from "./types.js";

const MESSAGES = 20;

type Value = string | number | boolean | null | undefined;
export type Query = Record<string, Value | readonly string[]>;

export interface RequestOptions {
  query?: Query;
  body?: unknown;
  /** The response is a text, and no JSON. */
  text?: boolean;
  /** For `If-Match`: the version that the resource must still have. */
  version?: number | undefined;
  signal?: AbortSignal;
}

export interface AppointmentFilters {
  dentist_id?: readonly string[];
  patient_id?: string;
  updated_since?: string;
  status?: readonly Status[];
  from?: string;
  to?: string;
  limit?: number;
  sort?: "start" | "-start";
}

export interface SlotQuery {
  dentist_id?: readonly string[];
  appointment_type_id: string;
  from: string;
  to: string;
  time_from?: string | undefined;
  time_to?: string | undefined;
  as?: "staff";
  ignore_notice?: boolean;
  ignore_horizon?: boolean;
  limit?: number;
}

export interface AppointmentChange {
  dentist_id?: string;
  start?: string;
  appointment_type_id?: string;
  status?: Status;
  notes?: string | null;
  cancel_reason?: CancelReason;
  overbook?: boolean;
}

export interface NewBooking {
  dentist_id: string;
  appointment_type_id: string;
  start: string;
  patient_id?: string;
  notes?: string;
  overbook?: boolean;
}

const TIMEOUT_MS = 10_000;

/** Below this, the difference is the network's and the header's whole seconds. */
const SKEW_MS = 2_000;

export class RestClient {
  #skewMs = 0;

  constructor(
    private readonly url: string,
    private readonly tokens: Tokens,
  ) {}

  /** What the hub's clock shows: countdowns are right on devices whose own is not. */
  now(): number {
    return Date.now() + this.#skewMs;
  }

  /** Any request; raises HubError, ConnectionLost. All attempts of a command carry one key. */
  async request<T>(method: string, path: string, options: RequestOptions = {}): Promise<T> {
    const key = method === "GET" ? null : crypto.randomUUID();
    return retrying(async () => {
      const token = await this.tokens.get();
      try {
        return await this.#attempt<T>(method, path, options, key, token);
      } catch (error) {
        if (!(error instanceof HubError && error.code === "UNAUTHORIZED")) throw error;
        return this.#attempt<T>(method, path, options, key, await this.tokens.renew(token));
      }
    });
  }

  async #attempt<T>(
    method: string,
    path: string,
    options: RequestOptions,
    key: string | null,
    token: string,
  ): Promise<T> {
    const headers: Record<string, string> = { Authorization: `Bearer ${token}` };
    if (key !== null) headers["Idempotency-Key"] = key;
    if (options.version !== undefined) headers["If-Match"] = `"${options.version}"`;
    if (options.body !== undefined) headers["Content-Type"] = "application/json";
    const timeout = AbortSignal.timeout(TIMEOUT_MS);
    let response: Response;
    let text: string;
    try {
      response = await fetch(this.url + path + queryText(options.query), {
        method,
        headers,
        body: options.body === undefined ? null : JSON.stringify(options.body),
        cache: "no-store",
        signal: options.signal ? AbortSignal.any([options.signal, timeout]) : timeout,
      });
      text = await response.text();
    } catch (error) {
      if (options.signal?.aborted) throw error; // the caller's own wish
      throw new ConnectionLost(`${method} ${path}`);
    }
    this.#compareClocks(response.headers.get("Date"));
    if (response.ok) return (options.text ? text : text === "" ? null : JSON.parse(text)) as T;
    throw new HubError(errorBody(text), response.status, retryAfterMs(response));
  }

  #compareClocks(date: string | null): void {
    const skew = date === null ? Number.NaN : Date.parse(date) + 500 - Date.now();
    if (!Number.isNaN(skew)) this.#skewMs = Math.abs(skew) > SKEW_MS ? skew : 0;
  }

  /** Every page of a list, joined; `each` gets the pages as they come. */
  async pages<P extends Page<unknown> | SlotPage>(
    path: string,
    query: Query,
    each: (page: P) => void,
    signal?: AbortSignal,
  ): Promise<void> {
    let cursor: string | null = null;
    do {
      const page: P = await this.request<P>("GET", path, {
        query: { ...query, cursor },
        ...(signal && { signal }),
      });
      each(page);
      cursor = page.pagination.next_cursor;
    } while (cursor !== null);
  }

  // --- appointments ---

  appointments(
    filters: AppointmentFilters,
    each: (page: Page<Appointment>) => void,
    signal?: AbortSignal,
  ): Promise<void> {
    return this.pages("/api/appointments", { limit: 200, ...filters }, each, signal);
  }

  /** Of one patient: those to come and the latest of the past, the latest first. */
  visitsOf(
    patientId: string,
    status: readonly Status[],
    signal?: AbortSignal,
  ): Promise<Page<Appointment>> {
    return this.request("GET", "/api/appointments", {
      query: { patient_id: patientId, status, sort: "-start", limit: 50 },
      ...(signal && { signal }),
    });
  }

  history(id: string): Promise<{ data: HistoryEntry[] }> {
    return this.request("GET", `/api/appointments/${id}/history`);
  }

  /** A visit as a calendar file, with which calendars keep one entry; cancelled ones too. */
  calendarFile(id: string): Promise<string> {
    return this.request("GET", `/api/appointments/${id}/calendar.ics`, { text: true });
  }

  /** The latest messages about a visit to its patient, the newest first; for its practice. */
  messages(appointmentId: string): Promise<Page<Message>> {
    const query = { appointment_id: appointmentId, limit: MESSAGES };
    return this.request("GET", "/api/messages", { query });
  }

  /** Sends a message once more, as a new one. */
  resend(messageId: string): Promise<Message> {
    return this.request("POST", `/api/messages/${messageId}/resend`);
  }

  book(booking: NewBooking): Promise<Appointment> {
    return this.request("POST", "/api/appointments", { body: booking });
  }

  bookReservation(reservationId: string, notes?: string): Promise<Appointment> {
    return this.request("POST", "/api/appointments", {
      body: { reservation_id: reservationId, ...(notes ? { notes } : {}) },
    });
  }

  change(id: string, change: AppointmentChange, version?: number): Promise<Appointment> {
    return this.request("PUT", `/api/appointments/${id}`, { body: change, version });
  }

  cancel(id: string, reason?: CancelReason): Promise<null> {
    return this.request("DELETE", `/api/appointments/${id}`, { query: { reason } });
  }

  // --- reservations and slots ---

  hold(slot: {
    dentist_id: string;
    appointment_type_id: string;
    start: string;
  }): Promise<Reservation> {
    const { dentist_id, appointment_type_id, start } = slot;
    return this.request("POST", "/api/reservations", {
      body: { dentist_id, appointment_type_id, start },
    });
  }

  release(id: string): Promise<null> {
    return this.request("DELETE", `/api/reservations/${id}`);
  }

  slots(query: SlotQuery, each: (page: SlotPage) => void, signal?: AbortSignal): Promise<void> {
    return this.pages("/api/slots", { limit: 200, ...query }, each, signal);
  }

  /** The first page only, for the next free times. */
  firstSlots(query: SlotQuery, signal?: AbortSignal): Promise<SlotPage> {
    return this.request("GET", "/api/slots", { query: { ...query }, ...(signal && { signal }) });
  }

  // --- schedules ---

  availability(dentistId: string): Promise<Availability> {
    return this.request("GET", `/api/availability/${dentistId}`);
  }

  /** With `dryRun` nothing is saved; either way the answer names the affected appointments. */
  replaceAvailability(
    schedule: Availability,
    options: { dryRun?: boolean } = {},
  ): Promise<Availability> {
    const {
      dentist_id,
      version,
      slots: _slots,
      position: _position,
      affected_appointments: _affected,
      ...body
    } = schedule;
    return this.request("PUT", `/api/availability/${dentist_id}`, {
      body,
      version,
      query: options.dryRun ? { dry_run: true } : {},
    });
  }

  /** Visits to come that lie outside of a dentist's hours as they are, the first of them. */
  affected(dentistId: string): Promise<Page<Appointment>> {
    return this.request("GET", `/api/availability/${dentistId}/affected`);
  }

  // --- people and types ---

  /** Sends one message or event to the chatbot, and returns its answer; see `Chat`. */
  chat(body: {
    message?: string;
    event?: { type: string; data: unknown };
    state?: string;
  }): Promise<ChatAnswer> {
    return this.request("POST", "/api/chat", { body });
  }

  me(): Promise<Profile> {
    return this.request("GET", "/api/profiles/me");
  }

  updateMe(fields: ProfileFields, version?: number): Promise<Profile> {
    return this.request("PUT", "/api/profiles/me", { body: fields, version });
  }

  /** The chatbots that may act for this patient, and those whose consent has ended. */
  consents(): Promise<Consents> {
    return this.request("GET", "/api/consents");
  }

  endConsent(id: string): Promise<unknown> {
    return this.request("DELETE", `/api/consents/${id}`);
  }

  profile(id: string): Promise<Profile> {
    return this.request("GET", `/api/profiles/${id}`);
  }

  /** Someone's profile, by those who may change it: a patient's also by the practice's staff. */
  updateProfile(id: string, fields: ProfileFields, version?: number): Promise<Profile> {
    return this.request("PUT", `/api/profiles/${id}`, { body: fields, version });
  }

  /** Messages that did not reach their patient, the newest first, one page of them. */
  failedMessages(signal?: AbortSignal): Promise<Page<Message>> {
    return this.request("GET", "/api/messages", {
      query: { state: "failed", limit: 50 },
      ...(signal && { signal }),
    });
  }

  /** Questions whether patients will come that were sent, the newest first, one page of them. */
  confirmationRequests(signal?: AbortSignal): Promise<Page<Message>> {
    return this.request("GET", "/api/messages", {
      query: { kind: "confirmation_request", state: "sent", limit: 200 },
      ...(signal && { signal }),
    });
  }

  practice(id: string): Promise<Practice> {
    return this.request("GET", `/api/practices/${id}`);
  }

  /** What the practice keeps of a patient for itself. */
  practicePatient(practiceId: string, patientId: string): Promise<PracticePatient> {
    return this.request("GET", `/api/practices/${practiceId}/patients/${patientId}`);
  }

  updateRemark(
    { practice_id, patient_id, version }: PracticePatient,
    remark: string | null,
  ): Promise<PracticePatient> {
    const path = `/api/practices/${practice_id}/patients/${patient_id}`;
    return this.request("PUT", path, { body: { remark }, version });
  }

  /** Refused with `DUPLICATE_PATIENT` if the practice knows one like it, unless allowed. */
  createPatient(
    fields: ProfileFields & { name: string; allow_duplicate?: boolean },
  ): Promise<Profile> {
    return this.request("POST", "/api/profiles", { body: { role: "patient", ...fields } });
  }

  /** The best matches; without a text, the first by name. */
  patients(q: string, signal?: AbortSignal): Promise<Page<Profile>> {
    return this.request("GET", "/api/patients", {
      query: { q: q || null, limit: 20 },
      ...(signal && { signal }),
    });
  }

  /** Someone of any practice, by two identifiers: for dentists and staff, counted and audited. */
  lookUpPatient(
    identifiers: { date_of_birth: string } & ({ phone: string } | { email: string }),
  ): Promise<LookupResult> {
    return this.request("POST", "/api/patients/lookup", { body: identifiers });
  }

  async dentists(): Promise<PublicCard[]> {
    const found: PublicCard[] = [];
    await this.pages<Page<PublicCard>>(
      "/api/dentists",
      { limit: 200 },
      (page) => void found.push(...page.data),
    );
    return found;
  }

  async appointmentTypes(): Promise<AppointmentType[]> {
    const found: AppointmentType[] = [];
    await this.pages<Page<AppointmentType>>(
      "/api/appointment-types",
      { limit: 200 },
      (page) => void found.push(...page.data),
    );
    return found;
  }
}

/** A list repeats its name; what is not set is left out. */
export function queryText(query: Query = {}): string {
  const pairs = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const each of Array.isArray(value) ? value : [value]) {
      if (each !== null && each !== undefined) pairs.append(name, String(each));
    }
  }
  const text = pairs.toString();
  return text === "" ? "" : `?${text}`;
}

function errorBody(text: string): Pick<ErrorBody, "code" | "message"> {
  try {
    return (JSON.parse(text) as { error: ErrorBody }).error;
  } catch {
    // a proxy's, perhaps
    return { code: "INTERNAL_ERROR", message: "The answer was not the hub's" };
  }
}

/** `Retry-After` in seconds or as a date (RFC 9110 §10.2.3). */
function retryAfterMs(response: Response): number | null {
  const value = response.headers.get("Retry-After");
  if (value === null) return null;
  const ms = /^\d+$/.test(value) ? Number(value) * 1_000 : Date.parse(value) - Date.now();
  return Number.isNaN(ms) ? null : Math.max(ms, 0);
}
