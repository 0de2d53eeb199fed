"""The figures of all nodes as those of one hub, for ``hub:status`` (issue: cluster figures)."""

from collections.abc import Iterable, Mapping
from typing import Any

_SUMMED = ("calendars", "holds", "commits_per_s", "broadcasts_per_s", "retries", "failures")
_LARGEST = ("mailbox_depth", "latency_p50_ms", "latency_p99_ms")


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
    whole["connections"] = rooms
    commits = sum(each.get("commits_per_s") or 0 for each in told)
    commands = sum(
        (each.get("commits_per_s") or 0) * (each.get("commands_per_commit") or 0) for each in told
    )
    whole["commands_per_commit"] = round(commands / commits, 1) if commits else 0.0
    return whole
