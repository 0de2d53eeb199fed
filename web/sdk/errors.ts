import type { ErrorBody, KnownPatient } from "./types.js";

/** The hub refused: `code` is stable, `message` a sentence for a person. */
export class HubError extends Error {
  override readonly name = "HubError";
  readonly code: string;
  readonly details: ErrorBody["details"];
  readonly candidates: KnownPatient[];

  constructor(
    body: Pick<ErrorBody, "code" | "message"> & Partial<ErrorBody>,
    readonly status = 0,
    readonly retryAfterMs: number | null = null,
  ) {
    super(body.message);
    this.code = body.code;
    this.details = body.details ?? [];
    this.candidates = body.candidates ?? [];
  }

  /** The same request may succeed in a moment. */
  get mayBeRetried(): boolean {
    return (
      this.code === "CALENDAR_BUSY" || this.code === "UNAVAILABLE" || this.code === "RATE_LIMITED"
    );
  }
}

/** The hub could not be reached, or its answer was lost: the outcome is unknown. */
export class ConnectionLost extends Error {
  override readonly name = "ConnectionLost";
}

/** What an error is called, for a table of sentences. */
export function codeOf(error: unknown): string {
  if (error instanceof HubError) return error.code;
  return error instanceof ConnectionLost ? "CONNECTION_LOST" : "INTERNAL_ERROR";
}
