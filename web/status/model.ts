/** The data of `hub.status`, once a second; a figure that was not measured is null. */

export interface HubFigures {
  calendars: number;
  mailbox_depth: number;
  holds: number;
  connections: Record<string, number>;
  commits_per_s: number;
  commands_per_commit: number;
  commit_p99_ms: number | null;
  broadcasts_per_s: number;
  latency_p50_ms: number | null;
  latency_p95_ms: number | null;
  latency_p99_ms: number | null;
  retries: number;
  failures: number;
  problems: { reason: string; count: number }[];
  slow_readers: number;
  nodes: { id: string; uptime_s: number; version: string }[];
  busiest: { dentist_id: string; owner: string; waiting: number; turn_ms: number; holds: number }[];
  sockets: { wire: string; namespace: string; count: number }[];
  database: { status: string; engine: string; ping_ms: number };
  redis: { status: string } | null;
  errors: { time: string; event: string; logger: string; count: number }[];
}

export interface Moment {
  at: number;
  figures: HubFigures;
}

const KEPT = 120;

/** The last two minutes; a moment that is not later than the last is not taken in. */
export function remembered(history: readonly Moment[], next: Moment): readonly Moment[] {
  const last = history.at(-1);
  return last !== undefined && next.at <= last.at ? history : [...history, next].slice(-KEPT);
}

/** Columns for the plot: seconds, then one list for each figure; null is a gap. */
export function columns(
  history: readonly Moment[],
  read: readonly ((figures: HubFigures) => number | null)[],
): [number[], ...(number | null)[][]] {
  return [
    history.map(({ at }) => at / 1_000),
    ...read.map((each) => history.map(({ figures }) => each(figures))),
  ];
}
