"""The Socket.IO edge as the composition root sees it."""

import asyncio
from collections.abc import Mapping
from typing import Any

import orjson
import structlog
from aiohttp import web

from actors.domain.channels import HUB_STATUS, Channel
from actors.domain.position import Position
from actors.ports.events import Broadcaster
from api.realtime.rooms.broadcaster import Wire
from api.realtime.rooms.deps import RealtimeDeps
from api.realtime.rooms.fairness import Turns
from api.realtime.rooms.joins import Joins
from api.realtime.rooms.revocations import Rights
from api.realtime.rooms.rooms import Rooms
from api.realtime.rooms.send_buffer import SendPolicy
from api.realtime.socketio.command_handler import CommandHandler
from api.realtime.socketio.server import SocketServer
from api.realtime.socketio.sessions import SocketSessions
from api.schemas.fields import instant_text

log = structlog.get_logger(__name__)


class Realtime:
    """Attach it to the application, hand ``broadcaster`` to the relay, close it.

    ``start`` begins the periodic positions; without it everything else works.
    """

    def __init__(self, deps: RealtimeDeps) -> None:
        self._deps, settings = deps, deps.settings
        turns = Turns()
        self.sending = SendPolicy(
            turns=turns,
            max_bytes=settings.max_buffer_bytes,
            deflate_from_bytes=settings.compress_from_bytes or None,
        )
        """For connections of other kinds, too: what all of them share."""
        self._rooms = Rooms()
        self._wire = Wire(self._rooms, turns)
        self._joins = Joins(self._rooms, deps.services.changes, deps.positions)
        self._sessions = SocketSessions(deps, self._rooms, self._joins)
        commands = CommandHandler(deps, self._sessions, self._rooms, self._joins)
        self._server = SocketServer(
            self._sessions,
            commands,
            settings,
            cors_origins=deps.cors_origins,
            send_policy=self.sending,
            on_slow=deps.on_slow,
        )

    @property
    def rooms(self) -> Rooms:
        """For subscribers of other kinds; they leave when they close."""
        return self._rooms

    @property
    def joins(self) -> Joins:
        """How any kind of subscriber gets into rooms without a hole."""
        return self._joins

    @property
    def rights(self) -> Rights:
        """Ends connections, of any kind, that have lost what they were let in with."""
        return self._sessions.rights

    @property
    def broadcaster(self) -> Broadcaster:
        return self._wire

    def attach(self, app: web.Application) -> None:
        """Serve ``/socket.io/`` there; sockets are closed when the application shuts down."""
        self._server.attach(app)

        async def close(_: web.Application) -> None:
            await self.close()

        app.on_shutdown.append(close)

    def start(self) -> None:
        self._sessions.spawn(self._tell_positions())

    async def close(self) -> None:
        """Let commands finish for a moment, close every socket, end every task."""
        if not self._sessions.closing:
            self._sessions.closing = True
            await self._server.close()
            await self._sessions.close()

    def connections(self) -> Mapping[str, int]:
        """Connected sockets by namespace."""
        return self._sessions.counts()

    async def retire(self, over_s: float) -> None:
        """Close the sockets one by one over a while, at random: they come back elsewhere."""
        await self._server.retire(over_s)

    async def position_changed(self, channel: Channel, position: Position) -> None:
        """For ``Relay.start(on_failure=…)``: tell the room, so that it can ask."""
        await self._wire.tell_position(channel, position)

    async def publish_status(self, figures: Mapping[str, Any]) -> None:
        """The hub's figures, to the admins who watch; no row, no offset."""
        if not self._rooms.members(HUB_STATUS):
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
        await self._wire.tell_room(HUB_STATUS, "hub.status", orjson.dumps(envelope))

    # --- all the time ---

    async def _tell_positions(self) -> None:
        """So that even a lost last event is noticed (DESIGN §6)."""
        while True:
            await asyncio.sleep(self._deps.settings.position_interval_s)
            try:
                await self._tell_positions_once()
            except Exception:  # e.g. the database is away: the next round tells them
                log.exception("positions_untold")

    async def _tell_positions_once(self) -> None:
        channels = [name for name in self._rooms.channels if name != HUB_STATUS]
        positions = await self._deps.positions(channels) if channels else {}
        for channel, position in positions.items():
            await self._wire.tell_position(channel, position)
            await asyncio.sleep(0)  # others first: nobody waits for this
