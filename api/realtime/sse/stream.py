"""One live stream over plain HTTP: a subscriber whose events are written in turn.

``deliver`` only queues; :meth:`Stream.run` writes, as fast as the client reads. What waits
is bounded in bytes, and so is how long a single write may take. A stream never has a gap:
where the relay skipped something, it is read from the log before anything later is sent.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from actors.domain.channels import Channel
from actors.domain.position import Position
from actors.domain.principal import Principal
from actors.ports.events import EventRecord
from actors.services.changes import ChannelChanges
from actors.services.identity import Claims
from api.realtime.rooms.joins import Joins
from api.realtime.rooms.rooms import Rooms
from api.realtime.rooms.subscribers import EventBatch, WireForms
from api.realtime.sse.cursor import Cursor
from api.realtime.sse.frames import HEARTBEAT, event_body, ready, with_id

_WRITE_BYTES = 65_536
"""Queued events are written together up to about this size."""
_FRAME_BYTES = 64
"""What an entry of the queue costs beside its text."""

Write = Callable[[bytes], Awaitable[None]]


class Ended(StrEnum):
    """Why a stream is over."""

    CLIENT_LEFT = "client_left"
    TOO_SLOW = "too_slow"
    TOKEN_EXPIRED = "token_expired"  # noqa: S105  # a reason, no token
    RIGHTS_LOST = "rights_lost"
    """The token's key was withdrawn, or it no longer stands for the same person."""
    HUB_STOPPING = "hub_stopping"
    FAILED = "failed"


class ClientGone(Exception):
    """Nobody is there any more to be written to."""


