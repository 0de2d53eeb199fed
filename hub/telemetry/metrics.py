"""Metrics for Prometheus, and the running totals that the status page is made from.

Each hub has an instance with a registry of its own: nothing is global. The parts of the hub
report what happens; current values are read at each scrape.
"""

from collections import Counter as Counter_
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from actors.ports.events import Delivery

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_SIZES = (1, 2, 4, 8, 16, 32, 64)
_LATENCIES_KEPT = 4096


@dataclass(frozen=True, kw_only=True, slots=True)
class CalendarFigures:
    """The load of one calendar, for the status page."""

    dentist_id: str
    waiting: int
    """Commands in the mailbox."""
    turn_ms: float
    """The time of the last batch, from the mailbox to the replies."""
    holds: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Gauges:
    """Current values, as functions that are called at each scrape."""

    live_calendars: Callable[[], int]
    deepest_mailbox: Callable[[], int]
    """Commands that wait at the calendar with the longest queue."""
    holds: Callable[[], int]
    connections: Callable[[], Mapping[str, int]]
    """Connected sockets by namespace."""
    webhooks: Callable[[], int] = int
    """Active webhooks."""
    webhooks_failing: Callable[[], int] = int
    """Channels of webhooks that wait for another attempt."""
    cache_lookups: Callable[[], Mapping[str, Mapping[str, int]]] = dict
    """By cache, since the start."""
    busiest: Callable[[], Sequence[CalendarFigures]] = tuple
    """The calendars with the highest load, as many as the status page shows."""


ReadValues = Callable[[], Mapping[str, float]]
"""Current values by name."""


@dataclass(kw_only=True, slots=True)
class Totals:
    """Totals since the start; a rate is the difference of two readings."""

    commits: int = 0
    commands: int = 0
    broadcasts: int = 0
    retries: int = 0
    failures: int = 0
    slow_readers: int = 0
    problems: Counter_[str] = field(default_factory=Counter_)
    """Exception classes of failed broadcast attempts."""


