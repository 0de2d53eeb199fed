/** What administrators see: the live figures of the channel `hub:status`. */

import { useEffect, useMemo, useState } from "preact/hooks";
import type { PublicCard } from "../sdk/index";
import { t } from "../shared/i18n";
import { useLoaded } from "../shared/loaded";
import { Head, type Signed } from "../shared/shell";
import { duration } from "./health";
import { type HubFigures, type Moment, remembered } from "./model";
import { type Line, Plot } from "./plot";
import { Table } from "./table";

const CHANNEL = "hub:status";

export function Figures({ hub, session }: Signed) {
  const [history, setHistory] = useState<readonly Moment[]>([]);
  const dentists = useLoaded(() => hub.rest.dentists(), [hub]) ?? [];
  useEffect(
    () =>
      hub.live.follow(CHANNEL, {
        onEvent: ({ time, data }) =>
          setHistory((before) =>
            remembered(before, { at: Date.parse(time), figures: data as HubFigures }),
          ),
        onRefetch: () => {},
      }),
    [hub],
  );
  const now = history.at(-1)?.figures;
  return (
    <>
      <Head session={session} />
      <main class="status-column" data-figures={history.length}>
        {!now && (
          <p class="muted" aria-busy="true">
            {t("loading")}
          </p>
        )}
        {now && <Cards now={now} />}
        <Plots history={history} />
        {now && <Details now={now} dentists={dentists} />}
      </main>
    </>
  );
}

function Cards({ now }: { now: HubFigures }) {
  const sockets = Object.values(now.connections).reduce((sum, count) => sum + count, 0);
  return (
    <dl class="cards">
      <Card name="sockets" title={t("hub.sockets")} value={whole(sockets)} />
      <Card
        name="latency"
        title={t("hub.latency")}
        value={ms(now.latency_p99_ms)}
        note={t("hub.latency.hint")}
        bad={(now.latency_p99_ms ?? 0) > 1_000}
      />
      <Card name="events" title={t("hub.events")} value={figure(now.broadcasts_per_s)} />
      <Card
        name="commits"
        title={t("hub.commits")}
        value={figure(now.commits_per_s)}
        note={t("hub.batch", { n: figure(now.commands_per_commit) })}
      />
      <Card name="commit-time" title={t("hub.commit.time")} value={ms(now.commit_p99_ms)} />
      <Card
        name="database"
        title={t("hub.database")}
        value={ms(now.database.ping_ms)}
        note={now.database.engine}
        bad={now.database.status !== "ok"}
      />
      <Card
        name="retries"
        title={t("hub.retries")}
        value={whole(now.retries)}
        bad={now.retries > 0}
      />
      <Card
        name="failures"
        title={t("hub.failures")}
        value={whole(now.failures)}
        note={now.failures === 0 ? t("hub.failures.none") : ""}
        bad={now.failures > 0}
      />
    </dl>
  );
}

function Card({
  name,
  title,
  value,
  note = "",
  bad = false,
}: {
  name: string;
  title: string;
  value: string;
  note?: string;
  bad?: boolean;
}) {
  return (
    <div class={bad ? "figure bad" : "figure"} data-figure={name}>
      <dt>{title}</dt>
      <dd>{value}</dd>
      {note && <dd class="note">{note}</dd>}
    </div>
  );
}

function Plots({ history }: { history: readonly Moment[] }) {
  const latency: Line[] = [
    { label: t("hub.p50"), color: "--line-a", read: (each) => each.latency_p50_ms },
    { label: t("hub.p95"), color: "--line-b", read: (each) => each.latency_p95_ms },
    { label: t("hub.p99"), color: "--line-c", read: (each) => each.latency_p99_ms },
  ];
  const rates: Line[] = [
    { label: t("hub.events"), color: "--line-a", read: (each) => each.broadcasts_per_s },
    { label: t("hub.commits"), color: "--line-c", read: (each) => each.commits_per_s },
  ];
  return (
    <div class="plots">
      <Plot title={t("hub.latency.title")} lines={latency} history={history} />
      <Plot title={t("hub.events.title")} lines={rates} history={history} />
    </div>
  );
}

function Details({ now, dentists }: { now: HubFigures; dentists: readonly PublicCard[] }) {
  const names = useMemo(() => new Map(dentists.map(({ id, name }) => [id, name])), [dentists]);
  const more = now.calendars - now.busiest.length;
  return (
    <div class="details">
      <Table
        title={t("hub.calendars")}
        heads={[t("hub.calendar"), t("hub.owner"), t("hub.mailbox"), t("hub.turn"), t("hub.holds")]}
        rows={now.busiest.map((each) => [
          names.get(each.dentist_id) ?? each.dentist_id,
          each.owner,
          whole(each.waiting),
          ms(each.turn_ms),
          whole(each.holds),
        ])}
        none={t("hub.none.active")}
        note={more > 0 ? t("hub.more", { n: more }) : ""}
      />
      <Table
        title={t("hub.sockets.title")}
        heads={[t("hub.wire"), t("hub.namespace"), t("hub.count")]}
        rows={now.sockets.map((each) => [each.wire, each.namespace, whole(each.count)])}
        none="–"
        note={t("hub.slow", { n: now.slow_readers })}
      />
      <Table
        title={t("hub.nodes")}
        heads={[t("hub.node"), t("hub.uptime")]}
        rows={now.nodes.map((each) => [each.id, duration(each.uptime_s)])}
        none="–"
        note={`${t("hub.redis")}: ${now.redis?.status ?? t("hub.redis.off")}`}
      />
      {now.problems.length > 0 && (
        <Table
          title={t("hub.problems")}
          heads={[t("hub.errors.what"), t("hub.errors.count")]}
          rows={now.problems.map((each) => [each.reason, whole(each.count)])}
          none="–"
        />
      )}
      <Table
        title={t("hub.errors")}
        heads={[
          t("hub.errors.when"),
          t("hub.errors.what"),
          t("hub.errors.where"),
          t("hub.errors.count"),
        ]}
        rows={now.errors.map((each) => [
          new Date(each.time).toLocaleTimeString([], { hour12: false }),
          each.event,
          each.logger,
          whole(each.count),
        ])}
        none={t("hub.errors.none")}
      />
    </div>
  );
}

const whole = (value: number): string => value.toLocaleString();
const figure = (value: number): string => value.toLocaleString([], { maximumFractionDigits: 1 });
const ms = (value: number | null): string =>
  value === null ? "–" : `${value.toLocaleString([], { maximumSignificantDigits: 3 })} ms`;
