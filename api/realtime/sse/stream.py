"""One stream of server-sent events: a subscriber that queues events, and writes them.

The rooms call ``deliver``, which only queues. The task that serves the stream calls
:meth:`EventStream.work`, which writes as fast as the client reads. The queue is bounded in bytes,
and every write in time.

A stream has no gaps. If the relay skipped an event, the stream reads it from the log before it
sends any later event of that channel.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from actors.domain.channels import Channel
from actors.domain.position import Position
from actors.domain.principal import Principal
from actors.ports.events import EventRecord
from actors.services.identity import Claims
from api.realtime.rooms.deps import RoomsContext
from api.realtime.rooms.settings import RealtimeSettings
from api.realtime.rooms.subscribers import EventBatch, WireForms
from api.realtime.sse.cursor import Cursor
from api.realtime.sse.frames import event_body, notice, ready, with_id
from api.schemas.fields import instant_text

_WRITE_BYTES: Final = 65_536
"""Queued events are written together up to about this size."""
_ENTRY_BYTES: Final = 64
"""The cost of an entry of the queue in addition to its text."""
_BEGINNING: Final = Position(0, 0)

Write = Callable[[bytes], Awaitable[None]]


class Ended(StrEnum):
    """Why a stream has ended."""

    CLIENT_LEFT = "client_left"
    TOO_SLOW = "too_slow"
    TOKEN_EXPIRED = "token_expired"  # noqa: S105  # a reason, no token
    RIGHTS_LOST = "rights_lost"
    """The token's key was withdrawn, or the token no longer stands for the same principal."""
    HUB_STOPPING = "hub_stopping"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Bearer:
    """The client of a stream, as its token identifies it."""

    claims: Claims
    on_behalf_of: str | None
    principal: Principal


class ClientGone(Exception):
    """The client has closed the connection, or reads too slowly."""


