"""The figures of all nodes as those of one hub, for ``hub:status``."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from hub.telemetry.figures import CALENDARS_SHOWN, PROBLEMS_SHOWN, sockets

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


def merged(own: Mapping[str, Any], others: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Sums where figures add up, the worst where they do not; ``own`` decides the fields."""
    told = [own, *others]
    whole = dict(own)
    for name in _SUMMED:
        if name in own:
            whole[name] = round(sum(each.get(name) or 0 for each in told), 1)
    for name in _LARGEST:
        if name in own:
            known = [each[name] for each in told if each.get(name) is not None]
            whole[name] = max(known, default=None)
    rooms: dict[str, int] = {}
    for each in told:
        for namespace, count in (each.get("connections") or {}).items():
            rooms[namespace] = rooms.get(namespace, 0) + count
    whole["connections"], whole["sockets"] = rooms, sockets(rooms)
    whole["nodes"] = [node for each in told for node in each.get("nodes") or ()]
    calendars = [calendar for each in told for calendar in each.get("busiest") or ()]
    whole["busiest"] = sorted(calendars, key=_most_to_do_first)[:CALENDARS_SHOWN]
    reasons: Counter[str] = Counter()
    for each in told:
        reasons.update({p["reason"]: p["count"] for p in each.get("problems") or ()})
    whole["problems"] = [
        {"reason": reason, "count": count} for reason, count in reasons.most_common(PROBLEMS_SHOWN)
    ]
    commits = sum(each.get("commits_per_s") or 0 for each in told)
    commands = sum(
        (each.get("commits_per_s") or 0) * (each.get("commands_per_commit") or 0) for each in told
    )
    whole["commands_per_commit"] = round(commands / commits, 1) if commits else 0.0
    return whole


def _most_to_do_first(calendar: Mapping[str, Any]) -> tuple[int, int, float, str]:
    return (
        -calendar["waiting"],
        -calendar["holds"],
        -calendar["turn_ms"],
        calendar["dentist_id"],
    )
