"""Socket.IO as the composition root sees it."""

import asyncio
from collections.abc import Mapping

import orjson
from aiohttp import web

from actors.domain.channels import HUB_STATUS
from actors.tasks import Tasks
from api.realtime.engineio.endpoint import PATH, Endpoint
from api.realtime.rooms.deps import RealtimeDeps
from api.realtime.socketio.command_handler import CommandHandler, ServiceCommand
from api.realtime.socketio.server import SocketServer
from api.realtime.socketio.sessions import SocketSessions
from api.schemas.fields import instant_text


class Realtime:
    """Live connections over Socket.IO. Attach it to the application, whose shutdown closes it."""

    def __init__(self, deps: RealtimeDeps, commands: Mapping[str, ServiceCommand]) -> None:
        self._deps, self._tasks = deps, Tasks()
        self._context = deps.context
        self._sessions = SocketSessions(deps, self._tasks.start)
        handler = CommandHandler(deps, self._sessions, commands)
        self._server = SocketServer(deps, self._sessions, handler)

    def attach(self, app: web.Application) -> None:
        """Serve ``/socket.io/`` there, until the application shuts down."""
        endpoint = Endpoint(
            self._server.engine,
            max_body_bytes=self._deps.settings.max_message_bytes,
            origins=self._deps.cors_origins,
        )
        app.router.add_route("*", PATH, endpoint.handle)
        app.on_shutdown.append(self._close)

    async def _close(self, _: web.Application) -> None:
        """Let commands finish for a moment, close every connection, end every task."""
        self._sessions.closing = True
        await self._server.close()
        self._sessions.end_all("hub stops")
        await self._tasks.finish()

    def connections(self) -> Mapping[str, int]:
        """Connected clients by namespace."""
        return self._sessions.counts()

    async def retire(self, over_s: float) -> None:
        """Close the connections one by one over a while, so that clients move elsewhere."""
        await self._server.engine.retire(over_s)

    async def publish_status(self, figures: Mapping[str, object]) -> None:
        """Send the hub's figures to watching admins: an event without a row or an offset."""
        if not self._context.rooms.members(HUB_STATUS):
            return
        envelope = {
            "id": self._deps.new_id(),
            "type": "hub.status",
            "channel": HUB_STATUS,
            "offset": None,
            "epoch": None,
            "time": instant_text(self._deps.clock.now()),
            "data": figures,
        }
        await self._context.broadcaster.notify(HUB_STATUS, "hub.status", orjson.dumps(envelope))

    async def send_positions(self) -> None:
        """Called periodically, so that a client notices even a lost last event."""
        channels = [name for name in self._context.rooms.channels if name != HUB_STATUS]
        positions = await self._deps.positions(channels) if channels else {}
        for channel, position in positions.items():
            await self._context.broadcaster.notify_position(channel, position)
            await asyncio.sleep(0)  # positions are never urgent
