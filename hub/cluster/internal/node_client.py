"""Requests to another node: one signed POST, one signed answer."""

import secrets
import time

import aiohttp

from actors.domain.refusals import CalendarBusy, Unavailable
from hub.cluster.internal.codec import JsonObject, Unreadable, dumps, loads
from hub.cluster.internal.signing import NotAuthentic, check, sign
from hub.cluster.members.membership import Membership
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
_GRACE_S = 0.5
"""How long after the deadline an answer is still accepted."""


class NotSent(Exception):
    """There was no connection: the other node has not received the request."""


class NoAnswer(Exception):
    """The request was sent, and its result is unknown."""


class NotOwner(Exception):
    """421: that node does not own the calendar; ``owner`` may."""

    def __init__(self, owner: str | None) -> None:
        super().__init__(owner)
        self.owner = owner


class NodeClient:
    """Sends requests as this node, over connections that are kept open."""

    def __init__(self, membership: Membership) -> None:
        self._members = membership
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=_CONNECTIONS, keepalive_timeout=30),
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def close(self) -> None:
        await self._session.close()

    async def post(self, node: Node, path: str, body: JsonObject, *, within_s: float) -> JsonObject:
        """The node's answer. Raises NotSent, NoAnswer, NotOwner, CalendarBusy, Unavailable."""
        key, me, raw = self._members.key, self._members.me, dumps(body)
        sent, nonce = f"{time.time():.3f}", secrets.token_hex(12)
        signature = sign(key, path, me, node.id, sent, nonce, raw)
        headers = {FROM: me, TO: node.id, TIME: sent, NONCE: nonce, SIGNATURE: signature}
        timeout = aiohttp.ClientTimeout(
            total=within_s + _GRACE_S, sock_connect=min(_CONNECT_S, within_s)
        )
        try:
            async with self._session.post(
                node.address + path, data=raw, headers=headers, timeout=timeout
            ) as answer:
                answered = await answer.read()
                status, signed = answer.status, answer.headers.get(SIGNATURE, "")
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise NotSent(f"{node.name}: {error}") from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise NoAnswer(f"{node.name}: {error!r}") from error
        try:
            check(key, signed, nonce, str(status), answered)
            return _result(status, loads(answered))
        except (NotAuthentic, Unreadable) as error:
            raise NoAnswer(f"{node.name}: answer {status}: {error}") from error


def _result(status: int, body: JsonObject) -> JsonObject:
    match status:
        case 200:
            return body
        case 421:
            owner = body.get("owner")
            raise NotOwner(owner if isinstance(owner, str) else None)
        case 429:
            raise CalendarBusy
        case _:
            raise Unavailable
