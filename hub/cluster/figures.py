"""The figures of all nodes as those of one hub, for ``hub:status`` and for metrics."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from actors.ports.clock import Clock
from actors.relay.repair import ChannelRepair
from hub.cluster.calendars.forwarded import ForwardedRequests
from hub.cluster.calendars.ownership import Ownership
from hub.cluster.calendars.router import Router
from hub.cluster.local_node import LocalNode
from hub.cluster.stream.receiver import StreamReceiver
from hub.telemetry.figures import (
    CALENDARS_SHOWN,
    PROBLEMS_SHOWN,
    Load,
    StatusFigures,
    busiest_first,
    sockets,
)

_SUMMED = (
    "calendars",
    "holds",
    "commits_per_s",
    "broadcasts_per_s",
    "retries",
    "failures",
    "slow_readers",
)
_LARGEST = (
    "mailbox_depth",
    "latency_p50_ms",
    "latency_p95_ms",
    "latency_p99_ms",
    "commit_p99_ms",
)
_SHOWN_OF_NODES = (
    "moves",
    "hops",
    "repairs",
    "stream_up",
    "stream_lag_seconds",
    "lease_left_seconds",
)


class ClusterFigures:
    """The counters and gauges of this node in the cluster, and the status of the whole hub."""

    def __init__(
        self,
        node: LocalNode,
        ownership: Ownership,
        router: Router,
        forwarded: ForwardedRequests,
        receiver: StreamReceiver,
        repair: ChannelRepair,
        clock: Clock,
    ) -> None:
        self._node, self._members = node, node.membership
        self._ownership, self._router, self._forwarded = ownership, router, forwarded
        self._receiver, self._repair, self._clock = receiver, repair, clock

    def counters(self) -> Mapping[str, float]:
        """Since the start; their meaning: docs/operations.md."""
        return {
            "moves": self._ownership.moves,
            "claims": self._node.claims.claims,
            "hops": self._router.hops,
            "redirects": self._router.redirects,
            "unanswered": self._router.unanswered,
            "served": self._forwarded.served,
            "buried": self._members.evictions,
            "lives": self._members.incarnations,
            "repairs": self._repair.repairs,
            "stream_breaks": self._receiver.gaps,
            "stream_sent": self._node.writer.sent,
            "stream_received": self._receiver.reader.received,
            "stream_dropped": self._node.writer.dropped,
        }

    def gauges(self) -> Mapping[str, float]:
        return {
            "nodes": len(self._members.view.nodes),
            "lease_left_seconds": self._members.lease_left_s,
            "stream_up": float(self._receiver.reader.up),
            "stream_lag_seconds": self._receiver.lag_ms / 1_000,
            "stream_waiting": self._node.writer.waiting,
        }

    def publish(self, own: StatusFigures) -> StatusFigures:
        """Publish the figures of this node; returns those of the whole hub."""
        members = self._members
        own_with_cluster = {**own, "cluster": {**self.counters(), **self.gauges()}}
        self._node.publisher.publish_beat(own_with_cluster)
        others = [b.figures for node, b in self._receiver.beats.items() if node != members.me]
        return {
            **merged(own, others),
            "redis": {"status": "ok" if self._receiver.reader.up else "away"},
            "cluster": {
                "node": members.me,
                "epoch": members.view.epoch,
                "nodes": [
                    self._shown(node.id, node.name, own_with_cluster)
                    for node in members.roster.nodes
                ],
            },
        }

    def _shown(self, node_id: str, name: str, own: StatusFigures) -> StatusFigures:
        beat = self._receiver.beats.get(node_id)
        figures: StatusFigures = beat.figures if beat else {}
        age_s = round(self._clock.monotonic() - beat.received_s, 1) if beat else None
        if node_id == self._members.me:
            figures, age_s = own, 0.0
        return {
            "id": node_id,
            "name": name,
            "leaving": node_id in self._members.view.leaving,
            "heard_s_ago": age_s,
            "calendars": figures.get("calendars"),
            "connections": sum((figures.get("connections") or {}).values()),
            **{k: v for k, v in (figures.get("cluster") or {}).items() if k in _SHOWN_OF_NODES},
        }


def merged(own: StatusFigures, others: Iterable[StatusFigures]) -> dict[str, Any]:
    """Sums where figures add up, the worst where they do not; ``own`` decides the fields."""
    every = [own, *others]
    whole = dict(own)
    for name in _SUMMED:
        if name in own:
            whole[name] = round(sum(each.get(name) or 0 for each in every), 1)
    for name in _LARGEST:
        if name in own:
            known = [each[name] for each in every if each.get(name) is not None]
            whole[name] = max(known, default=None)
    connections: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    for each in every:
        connections.update(each.get("connections") or {})
        reasons.update({p["reason"]: p["count"] for p in each.get("problems") or ()})
    whole["connections"], whole["sockets"] = dict(connections), sockets(connections)
    whole["nodes"] = [node for each in every for node in each.get("nodes") or ()]
    calendars = [calendar for each in every for calendar in each.get("busiest") or ()]
    whole["busiest"] = sorted(calendars, key=_load)[:CALENDARS_SHOWN]
    whole["problems"] = [
        {"reason": reason, "count": count} for reason, count in reasons.most_common(PROBLEMS_SHOWN)
    ]
    commits = sum(each.get("commits_per_s") or 0 for each in every)
    commands = sum(
        (each.get("commits_per_s") or 0) * (each.get("commands_per_commit") or 0) for each in every
    )
    whole["commands_per_commit"] = round(commands / commits, 1) if commits else 0.0
    return whole


def _load(calendar: StatusFigures) -> Load:
    return busiest_first(
        calendar["waiting"], calendar["holds"], calendar["turn_ms"], calendar["dentist_id"]
    )
