"""The HTTP endpoint of Engine.IO, protocol revision 4.

python-engineio deviates from the protocol, so its request handling is not used. As published:

* refusals have the reference server's JSON bodies (``{"code":0,"message":"Transport
  unknown"}``); a payload that is too large gets 413;
* ``transport`` and ``EIO`` are required; unknown methods are refused in the same form;
* two polls, or two POSTs, of one session at a time end the session;
* a second WebSocket of a session is closed, and the first goes on;
* a payload may hold more than 16 packets, and need not have a Content-Length;
* the answer to a POST is ``ok``; answers are not cached (``Cache-Control``);
* a page of a foreign origin gets 403, and preflights are answered in full. The reference
  server leaves this to browsers, which do not check WebSockets;
* there is no JSONP: the protocol dropped it, and it would let any page read the answers.
"""

import asyncio
from typing import Final

import orjson
import structlog
from aiohttp import web

from api.origins import may_connect
from api.realtime.engineio import protocol
from api.realtime.engineio.engine import Engine
from api.realtime.engineio.session import EngineSession

log = structlog.get_logger(__name__)

PATH: Final = "/socket.io/"
_PREFLIGHT_S: Final = 600
_BINARY: Final = "application/octet-stream"
_PACKETS_PER_ITERATION: Final = 64
"""Packets of one POST that are handled before the event loop runs other tasks."""


class _RequestRefused(Exception):
    def __init__(self, fault: protocol.Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


class Endpoint:
    """Answers the requests of one engine; pages of ``origins`` may connect, too."""

    def __init__(self, engine: Engine, *, max_body_bytes: int, origins: tuple[str, ...]) -> None:
        self._engine, self._max_body_bytes, self._origins = engine, max_body_bytes, origins

    async def handle(self, request: web.Request) -> web.StreamResponse:
        origin = request.headers.get("Origin")
        allowed = may_connect(request, self._origins)
        try:
            if request.method == "OPTIONS":
                response: web.StreamResponse = _preflight(request, allowed=allowed)
            elif not allowed:
                raise _RequestRefused(protocol.FORBIDDEN)
            else:
                response = await self._answer(request)
        except _RequestRefused as refused:
            response = _refusal(refused.fault)
            log.info("socket_request_refused", why=refused.fault.message, method=request.method)
        if not response.prepared:
            response.headers["Cache-Control"] = "no-store"
            response.headers["Vary"] = "Origin"
            if origin is not None and allowed:
                response.headers["Access-Control-Allow-Origin"] = origin
        return response

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        upgrades = request.headers.get("Upgrade", "").lower() == "websocket"
        parsed = protocol.EngineRequest(
            method=request.method,
            version=request.query.get("EIO"),
            transport=request.query.get("transport"),
            session=request.query.get("sid") or None,
            upgrades=upgrades,
        )
        session = self._engine.find(parsed.session) if parsed.session else None
        if fault := protocol.fault_of(parsed, session.transport if session else None):
            raise _RequestRefused(fault)
        if upgrades:
            if not web.WebSocketResponse().can_prepare(request):
                raise _RequestRefused(protocol.BAD_REQUEST)
            return await self._engine.serve(session, request)
        if request.method == "POST" and session is not None:
            return await self._post(session, request)
        return await self._poll(session or await self._engine.open("polling"), request)

    async def _poll(self, session: EngineSession, request: web.Request) -> web.Response:
        if session.polling:
            await session.cut(goodbye=True)
            raise _RequestRefused(protocol.BAD_REQUEST)
        text = await session.payload()
        if request.transport is None:  # the client has gone, and these packets with it
            await session.cut()
        return web.Response(text=text)

    async def _post(self, session: EngineSession, request: web.Request) -> web.Response:
        if session.posting:
            await session.cut()
            raise _RequestRefused(protocol.BAD_REQUEST)
        session.posting = True
        try:
            if request.headers.get("Content-Type", "").lower().startswith(_BINARY):
                raise protocol.Malformed("packets are text")
            for number, packet in enumerate(protocol.packets_of(await self._body(request)), 1):
                await session.receive(packet)
                if number % _PACKETS_PER_ITERATION == 0:
                    await asyncio.sleep(0)  # other tasks run in between
        except protocol.Malformed as malformed:
            log.warning("socket_post_malformed", why=str(malformed))
            await session.cut()
            raise _RequestRefused(protocol.BAD_REQUEST) from None
        except _RequestRefused as refused:  # its packets are lost, so the session must end
            log.warning("socket_post_refused", why=refused.fault.message)
            await session.cut()
            raise
        finally:
            session.posting = False
        # text/html, as the reference server: some browsers offer text/plain for saving
        return web.Response(text="ok", content_type="text/html")

    async def _body(self, request: web.Request) -> bytes:
        """The body, bounded whether or not its length is announced."""
        if (request.content_length or 0) > self._max_body_bytes:
            raise _RequestRefused(protocol.TOO_LARGE)
        body = bytearray()
        async for chunk in request.content.iter_any():
            body += chunk
            if len(body) > self._max_body_bytes:
                raise _RequestRefused(protocol.TOO_LARGE)
        return bytes(body)


def _preflight(request: web.Request, *, allowed: bool) -> web.Response:
    """The answer to a CORS preflight; without the headers the browser sends no request."""
    response = web.Response(status=204)
    if allowed:
        response.headers["Access-Control-Allow-Methods"] = "GET, POST"
        response.headers["Access-Control-Max-Age"] = str(_PREFLIGHT_S)
        if wanted := request.headers.get("Access-Control-Request-Headers"):
            response.headers["Access-Control-Allow-Headers"] = wanted
    return response


def _refusal(fault: protocol.Fault) -> web.Response:
    body = orjson.dumps({"code": fault.code, "message": fault.message})
    return web.Response(status=fault.status, body=body, content_type="application/json")