class ClientTooSlow(Exception):
    """The client does not read, and has had its time."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    channel: Channel
    at: Position
    body: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Bearer:
    """Whose stream it is."""

    claims: Claims
    on_behalf_of: str | None
    principal: Principal


class Stream:
    """A :class:`~api.realtime.rooms.subscribers.Subscriber` of its channels."""

    def __init__(
        self,
        *,
        bearer: Bearer,
        wanted: Mapping[Channel, Position | None],
        rooms: Rooms,
        joins: Joins,
        write: Write,
        abort: Callable[[], None],
        max_buffer_bytes: int,
        write_timeout_s: float,
    ) -> None:
        """``abort`` drops the connection at once, and so ends a write that waits."""
        self.claims, self.principal = bearer.claims, bearer.principal
        self.on_behalf_of = bearer.on_behalf_of
        self.ended: Ended | None = None
        self.wakes = asyncio.Event()
        """Set when there is something to do."""
        self._wanted: Mapping[Channel, Position | None] = wanted
        self._rooms, self._joins = rooms, joins
        self._write_bytes, self._write_timeout_s = write, write_timeout_s
        self._abort = abort
        self._max_buffer_bytes = max_buffer_bytes
        self._queue: deque[_Waiting] = deque()
        self._queued_bytes = 0
        self._queued_to: dict[Channel, Position] = {}
        """Up to here each channel is written or queued."""
        self._behind: set[Channel] = set()
        """Channels of which something was skipped."""
        self._cursor: Cursor | None = None

    # --- as the rooms see it -----------------------------------------------------------

    @property
    def closed(self) -> bool:
        return self.ended is not None

    def deliver(self, batch: EventBatch) -> None:
        for record, forms in batch.events:
            if self.closed:
                return
            self._deliver(record, forms)

    def _deliver(self, record: EventRecord, forms: WireForms) -> None:
        channel, at = record.channel, record.position
        before = self._queued_to.get(channel)
        if channel in self._behind or before is None or at != before.next:
            self._fall_behind(channel)
            return
        body = forms("sse", lambda: event_body(record))
        self._queued_to[channel] = at
        self._queue.append(_Waiting(channel, at, body))
        self._queued_bytes += len(body) + _FRAME_BYTES
        if self._queued_bytes > self._max_buffer_bytes:
            self.end(Ended.TOO_SLOW)
        self.wakes.set()

    def notify_position(self, channel: Channel, position: Position, forms: WireForms) -> None:
        """Nobody has to ask: what is missing is read and sent."""
        known = self._queued_to.get(channel)
        if known is None or position > known:
            self._fall_behind(channel)

    def notify(self, event: str, data: bytes, forms: WireForms) -> None:
        """Streams are in no channel that has such messages."""

    def end(self, why: Ended) -> None:
        """Nothing more is queued; whoever runs the stream says goodbye."""
        if self.ended is None:
            self.ended = why
            self._queue.clear()
            self._queued_bytes = 0
            self.wakes.set()
            if why is Ended.TOO_SLOW:
                self._abort()

    def _fall_behind(self, channel: Channel) -> None:
        self._behind.add(channel)
        self.wakes.set()

    # --- as whoever runs it sees it ----------------------------------------------------

    async def begin(self, *, retry_ms: int) -> None:
        """``hub:ready``, then all that was missed, page by page."""
        await self._catch_up(self._wanted, retry_ms)

    @property
    def has_work(self) -> bool:
        return bool(self._queue or self._behind)

    async def work(self) -> None:
        """Write what is there; returns when it was taken by the connection."""
        if self._behind:
            behind, self._behind = self._behind, set()
            for channel in behind:  # anew: what was skipped counts as had in the old place
                self._rooms.leave(self, channel)
            await self._catch_up({channel: self._queued_to.get(channel) for channel in behind})
        await self._write_queued()

    async def beat(self) -> None:
        await self.write(HEARTBEAT)

    async def write(self, frame: bytes) -> None:
        """Raises ClientTooSlow, ClientGone."""
        try:
            async with asyncio.timeout(self._write_timeout_s):
                await self._write_bytes(frame)
        except TimeoutError:
            raise ClientTooSlow from None
        except ConnectionError:
            raise ClientGone from None

    def abort(self) -> None:
        """Drop the connection, whatever was not written."""
        self._abort()

    def leave(self) -> None:
        self._rooms.leave_all(self)

    async def _catch_up(
        self, wanted: Mapping[Channel, Position | None], retry_ms: int | None = None
    ) -> None:
        first = self._cursor is None
        while wanted and not self.closed:
            joined = await self._joins.join(self, self.principal, wanted)
            await self._write_queued()  # what other channels have queued came before
            changes = joined.changes
            self._move_to_begin(changes)
            told = changes if first else [each for each in changes if not each.recovered]
            if told and self._cursor is not None:
                await self.write(ready(told, str(self._cursor), retry_ms))
            first, retry_ms = False, None
            for each in changes:
                await self._write_missed(each)
                self._queued_to[each.channel] = each.position
            self._joins.release(joined)
            wanted = {each.channel: each.position for each in changes if each.more}

    def _move_to_begin(self, changes: Sequence[ChannelChanges]) -> None:
        begins = {each.channel: each.begins_at for each in changes}
        if self._cursor is None and begins:
            self._cursor = Cursor(begins)
        for channel, at in begins.items():
            assert self._cursor is not None, "there are channels, so there is a cursor"
            self._cursor.move(channel, at)

    async def _write_missed(self, missed: ChannelChanges) -> None:
        part = bytearray()
        for record in missed.events:
            at = record.position
            part += self._frame(_Waiting(record.channel, at, event_body(record)))
            if len(part) >= _WRITE_BYTES:
                await self.write(bytes(part))
                part.clear()
        if part:
            await self.write(bytes(part))

    async def _write_queued(self) -> None:
        while self._queue:
            part = bytearray()
            while self._queue and len(part) < _WRITE_BYTES:
                waiting = self._queue.popleft()
                self._queued_bytes -= len(waiting.body) + _FRAME_BYTES
                part += self._frame(waiting)
            await self.write(bytes(part))

    def _frame(self, waiting: _Waiting) -> bytes:
        assert self._cursor is not None, "hub:ready comes first"
        self._cursor.move(waiting.channel, waiting.at)
        return with_id(waiting.body, str(self._cursor))
