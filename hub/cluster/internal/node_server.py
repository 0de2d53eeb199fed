"""Answers the requests of other nodes, on an address of their own."""

import socket
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager

import structlog
from aiohttp import web

from actors.domain.refusals import CalendarBusy, Refusal, Unavailable
from actors.ports.commits import CommitFailure
from api.client_faults import client_left, is_client_fault
from api.http.connection import Deadlines
from api.http.connections import ConnectionTable, descriptor_limit
from api.http.forwarded import TrustedProxies
from api.http.site import Limits, serving
from hub.cluster.internal.codec import JsonObject, Unreadable, dumps, loads
from hub.cluster.internal.node_client import FROM, NONCE, SIGNATURE, TIME, TO, NotOwner
from hub.cluster.internal.signing import NonceCache, NotAuthentic, check, sign
from hub.cluster.members.membership import Membership

log = structlog.get_logger(__name__)

REQUEST_BYTES_MAX = 1024 * 1024
_CONNECTIONS_MAX = 1000
_LINE_BYTES_MAX = 8 * 1024
_CLOSE_S = 2.0
"""How long requests of other nodes may take when this node stops."""
_DEADLINES = Deadlines(
    first_byte_s=10.0,
    head_s=5.0,
    body_s=10.0,
    send_s=10.0,
    keep_alive_s=60.0,  # longer than other nodes keep them (node_client.py)
)

NodeHandler = Callable[[JsonObject], Awaitable[JsonObject]]
"""Answers a request with JSON; may raise NotOwner, CalendarBusy, Unavailable or CommitFailure."""


def internal_app(membership: Membership, handlers: Mapping[str, NodeHandler]) -> web.Application:
    """POST routes by path. A request that no node signed is answered 404, without a body."""
    app = web.Application(client_max_size=REQUEST_BYTES_MAX)
    nonces = NonceCache()
    for path, handler in handlers.items():
        app.router.add_post(path, _authenticated(membership, nonces, handler))
    return app


def serving_nodes(
    app: web.Application, listener: socket.socket, deadlines: Deadlines = _DEADLINES
) -> AbstractAsyncContextManager[ConnectionTable]:
    """Answer the other nodes until the block ends, within the limits of their connections."""
    limits = Limits(
        deadlines=deadlines,
        most=min(_CONNECTIONS_MAX, descriptor_limit()),
        most_per_address=0,
        proxies=TrustedProxies(),
    )
    return serving(
        app,
        listener,
        limits,
        _NodeRefusals(),
        max_line_bytes=_LINE_BYTES_MAX,
        shutdown_s=_CLOSE_S,
    )


class _NodeRefusals:
    """Refuses without a body what is no request of a node."""

    def unreadable(self, request: web.BaseRequest, error: BaseException | None) -> web.Response:
        return _refused(400, type(error).__name__)

    def failed(self, request: web.BaseRequest, error: BaseException | None) -> web.Response:
        if client_left(request, error) or is_client_fault(error):
            return _refused(400, type(error).__name__)
        log.error("internal_request_failed", exc_info=error)
        return web.Response(status=500)

    def raised(self, request: web.BaseRequest, error: web.HTTPException) -> web.Response:
        return _refused(error.status, error.reason)

    def too_slow(self) -> bytes:
        _refused(408, "too slow")
        return b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def _refused(status: int, why: str) -> web.Response:
    log.warning("internal_request_refused", why=why)
    return web.Response(status=status)


def _authenticated(
    membership: Membership, nonces: NonceCache, handler: NodeHandler
) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        try:
            body = await _authentic_body(request, membership, nonces)
        except NotAuthentic as error:
            log.warning("internal_request_refused", peer=request.remote, why=str(error))
            return web.Response(status=404)
        status, answer = await _answer(handler, body)
        raw = dumps(answer)
        signature = sign(membership.key, request.headers[NONCE], str(status), raw)
        return web.Response(status=status, body=raw, headers={SIGNATURE: signature})

    return handle


async def _authentic_body(
    request: web.Request, membership: Membership, nonces: NonceCache
) -> bytes:
    headers = request.headers
    try:
        sender, receiver, sent, nonce, signature = (
            headers[name] for name in (FROM, TO, TIME, NONCE, SIGNATURE)
        )
        sent_s = float(sent)
    except (KeyError, ValueError) as error:
        raise NotAuthentic("unsigned") from error
    body = await request.read()
    check(membership.key, signature, request.path, sender, receiver, sent, nonce, body)
    nonces.add(nonce, sent_s, time.time())
    if receiver != membership.me:
        raise NotAuthentic("for another node, or for an earlier incarnation of this one")
    return body


async def _answer(handler: NodeHandler, body: bytes) -> tuple[int, JsonObject]:
    try:
        return 200, await handler(loads(body))
    except NotOwner as elsewhere:
        return 421, {"owner": elsewhere.owner}
    except CalendarBusy:
        return 429, {}
    except (Unavailable, CommitFailure, Unreadable) as error:
        log.info("internal_request_unanswered", why=str(error))
        return 503, {}
    except Refusal:
        raise AssertionError("refusals are answers, and travel in the body") from None
    except Exception:
        log.exception("internal_request_failed")
        return 500, {}
