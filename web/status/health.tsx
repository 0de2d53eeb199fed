/** Public facts about the hub's health, polled once a second. */

import { useEffect, useState } from "preact/hooks";
import { t } from "../shared/i18n";

const EVERY_MS = 1_000;
const TIMEOUT_MS = 3_000;

export interface Health {
  status: "ok" | "degraded" | "down";
  version: string;
  uptime_s: number;
  database: { status: string };
}

export function Verdict() {
  const health = useHealth();
  const verdict = health === undefined ? null : (health?.status ?? "unreachable");
  return (
    <section class={`verdict ${verdict ?? ""}`} aria-label={t("title.status")}>
      <span class="lamp" aria-hidden="true" />
      <div role="status">
        <h1>{verdict === null ? t("loading") : t(`hub.${verdict}`)}</h1>
      </div>
      {health && (
        <p>{t("hub.version", { version: health.version, time: duration(health.uptime_s) })}</p>
      )}
    </section>
  );
}

/** `undefined` before the first answer, `null` when there is none. */
function useHealth(): Health | null | undefined {
  const [health, setHealth] = useState<Health | null>();
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let current = true;
    const poll = async (): Promise<void> => {
      const answer = await fetch("/health", {
        cache: "no-store",
        signal: AbortSignal.timeout(TIMEOUT_MS),
      })
        .then((response) => response.json() as Promise<Health>)
        .catch(() => null);
      if (!current) return;
      setHealth(answer);
      timer = setTimeout(() => void poll(), EVERY_MS);
    };
    void poll();
    return () => {
      current = false;
      clearTimeout(timer);
    };
  }, []);
  return health;
}

export function duration(seconds: number): string {
  const [days, hours, minutes] = [
    Math.floor(seconds / 86_400),
    Math.floor(seconds / 3_600) % 24,
    Math.floor(seconds / 60) % 60,
  ];
  if (days > 0) return `${days} d ${hours} h`;
  if (hours > 0) return `${hours} h ${minutes} min`;
  return minutes > 0 ? `${minutes} min` : `${Math.floor(seconds)} s`;
}
