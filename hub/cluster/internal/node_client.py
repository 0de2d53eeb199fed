"""Asking another node: one signed POST, one signed answer."""

import secrets
import time
from typing import Any

import aiohttp

from actors.domain.refusals import CalendarBusy, Unavailable
from hub.cluster.internal.codec import Unreadable, dumps, loads
from hub.cluster.internal.signing import Forged, check, sign
from store.postgres.nodes import Node

FROM, TO, TIME, NONCE, SIGNATURE = (
    "X-Hub-From",
    "X-Hub-To",
    "X-Hub-Time",
    "X-Hub-Nonce",
    "X-Hub-Signature",
)
_CONNECT_S = 1.0
_CONNECTIONS = 200
_BEYOND_S = 0.5
"""How much longer than the deadline an answer is waited for."""


class NeverSent(Exception):
    """No connection: the other node knows nothing of the request."""


class NoAnswer(Exception):
    """It was sent, and what became of it is unknown."""


class NotThere(Exception):
    """421: that node does not have the calendar; ``owner`` may."""

    def __init__(self, owner: str | None) -> None:
        super().__init__(owner)
        self.owner = owner


class Link:
    """Connections to the other nodes, kept open; ``key`` and ``me`` may change with a life."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None
        self.me, self.key = "", b""

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def post(self, node: Node, path: str, said: Any, *, within_s: float) -> Any:
        """The other's answer. Raises NeverSent, NoAnswer, NotThere, CalendarBusy, Unavailable."""
        body = dumps(said)
        sent, nonce = f"{time.time():.3f}", secrets.token_hex(12)
        signature = sign(self.key, path, self.me, node.id, sent, nonce, body)
        headers = {FROM: self.me, TO: node.id, TIME: sent, NONCE: nonce, SIGNATURE: signature}
        timeout = aiohttp.ClientTimeout(
            total=within_s + _BEYOND_S, sock_connect=min(_CONNECT_S, within_s)
        )
        try:
            async with self._open().post(
                node.address + path, data=body, headers=headers, timeout=timeout
            ) as answer:
                raw = await answer.read()
                status, signed = answer.status, answer.headers.get(SIGNATURE, "")
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise NeverSent(f"{node.name}: {error}") from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise NoAnswer(f"{node.name}: {error!r}") from error
        try:
            check(self.key, signed, nonce, str(status), raw)
            return _meaning(status, loads(raw))
        except (Forged, Unreadable) as error:
            raise NoAnswer(f"{node.name}: answer {status}: {error}") from error

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=_CONNECTIONS, keepalive_timeout=30)
            self._session = aiohttp.ClientSession(
                connector=connector, auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()
            )
        return self._session


def _meaning(status: int, said: Any) -> Any:
    match status:
        case 200:
            return said
        case 421:
            raise NotThere(said.get("owner"))
        case 429:
            raise CalendarBusy
        case _:
            raise Unavailable
