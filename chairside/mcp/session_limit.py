"""Ends a patient's oldest MCP session when too many are open."""

from collections import OrderedDict
from typing import Final

from cachetools import LRUCache
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SESSIONS_MAX: Final = 20
"""Open sessions of one patient."""
IDLE_S: Final = 15 * 60.0
"""A session without a request, and without an open stream, ends after so long."""
ALL_SESSIONS_MAX: Final = 2_000
"""Open sessions of all patients; one more is answered 503."""
_PATIENTS_MAX: Final = 10_000
_SESSION_ID: Final = "mcp-session-id"


class SessionLimit:
    """ASGI middleware: of each user's sessions, at most :data:`SESSIONS_MAX` stay open.

    The session that was used least recently is deleted, as if its client had done so: it then
    answers 404, and its client begins another one. So clients that never delete their sessions
    do not lock their patient out.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._sessions: LRUCache[str, OrderedDict[str, None]] = LRUCache(_PATIENTS_MAX)
        """By user, in the order of their last use; some may have ended by themselves."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        sessions = self._sessions.setdefault(scope["user"].username, OrderedDict())
        used = Headers(scope=scope).get(_SESSION_ID)
        if used is not None and used in sessions:
            sessions.move_to_end(used)

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._answered(sessions, used, scope["method"], message)
            await send(message)

        await self._app(scope, receive, watched)
        while len(sessions) > SESSIONS_MAX:
            await self._delete(scope, sessions.popitem(last=False)[0])
        return None

    @staticmethod
    def _answered(
        sessions: OrderedDict[str, None], used: str | None, method: str, start: Message
    ) -> None:
        """Keep the id of a session that was opened; forget one that has ended."""
        status, opened = start["status"], Headers(raw=start["headers"]).get(_SESSION_ID)
        if used is None and opened is not None and status < 400:
            sessions[opened] = None
        elif used is not None and (status == 404 or (method == "DELETE" and status < 400)):
            sessions.pop(used, None)

    async def _delete(self, scope: Scope, session_id: str) -> None:
        request: Scope = {**scope, "method": "DELETE", "headers": list(scope["headers"])}
        headers = MutableHeaders(scope=request)
        headers[_SESSION_ID] = session_id
        for name in ("content-length", "content-type", "transfer-encoding"):
            del headers[name]
        body: list[Message] = [{"type": "http.request", "body": b"", "more_body": False}]

        async def receive() -> Message:
            return body.pop() if body else {"type": "http.disconnect"}

        async def ignore(_: Message) -> None:
            pass

        await self._app(request, receive, ignore)
