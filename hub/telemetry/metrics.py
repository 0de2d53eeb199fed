"""Metrics for Prometheus, and the running totals that the status page is made from.

One instance per hub with a registry of its own: nothing global. Components call the
plain methods; what has a current value is asked for when somebody scrapes.
"""

from bisect import bisect_left
from collections import Counter as Counter_
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from actors.ports.events import Delivery
from actors.services.cache import Lookups

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_SIZES = (1, 2, 4, 8, 16, 32, 64)
_LATENCIES_KEPT = 4096


@dataclass(frozen=True, kw_only=True, slots=True)
class CalendarFigures:
    dentist_id: str
    waiting: int
    """Commands in the mailbox."""
    turn_ms: float
    """How long the last batch took, from the mailbox to the replies."""
    holds: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Gauges:
    """What the hub is doing now, as functions that cost nothing until they are called."""

    live_calendars: Callable[[], int]
    deepest_mailbox: Callable[[], int]
    """Commands waiting at the calendar where most wait."""
    holds: Callable[[], int]
    connections: Callable[[], Mapping[str, int]]
    """Connected sockets by namespace."""
    webhooks: Callable[[], int] = int
    """Active ones."""
    webhooks_failing: Callable[[], int] = int
    """Channels of theirs that wait for another attempt."""
    cache_lookups: Callable[[], Mapping[str, Lookups]] = dict
    """Of each cache, since the start."""
    busiest: Callable[[], Sequence[CalendarFigures]] = tuple
    """The calendars that have most to do, as many as a page shows."""


Figures = Callable[[], Mapping[str, float]]
"""Figures by name, asked for when somebody scrapes."""


@dataclass(kw_only=True, slots=True)
class Totals:
    """Since the start; whoever wants a rate takes the difference of two readings."""

    commits: int = 0
    commands: int = 0
    broadcasts: int = 0
    retries: int = 0
    failures: int = 0
    slow_readers: int = 0
    problems: Counter_[str] = field(default_factory=Counter_)
    """Kinds of exception for which broadcasts were repeated or given up."""


class Metrics:
    def __init__(self) -> None:
        self.totals = Totals()
        self.latencies_ms: deque[float] = deque(maxlen=_LATENCIES_KEPT)
        """Commit to broadcast, of the broadcasts since the figures were last taken."""
        self.commit_times_ms: deque[float] = deque(maxlen=_LATENCIES_KEPT)
        """The same of commits."""
        self._registry = registry = CollectorRegistry()
        self._requests = _Timings(
            "chairside_request_seconds",
            "API requests by route and status, and how long they took",
            ("method", "route", "status"),
        )
        self._commands = _Timings(
            "chairside_socket_command_seconds",
            "Socket.IO commands by event and outcome, and how long they took",
            ("namespace", "event", "outcome"),
        )
        registry.register(self._requests)
        registry.register(self._commands)
        self._commit_seconds = Histogram(
            "chairside_commit_seconds", "Transactions", buckets=_SECONDS, registry=registry
        )
        self._commit_size = Histogram(
            "chairside_commit_commands",
            "Commands in one transaction",
            buckets=_SIZES,
            registry=registry,
        )
        self._latency = Histogram(
            "chairside_broadcast_latency_seconds",
            "From the commit of an event to the end of its broadcast",
            buckets=_SECONDS,
            registry=registry,
        )
        self._recipients = Counter(
            "chairside_deliveries", "Events handed to sockets", registry=registry
        )
        self._retries = Counter(
            "chairside_broadcast_retries", "Repeated broadcast attempts", registry=registry
        )
        self._failures = Counter(
            "chairside_broadcast_failures", "Broadcasts given up", registry=registry
        )
        self._slow_readers = Counter(
            "chairside_slow_readers", "Sockets closed because they did not read", registry=registry
        )
        self._streams_ended = Counter(
            "chairside_streams_ended",
            "Event streams over HTTP that ended, by why",
            ("reason",),
            registry=registry,
        )
        self._webhook_attempts = Histogram(
            "chairside_webhook_attempt_seconds",
            "Requests to receivers of webhooks by what became of them, and how long they took",
            ("outcome",),
            buckets=(*_SECONDS, 10.0),
            registry=registry,
        )
        self._webhooks_disabled = Counter(
            "chairside_webhooks_disabled",
            "Webhooks that the hub gave up, by why",
            ("reason",),
            registry=registry,
        )
        Gauge("chairside_up", "1 while the hub runs", registry=registry).set(1)

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """``route`` is the pattern, e.g. ``/api/appointments/{id}``: never a path with ids."""
        self._requests.observe((method, route, str(status)), seconds)

    def command(self, namespace: str, event: str, outcome: str, seconds: float) -> None:
        """``event`` must be a known one (unknown names are ``unknown``); ``outcome`` is
        ``ok`` or the refusal's code."""
        self._commands.observe((namespace, event, outcome), seconds)

    def commit(self, commands: int, seconds: float) -> None:
        self.totals.commits += 1
        self.totals.commands += commands
        self.commit_times_ms.append(seconds * 1000)
        self._commit_seconds.observe(seconds)
        self._commit_size.observe(commands)

    def delivered(self, delivery: Delivery) -> None:
        """What became of a broadcast: sent, after how many attempts, or given up."""
        retries = delivery.attempts - 1
        self.totals.retries += retries
        self._retries.inc(retries)
        if delivery.problem is not None:
            self.totals.problems[delivery.problem] += 1
        if not delivery.sent:
            self.totals.failures += 1
            self._failures.inc()
            return
        self.totals.broadcasts += 1
        self.latencies_ms.append(delivery.latency_ms)
        self._latency.observe(delivery.latency_ms / 1000)
        self._recipients.inc(delivery.recipients)

    def slow_reader(self) -> None:
        self.totals.slow_readers += 1
        self._slow_readers.inc()

    def stream_ended(self, reason: str) -> None:
        self._streams_ended.labels(reason).inc()

    def webhook_attempt(self, outcome: str, seconds: float) -> None:
        """``delivered``, ``refused`` (an answer, but no) or ``failed`` (no answer)."""
        self._webhook_attempts.labels(outcome).observe(seconds)

    def webhook_disabled(self, reason: str) -> None:
        self._webhooks_disabled.labels(reason).inc()

    def watch(self, gauges: Gauges) -> None:
        """From now on also show the current values; called once, by the composition root."""
        self._registry.register(_Watched(gauges))

    def watch_cluster(self, counters: Figures, gauges: Figures) -> None:
        """Of one of several nodes: also show its part; called once."""
        self._registry.register(_WatchedCluster(counters, gauges))

    def render(self) -> tuple[bytes, str]:
        """Everything in Prometheus' text format, and its content type."""
        return generate_latest(self._registry), CONTENT_TYPE_PLAIN_0_0_4


