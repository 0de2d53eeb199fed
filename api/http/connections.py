"""Counts the connections of a listener, and decides which of them are served.

A connection beyond a limit is *reserved*: it may only check the health of the process, so that
a hub that is full still answers its supervisor. When all connections are in use, the one that
has waited longest for a request is closed to make room for the new one.
"""

import sys
import time
from collections.abc import Callable
from typing import Final, Protocol

import structlog

from api.http.forwarded import TrustedProxies, counted_as

log = structlog.get_logger(__name__)

RESERVED_MAX: Final = 16
"""Connections beyond the limits; when there are more, the oldest is closed."""
DESCRIPTORS_KEPT: Final = 192
"""Open files that the hub needs beside connections: the database's, the nodes' and webhooks'
connections, files, and the reserved connections; but at most half of what the system allows."""
_REPORT_EVERY_S: Final = 10.0


class Closable(Protocol):
    """A connection, as its table knows it."""

    def close_now(self) -> None:
        """Close it at once, without an answer."""
        ...


def descriptor_limit() -> int:
    """How many connections the limit of open files allows."""
    if sys.platform == "win32":
        return sys.maxsize
    import resource  # not there on Windows

    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return sys.maxsize
    return files - min(DESCRIPTORS_KEPT, files // 2)


class ConnectionTable:
    """The open connections of one listener.

    Every connection is opened once and closed once; ``waits`` and ``works`` record in between
    whether it waits for a request. Nothing here awaits.
    """

    def __init__(
        self,
        *,
        most: int,
        most_per_address: int,
        proxies: TrustedProxies,
        reserved_max: int = RESERVED_MAX,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """``most_per_address``: 0 is no limit; it does not apply to ``proxies``."""
        assert most > 0, "a listener without connections answers nothing"
        self._most, self._most_per_address = most, most_per_address
        self._proxies, self._reserved_max, self._monotonic = proxies, reserved_max, monotonic
        self._open: dict[Closable, str] = {}
        """What each served connection is counted under; empty for proxies."""
        self._of_address: dict[str, int] = {}
        self._waiting: dict[Closable, None] = {}
        """In the order in which they began to wait for a request."""
        self._reserved: dict[Closable, None] = {}
        self._refused, self._reported_at = 0, -_REPORT_EVERY_S

    def __len__(self) -> int:
        return len(self._open) + len(self._reserved)

    def open(self, connection: Closable, peer: str) -> bool:
        """Count a new connection of ``peer``; whether it is served, and not only reserved."""
        counted = "" if self._proxies.trusts(peer) else counted_as(peer)
        of_address = self._of_address.get(counted, 0)
        if counted and 0 < self._most_per_address <= of_address:
            self._reserve(connection, "per_address")
            return False
        if len(self._open) >= self._most and not self.make_room():
            self._reserve(connection, "all")
            return False
        self._open[connection] = counted
        if counted:
            self._of_address[counted] = self._of_address.get(counted, 0) + 1
        self._waiting[connection] = None
        return True

    def make_room(self) -> bool:
        """Close the connection that has waited longest for a request; false if none waits."""
        oldest = next(iter(self._waiting), None)
        if oldest is None:
            return False
        self.closed(oldest)
        oldest.close_now()
        return True

    def works(self, connection: Closable) -> None:
        """A request has begun."""
        self._waiting.pop(connection, None)

    def waits(self, connection: Closable) -> None:
        """A request has ended."""
        if connection in self._open:
            self._waiting[connection] = None

    def closed(self, connection: Closable) -> None:
        """The connection has ended; may be called again."""
        self._reserved.pop(connection, None)
        self._waiting.pop(connection, None)
        counted = self._open.pop(connection, "")
        if counted:
            self._of_address[counted] -= 1
            if not self._of_address[counted]:
                del self._of_address[counted]

    def _reserve(self, connection: Closable, limit: str) -> None:
        if len(self._reserved) >= self._reserved_max:
            oldest = next(iter(self._reserved))
            self.closed(oldest)
            oldest.close_now()
        self._reserved[connection] = None
        self._refused += 1
        if self._monotonic() >= self._reported_at + _REPORT_EVERY_S:
            log.warning("connections_refused", limit=limit, count=self._refused)
            self._refused, self._reported_at = 0, self._monotonic()
