"""How long this node certainly owns its calendars, on its own monotonic clock.

The database grants a lease until its own "now" plus ``ttl_s``, and its "now" is later than the
sending of the request. So the lease holds for ``ttl_s`` from the sending, however far the two
clocks are apart, as long as this one runs at about the right speed. ``margin_s`` covers its
drift, and the time between a look at the clock and the action that follows.
"""

from dataclasses import dataclass, replace


@dataclass(frozen=True, kw_only=True, slots=True)
class Lease:
    ttl_s: float
    margin_s: float
    sent_s: float | None = None
    """When the last renewal that the database confirmed was sent; ``None`` without a lease."""
    unbroken_since_s: float | None = None
    """Since when this node has had a lease without interruption."""

    def __post_init__(self) -> None:
        assert 0 <= self.margin_s < self.ttl_s, "a lease outlasts its margin"

    def held(self, now_s: float) -> bool:
        """Whether no other node can own a calendar of this one yet."""
        return self.sent_s is not None and now_s < self.sent_s + self.ttl_s - self.margin_s

    def left_s(self, now_s: float) -> float:
        return 0.0 if self.sent_s is None else max(0.0, self.sent_s + self.ttl_s - now_s)

    def renewed(self, sent_s: float) -> "Lease":
        """The database confirmed a renewal that was sent at ``sent_s``."""
        assert self.sent_s is None or sent_s >= self.sent_s, "renewals are sent one by one"
        unbroken = self.unbroken_since_s if self.held(sent_s) else sent_s
        return replace(self, sent_s=sent_s, unbroken_since_s=unbroken)

    def lost(self) -> "Lease":
        """The node was evicted: it owns nothing any more."""
        return replace(self, sent_s=None, unbroken_since_s=None)

    def may_evict(self, now_s: float) -> bool:
        """Whether another node's expired lease means that node failed, not the database.

        After an outage of the database every lease has expired. The first node that is back
        must leave the others the time to renew theirs.
        """
        since = self.unbroken_since_s
        return since is not None and self.held(now_s) and now_s - since >= self.ttl_s
