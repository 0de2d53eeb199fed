"""The HTTP side of Engine.IO: which request is answered how (protocol revision 4).

python-engineio deviates from the protocol here, so nothing of its request handling is
used. What it does otherwise, and this does as published:

* refusals have the reference server's bodies (``{"code":0,"message":"Transport
  unknown"}``), in JSON; a payload that is too large gets 413;
* ``transport`` and ``EIO`` must be sent; unknown methods are refused in the same form;
* two polls, or two posts, of one session at a time end it;
* a second WebSocket of a session is closed, and harms the first one in nothing;
* a payload may hold more than 16 packets; what is posted without a length counts, too;
* ``ok`` answers a post; polls are not stored by anybody (``Cache-Control``);
* a page of an origin that may not connect gets 403, and preflights are answered in full.
  The reference leaves this to browsers, which do not check WebSockets;
* there is no JSONP: the protocol has dropped it, and it would let any page read.
"""

import asyncio
from typing import Generic, Protocol, TypeVar
from urllib.parse import urlsplit

import orjson
import structlog
from aiohttp import web

from api.realtime.engineio.protocol import (
    BAD_REQUEST,
    FORBIDDEN,
    TOO_LARGE,
    Asked,
    Fault,
    Incoming,
    Malformed,
    Transport,
    fault_of,
    packets_of,
)

log = structlog.get_logger(__name__)

PATH = "/socket.io/"
_PREFLIGHT_S = 600
_PACKETS_A_TURN = 64


class Session(Protocol):
    """One Engine.IO session, as its requests see it."""

    posting: bool
    """A post is being read."""

    @property
    def polling(self) -> bool:
        """A poll waits for packets."""
        ...

    async def payload(self) -> str:
        """What there is to send, as soon as there is something."""
        ...

    async def receive(self, packet: Incoming) -> None:
        """Raises Malformed."""
        ...

    async def cut(self, *, goodbye: bool = False) -> None:
        """End it without delay; ``goodbye`` tells the poll that waits."""
        ...


AnySession = TypeVar("AnySession", bound=Session)


class Sessions(Protocol[AnySession]):
    """Where sessions are found and made."""

    def transport_of(self, sid: str) -> Transport | None:
        """``None``: there is no such session."""
        ...

    def session(self, sid: str) -> AnySession: ...

    async def open_polling(self) -> AnySession: ...

    async def open_websocket(self, request: web.Request) -> web.StreamResponse:
        """Serve a new session until it ends."""
        ...

    async def upgrade(self, session: AnySession, request: web.Request) -> web.StreamResponse:
        """Let a polling session go on over a WebSocket, or close that at once."""
        ...


class _Refused(Exception):
    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


class Endpoint(Generic[AnySession]):
    """Attach it to the application; ``origins`` are those whose pages may connect."""

    def __init__(
        self, sessions: Sessions[AnySession], origins: tuple[str, ...], max_body_bytes: int
    ) -> None:
        self._sessions, self._origins = sessions, origins
        self._max_body_bytes = max_body_bytes

    def attach(self, app: web.Application) -> None:
        app.router.add_route("*", PATH, self.handle)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        origin = request.headers.get("Origin")
        allowed = origin is None or self._may_connect(origin, request)
        try:
            if request.method == "OPTIONS":
                response: web.StreamResponse = _preflight(request, allowed=allowed)
            elif not allowed:
                raise _Refused(FORBIDDEN)
            else:
                response = await self._answer(request)
        except _Refused as refused:
            response = _refusal(refused.fault)
            log.info("socket_request_refused", why=refused.fault.message, method=request.method)
        if not response.prepared:
            response.headers["Cache-Control"] = "no-store"
            response.headers["Vary"] = "Origin"
            if origin is not None and allowed:
                response.headers["Access-Control-Allow-Origin"] = origin
        return response

    def _may_connect(self, origin: str, request: web.Request) -> bool:
        if "*" in self._origins or origin in self._origins:
            return True
        host = request.headers.get("X-Forwarded-Host") or request.host
        return urlsplit(origin).netloc == host

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        asked = _asked(request)
        current = self._sessions.transport_of(asked.session) if asked.session else None
        if fault := fault_of(asked, current):
            raise _Refused(fault)
        if asked.upgrades and not web.WebSocketResponse().can_prepare(request):
            raise _Refused(BAD_REQUEST)
        if asked.session is None:
            if asked.upgrades:
                return await self._sessions.open_websocket(request)
            return await self._poll(await self._sessions.open_polling(), request)
        session = self._sessions.session(asked.session)
        if asked.upgrades:
            return await self._sessions.upgrade(session, request)
        if asked.method == "POST":
            return await self._post(session, request)
        return await self._poll(session, request)

    async def _poll(self, session: Session, request: web.Request) -> web.Response:
        if session.polling:
            await session.cut(goodbye=True)
            raise _Refused(BAD_REQUEST)
        text = await session.payload()
        if request.transport is None:  # gone, and with it what it was to be told
            await session.cut()
        return web.Response(text=text)

    async def _post(self, session: Session, request: web.Request) -> web.Response:
        if session.posting:
            await session.cut()
            raise _Refused(BAD_REQUEST)
        session.posting = True
        try:
            if request.content_type == "application/octet-stream":
                raise Malformed("packets are text")
            for number, packet in enumerate(packets_of(await self._body(request)), 1):
                await session.receive(packet)
                if number % _PACKETS_A_TURN == 0:
                    await asyncio.sleep(0)  # whoever posts many makes nobody wait
        except Malformed as malformed:
            log.warning("socket_post_malformed", why=str(malformed))
            await session.cut()
            raise _Refused(BAD_REQUEST) from None
        except _Refused as refused:  # its packets are lost, so the session is over, too
            log.warning("socket_post_refused", why=refused.fault.message)
            await session.cut()
            raise
        finally:
            session.posting = False
        # text/html, as the reference: some browsers would offer text/plain for saving
        return web.Response(text="ok", content_type="text/html")

    async def _body(self, request: web.Request) -> bytes:
        """Whatever its length says, or does not say."""
        if (request.content_length or 0) > self._max_body_bytes:
            raise _Refused(TOO_LARGE)
        body = bytearray()
        async for chunk in request.content.iter_any():
            body += chunk
            if len(body) > self._max_body_bytes:
                raise _Refused(TOO_LARGE)
        return bytes(body)


def _asked(request: web.Request) -> Asked:
    query = request.query
    return Asked(
        method=request.method,
        version=query.get("EIO"),
        transport=query.get("transport"),
        session=query.get("sid") or None,
        upgrades=request.headers.get("Upgrade", "").lower() == "websocket",
    )


def _preflight(request: web.Request, *, allowed: bool) -> web.Response:
    """A browser asks whether it may ask; without the headers it may not."""
    response = web.Response(status=204)
    if allowed:
        response.headers["Access-Control-Allow-Methods"] = "GET, POST"
        response.headers["Access-Control-Max-Age"] = str(_PREFLIGHT_S)
        if wanted := request.headers.get("Access-Control-Request-Headers"):
            response.headers["Access-Control-Allow-Headers"] = wanted
    return response


def _refusal(fault: Fault) -> web.Response:
    body = orjson.dumps({"code": fault.code, "message": fault.message})
    return web.Response(status=fault.status, body=body, content_type="application/json")