class Metrics:
    """Counts what the parts of one hub report; :meth:`render` shows it to Prometheus."""

    def __init__(self) -> None:
        self.totals = Totals()
        self.latencies_ms: deque[float] = deque(maxlen=_LATENCIES_KEPT)
        """From commit to broadcast, since the figures were last taken."""
        self.commit_times_ms: deque[float] = deque(maxlen=_LATENCIES_KEPT)
        """Durations of commits, since the figures were last taken."""
        self._registry = CollectorRegistry()
        requests = self._histogram(
            "request_seconds",
            "API requests by route and status, and how long they took",
            ("method", "route", "status"),
        )
        commands = self._histogram(
            "socket_command_seconds",
            "Socket.IO commands by event and outcome, and how long they took",
            ("namespace", "event", "outcome"),
        )
        # each request and command looks its series up
        self._request_series = lru_cache(maxsize=1_024)(requests.labels)
        self._command_series = lru_cache(maxsize=1_024)(commands.labels)
        self._commit_seconds = self._histogram("commit_seconds", "Transactions")
        self._commit_size = self._histogram(
            "commit_commands", "Commands in one transaction", buckets=_SIZES
        )
        self._latency = self._histogram(
            "broadcast_latency_seconds", "From the commit of an event to the end of its broadcast"
        )
        self._recipients = self._counter("deliveries", "Events handed to sockets")
        self._retries = self._counter("broadcast_retries", "Repeated broadcast attempts")
        self._failures = self._counter("broadcast_failures", "Broadcasts given up")
        self._slow_readers = self._counter(
            "slow_readers", "Sockets closed because they did not read"
        )
        self._streams_ended = self._counter(
            "streams_ended", "Event streams over HTTP that ended, by reason", ("reason",)
        )
        self._webhook_attempts = self._histogram(
            "webhook_attempt_seconds",
            "Requests to receivers of webhooks by outcome, and how long they took",
            ("outcome",),
            buckets=(*_SECONDS, 10.0),
        )
        self._webhooks_disabled = self._counter(
            "webhooks_disabled", "Webhooks that the hub gave up, by reason", ("reason",)
        )
        self._messages = self._counter(
            "messages", "Attempts to send a message, by channel and outcome", ("channel", "outcome")
        )
        Gauge("chairside_up", "1 while the hub runs", registry=self._registry).set(1)

    def _counter(self, name: str, text: str, labels: Sequence[str] = ()) -> Counter:
        return Counter(f"chairside_{name}", text, labels, registry=self._registry)

    def _histogram(
        self,
        name: str,
        text: str,
        labels: Sequence[str] = (),
        *,
        buckets: Sequence[float] = _SECONDS,
    ) -> Histogram:
        return Histogram(
            f"chairside_{name}", text, labels, buckets=buckets, registry=self._registry
        )

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """``route`` is the pattern, e.g. ``/api/appointments/{id}``: never a path with ids."""
        self._request_series(method, route, str(status)).observe(seconds)

    def command(self, namespace: str, event: str, outcome: str, seconds: float) -> None:
        """``event`` is a known name or ``unknown``; ``outcome`` is ``ok`` or a refusal's code."""
        self._command_series(namespace, event, outcome).observe(seconds)

    def commit(self, commands: int, seconds: float) -> None:
        self.totals.commits += 1
        self.totals.commands += commands
        self.commit_times_ms.append(seconds * 1000)
        self._commit_seconds.observe(seconds)
        self._commit_size.observe(commands)

    def delivered(self, deliveries: Sequence[Delivery]) -> None:
        """The outcomes of broadcasts: sent, after some attempts, or given up."""
        totals, sent = self.totals, [each for each in deliveries if each.sent]
        totals.problems.update(each.problem for each in deliveries if each.problem is not None)
        if retries := sum(each.attempts for each in deliveries) - len(deliveries):
            totals.retries += retries
            self._retries.inc(retries)
        if failures := len(deliveries) - len(sent):
            totals.failures += failures
            self._failures.inc(failures)
        if recipients := sum(each.recipients for each in sent):
            self._recipients.inc(recipients)
        totals.broadcasts += len(sent)
        for each in sent:
            self.latencies_ms.append(each.latency_ms)
            self._latency.observe(each.latency_ms / 1000)

    def message(self, channel: str, outcome: str) -> None:
        """``outcome`` is ``sent``, or why it was not."""
        self._messages.labels(channel, outcome).inc()

    def slow_reader(self) -> None:
        self.totals.slow_readers += 1
        self._slow_readers.inc()

    def stream_ended(self, reason: str) -> None:
        self._streams_ended.labels(reason).inc()

    def webhook_attempt(self, outcome: str, seconds: float) -> None:
        """``outcome``: ``delivered``, ``refused`` (another status) or ``failed`` (no answer)."""
        self._webhook_attempts.labels(outcome).observe(seconds)

    def webhook_disabled(self, reason: str) -> None:
        self._webhooks_disabled.labels(reason).inc()

    def watch(self, gauges: Gauges) -> None:
        """Show current values, too; to be called once, by the composition root."""
        self._registry.register(_Values(lambda: _current_values(gauges)))

    def watch_cluster(self, counters: ReadValues, gauges: ReadValues) -> None:
        """Show the values of a node of a cluster, too; to be called once."""
        self._registry.register(_Values(lambda: _cluster_values(counters, gauges)))

    def render(self) -> tuple[bytes, str]:
        """All metrics in the text format of Prometheus, and its content type."""
        return generate_latest(self._registry), CONTENT_TYPE_PLAIN_0_0_4


class _Values(Collector):
    """Reads current values at each scrape."""

    def __init__(self, read: Callable[[], Iterator[Metric]]) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        return self._read()


def _current_values(gauges: Gauges) -> Iterator[Metric]:
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
        for result, count in counted.items():
            lookups.add_metric((cache, result), count)
    yield lookups


def _cluster_values(counters: ReadValues, gauges: ReadValues) -> Iterator[Metric]:
    """Their meaning: docs/operations.md."""
    for name, value in counters().items():
        text = f"Of this node in the cluster: {name}"
        yield CounterMetricFamily(f"chairside_cluster_{name}", text, value=value)
    for name, value in gauges().items():
        text = f"Of this node in the cluster: {name}"
        yield GaugeMetricFamily(f"chairside_cluster_{name}", text, value=value)
