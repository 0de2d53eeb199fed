"""How long this node surely owns what it owns, on its own monotonic clock.

The database grants a lease until *its* now + ``ttl_s``; that was after the request was
sent. So the lease is good for ``ttl_s`` from the sending on, whatever the two clocks say,
as long as this one runs at about the right speed: ``margin_s`` pays for that, and for the
time between looking at the clock and acting.
"""

from dataclasses import dataclass, replace


@dataclass(frozen=True, kw_only=True, slots=True)
class Lease:
    ttl_s: float
    margin_s: float
    sent_s: float | None = None
    """When the renewal was sent that the database last agreed to; ``None``: never, or lost."""
    unbroken_since_s: float | None = None
    """Since when there was always a lease: an outage of one's own proves nothing of others."""

    def __post_init__(self) -> None:
        assert 0 <= self.margin_s < self.ttl_s, "a lease outlasts its margin"

    def held(self, now_s: float) -> bool:
        """Whether nobody else can own anything of ours yet."""
        return self.sent_s is not None and now_s < self.sent_s + self.ttl_s - self.margin_s

    def left_s(self, now_s: float) -> float:
        return 0.0 if self.sent_s is None else max(0.0, self.sent_s + self.ttl_s - now_s)

    def renewed(self, sent_s: float) -> "Lease":
        """The database agreed to a renewal that was sent then."""
        assert self.sent_s is None or sent_s >= self.sent_s, "renewals are sent one by one"
        unbroken = self.unbroken_since_s if self.held(sent_s) else sent_s
        return replace(self, sent_s=sent_s, unbroken_since_s=unbroken)

    def lost(self) -> "Lease":
        """The node was buried: nothing is ours any more."""
        return replace(self, sent_s=None, unbroken_since_s=None)

    def may_bury(self, now_s: float) -> bool:
        """Whether a lapsed lease of another tells of that node, and not of the database.

        After an outage of the database every lease has lapsed; whoever is first back
        must leave the others the time to renew theirs.
        """
        since = self.unbroken_since_s
        return since is not None and self.held(now_s) and now_s - since >= self.ttl_s
