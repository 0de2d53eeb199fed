"""What the other nodes ask this one: on an address of its own, signed, or not answered."""

import time
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from aiohttp import web

from actors.domain.refusals import CalendarBusy, Refusal, Unavailable
from actors.ports.commits import CommitFailure
from hub.cluster.internal.codec import Unreadable, dumps, loads
from hub.cluster.internal.node_client import FROM, NONCE, SIGNATURE, TIME, TO, Link, NotThere
from hub.cluster.internal.signing import Forged, Seen, check, sign

log = structlog.get_logger(__name__)

REQUEST_BYTES_MAX = 1024 * 1024

Handler = Callable[[Any], Awaitable[Any]]


def internal_app(link: Link, handlers: dict[str, Handler]) -> web.Application:
    """POST routes by path; ``link`` says who this node is and which key it signs with.

    An unsigned request is answered 404 without a body: there is nothing here for strangers.
    """
    app = web.Application(client_max_size=REQUEST_BYTES_MAX)
    seen = Seen()
    for path, handler in handlers.items():
        app.router.add_post(path, _guarded(link, seen, handler))
    return app


def _guarded(
    link: Link, seen: Seen, handler: Handler
) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        try:
            body = await _checked(request, link, seen)
        except Forged as error:
            log.warning("internal_request_refused", peer=request.remote, why=str(error))
            return web.Response(status=404)
        status, said = await _answered(handler, body)
        raw = dumps(said)
        signature = sign(link.key, request.headers[NONCE], str(status), raw)
        return web.Response(status=status, body=raw, headers={SIGNATURE: signature})

    return handle


async def _checked(request: web.Request, link: Link, seen: Seen) -> bytes:
    headers = request.headers
    try:
        sender, to, sent, nonce, signature = (
            headers[name] for name in (FROM, TO, TIME, NONCE, SIGNATURE)
        )
        sent_s = float(sent)
    except (KeyError, ValueError) as error:
        raise Forged("unsigned") from error
    body = await request.read()
    check(link.key, signature, request.path, sender, to, sent, nonce, body)
    seen.take(nonce, sent_s, time.time())
    if to != link.me:
        raise Forged("for another node, or for a life before this one")
    return body


async def _answered(handler: Handler, body: bytes) -> tuple[int, Any]:
    try:
        return 200, await handler(loads(body))
    except NotThere as elsewhere:
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