class EventStream:
    """A :class:`~api.realtime.rooms.subscribers.Subscriber` of the wanted channels."""

    def __init__(
        self,
        bearer: Bearer,
        wanted: Mapping[Channel, Position | None],
        context: RoomsContext,
        settings: RealtimeSettings,
        *,
        write: Write,
        abort: Callable[[], None],
    ) -> None:
        """``abort`` drops the connection at once, which also ends a write under way."""
        self.claims, self.principal = bearer.claims, bearer.principal
        self.on_behalf_of = bearer.on_behalf_of
        self.ended: Ended | None = None
        self.wakes = asyncio.Event()
        """Set when there is work, or the stream has ended."""
        self.abort = abort
        self._wanted, self._settings, self._write = wanted, settings, write
        self._rooms, self._joins = context.rooms, context.joins
        self._queue: deque[tuple[Channel, Position, bytes]] = deque()
        self._queued_bytes = 0
        self._queued_to: dict[Channel, Position] = {}
        """How far each channel was written or queued."""
        self._behind: set[Channel] = set()
        """Channels of which an event was skipped."""
        self._notices: list[bytes] = []
        self._cursor = Cursor(dict.fromkeys(wanted, _BEGINNING))

    # --- a subscriber of the rooms -----------------------------------------------------

    @property
    def closed(self) -> bool:
        return self.ended is not None

    def deliver(self, batch: EventBatch) -> None:
        for record, forms in batch.events:
            if self.closed:
                return
            self._enqueue(record, forms)
        self.wakes.set()

    def _enqueue(self, record: EventRecord, forms: WireForms) -> None:
        channel, before = record.channel, self._queued_to.get(record.channel)
        if channel in self._behind or before is None or record.position != before.next:
            self._behind.add(channel)
            return
        body = forms("sse", lambda: event_body(record))
        self._queued_to[channel] = record.position
        self._queue.append((channel, record.position, body))
        self._queued_bytes += len(body) + _ENTRY_BYTES
        if self._queued_bytes > self._settings.max_buffer_bytes:
            self.end(Ended.TOO_SLOW)

    def notify_position(self, channel: Channel, position: Position, forms: WireForms) -> None:
        """If the stream is behind ``position``, read the missing events from the log."""
        known = self._queued_to.get(channel)
        if known is None or position > known:
            self._behind.add(channel)
            self.wakes.set()

    def notify(self, event: str, data: bytes, forms: WireForms) -> None:
        """Streams are not in channels with such messages."""

    def announce_expiry(self) -> None:
        """Queue ``auth:expiring``: the token is about to expire."""
        self._notices.append(notice("auth:expiring", self.expiry))
        self.wakes.set()

    @property
    def expiry(self) -> Mapping[str, str]:
        return {"expires_at": instant_text(self.claims.expires_at)}

    def end(self, reason: Ended) -> None:
        """Queue nothing more. The first reason counts."""
        if self.ended is None:
            self.ended = reason
            self._queue.clear()
            self._queued_bytes = 0
            self.wakes.set()
            if reason is Ended.TOO_SLOW:
                self.abort()

    # --- for the task that serves the stream -------------------------------------------

    async def begin(self, *, retry_ms: int) -> None:
        """Write ``hub:ready``, then all missed events, page by page."""
        await self._catch_up(self._wanted, retry_ms)

    @property
    def has_work(self) -> bool:
        return bool(self._queue or self._behind or self._notices)

    async def work(self) -> None:
        """Write what is queued; returns when the connection has taken it."""
        notices, self._notices = self._notices, []
        for each in notices:
            await self.write(each)
        if self._behind:
            behind, self._behind = self._behind, set()
            for channel in behind:  # else the join would count skipped events as received
                self._rooms.leave(self, channel)
            await self._catch_up({channel: self._queued_to.get(channel) for channel in behind})
        await self._write_queued()

    async def write(self, frame: bytes) -> None:
        """Write a frame; raises ClientGone."""
        try:
            async with asyncio.timeout(self._settings.stream_write_timeout_s):
                await self._write(frame)
        except TimeoutError:
            self.end(Ended.TOO_SLOW)
            raise ClientGone from None
        except ConnectionError:
            raise ClientGone from None

    async def _catch_up(
        self, wanted: Mapping[Channel, Position | None], retry_ms: int | None = None
    ) -> None:
        """Join channels and write what was missed.

        Without ``retry_ms``, ``hub:ready`` is only for channels whose history is incomplete.
        """
        while wanted and not self.closed:
            joined = await self._joins.join(self, self.principal, wanted)
            await self._write_queued()  # queued events of other channels come first
            changes = joined.changes
            self._cursor.move_all({each.channel: each.begins_at for each in changes})
            shown = [each for each in changes if retry_ms is not None or not each.recovered]
            if shown:
                await self.write(ready(shown, str(self._cursor), retry_ms))
            retry_ms = None
            for each in changes:
                await self._write_together(
                    self._frame(each.channel, record.position, event_body(record))
                    for record in each.events
                )
                self._queued_to[each.channel] = each.position
            self._joins.release(joined)
            wanted = {each.channel: each.position for each in changes if each.more}

    async def _write_queued(self) -> None:
        while self._queue:
            await self._write_together(self._unqueued())

    def _unqueued(self) -> Iterator[bytes]:
        while self._queue:
            channel, position, body = self._queue.popleft()
            self._queued_bytes -= len(body) + _ENTRY_BYTES
            yield self._frame(channel, position, body)

    async def _write_together(self, frames: Iterable[bytes]) -> None:
        part = bytearray()
        for frame in frames:
            part += frame
            if len(part) >= _WRITE_BYTES:
                await self.write(bytes(part))
                part.clear()
        if part:
            await self.write(bytes(part))

    def _frame(self, channel: Channel, position: Position, body: bytes) -> bytes:
        self._cursor.move(channel, position)
        return with_id(body, str(self._cursor))