class _Timings(Collector):
    """A histogram of what happens with each request, always in the thread of the loop.

    The library's takes two locks and looks through the buckets for each observation.
    """

    def __init__(self, name: str, text: str, labels: Sequence[str]) -> None:
        self._name, self._text, self._labels = name, text, labels
        self._counts: dict[tuple[str, ...], list[int]] = {}
        """By labels, one for each bucket, the last without a bound."""
        self._sums: dict[tuple[str, ...], float] = {}

    def observe(self, labels: tuple[str, ...], seconds: float) -> None:
        counts = self._counts.get(labels)
        if counts is None:
            counts = self._counts[labels] = [0] * (len(_SECONDS) + 1)
            self._sums[labels] = 0.0
        counts[bisect_left(_SECONDS, seconds)] += 1
        self._sums[labels] += seconds

    def collect(self) -> Iterator[Metric]:
        family = HistogramMetricFamily(self._name, self._text, labels=self._labels)
        bounds = [*map(str, _SECONDS), "+Inf"]
        for labels, counts in self._counts.items():
            buckets = list(zip(bounds, accumulate(counts), strict=True))
            family.add_metric(labels, buckets, self._sums[labels])
        yield family


class _Watched(Collector):
    def __init__(self, gauges: Gauges) -> None:
        self._gauges = gauges

    def collect(self) -> Iterator[Metric]:
        gauges = self._gauges
        for name, text, value in (
            ("calendars", "Calendars in memory", gauges.live_calendars()),
            ("mailbox_depth", "Commands waiting at the busiest calendar", gauges.deepest_mailbox()),
            ("holds", "Slots held for patients", gauges.holds()),
            ("webhooks", "Active webhooks", gauges.webhooks()),
            ("webhooks_failing", "Channels waiting for a receiver", gauges.webhooks_failing()),
        ):
            yield GaugeMetricFamily(f"chairside_{name}", text, value=value)
        connections = GaugeMetricFamily(
            "chairside_connections", "Connected sockets by namespace", labels=("namespace",)
        )
        for namespace, count in sorted(gauges.connections().items()):
            connections.add_metric((namespace,), count)
        yield connections
        lookups = CounterMetricFamily(
            "chairside_cache_lookups", "Look-ups by cache and result", labels=("cache", "result")
        )
        for cache, counted in sorted(gauges.cache_lookups().items()):
            lookups.add_metric((cache, "hit"), counted.hits)
            lookups.add_metric((cache, "miss"), counted.misses)
        yield lookups


class _WatchedCluster(Collector):
    def __init__(self, counters: Figures, gauges: Figures) -> None:
        self._counters, self._gauges = counters, gauges

    def collect(self) -> Iterator[Metric]:
        """What each is: docs/operations.md."""
        for name, value in self._counters().items():
            text = f"Of this node in the cluster: {name}"
            yield CounterMetricFamily(f"chairside_cluster_{name}", text, value=value)
        for name, value in self._gauges().items():
            text = f"Of this node in the cluster: {name}"
            yield GaugeMetricFamily(f"chairside_cluster_{name}", text, value=value)
