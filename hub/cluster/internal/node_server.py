"""Answers the requests of other nodes, on an address of their own."""

import time
from collections.abc import Awaitable, Callable, Mapping

import structlog
from aiohttp import web

from actors.domain.refusals import CalendarBusy, Refusal, Unavailable
from actors.ports.commits import CommitFailure
from hub.cluster.internal.codec import JsonObject, Unreadable, dumps, loads
from hub.cluster.internal.node_client import FROM, NONCE, SIGNATURE, TIME, TO, NotOwner
from hub.cluster.internal.signing import NonceCache, NotAuthentic, check, sign
from hub.cluster.members.membership import Membership

log = structlog.get_logger(__name__)

REQUEST_BYTES_MAX = 1024 * 1024

NodeHandler = Callable[[JsonObject], Awaitable[JsonObject]]
"""Answers a request with JSON; may raise NotOwner, CalendarBusy, Unavailable or CommitFailure."""


def internal_app(membership: Membership, handlers: Mapping[str, NodeHandler]) -> web.Application:
    """POST routes by path. A request that no node signed is answered 404, without a body."""
    app = web.Application(client_max_size=REQUEST_BYTES_MAX)
    nonces = NonceCache()
    for path, handler in handlers.items():
        app.router.add_post(path, _authenticated(membership, nonces, handler))
    return app


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
