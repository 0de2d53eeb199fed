"""What the routes of visit links need of the hub."""

from dataclasses import dataclass
from typing import Final

from aiohttp import web

from actors.services.linked_visits import LinkedVisits
from api.ratelimit import RateLimiter

VISIT_RATE_PER_S: Final = 2.0
VISIT_BURST: Final = 100
"""Requests of one client address, behind which there may be many patients."""
LINK_RATE_PER_S: Final = 1.0
LINK_BURST: Final = 30
"""Requests about one visit."""
VISIT_CHANGES_PER_HOUR: Final = 10
"""Confirmations, moves and cancellations of one visit, at one node."""


@dataclass(frozen=True, kw_only=True, slots=True)
class VisitDeps:
    public_url: str
    """The address of the hub for browsers, without a path."""
    visits: LinkedVisits
    includes_type: bool
    """Whether the page names the appointment type, as messages do."""
    addresses: RateLimiter
    """Of the requests of one client address."""
    reads: RateLimiter
    """Of the requests about one visit."""
    changes: RateLimiter
    """Of the changes of one visit."""


VISITS = web.AppKey("visits", VisitDeps)
