"""One joined topic of one Supabase client: a subscriber of the rooms."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from actors.domain.channels import HUB_STATUS, Channel, is_public, is_reserved
from actors.domain.position import Position
from actors.domain.principal import Principal
from actors.ports.events import EventRecord
from actors.services.identity import Claims
from api.realtime.rooms.frames import Frame, Send
from api.realtime.rooms.subscribers import Batch, Once
from api.realtime.supabase import event_frames, messages
from api.realtime.supabase.bindings import Binding
from api.realtime.supabase.frames import Vsn, text
from api.realtime.supabase.protocol import Membership
from api.realtime.supabase.rows import rows_channel


@dataclass(kw_only=True, eq=False, slots=True)
class Topic:
    """Compared by identity. What it is told, it writes; it never waits."""

    vsn: Vsn
    membership: Membership
    principal: Principal
    claims: Claims
    bindings: tuple[Binding, ...]
    presence_key: str
    presence: bool
    """Whether it wants to know who is there."""
    write: Send
    behind: Callable[["Topic", Channel, Position], None]
    """Told of a position that may be ahead of what was written."""
    closed: bool = False
    healing: bool = False
    told_expiring: bool = False
    timer: asyncio.TimerHandle | None = None

    @property
    def name(self) -> str:
        return self.membership.topic

    @property
    def on_behalf_of(self) -> None:
        """This protocol cannot say for whom a chatbot's service token acts."""
        return None

    @property
    def channel(self) -> Channel | None:
        """The hub's channel it stands for; ``None`` for a name of the client's own."""
        name = self.name.removeprefix(messages.PREFIX)
        return Channel(name) if is_reserved(name) else None

    @property
    def rows(self) -> Channel | None:
        """Where the rows are told of that its bindings may see."""
        return rows_channel(self.principal) if self.bindings else None

    @property
    def carries_presence(self) -> bool:
        """Presence says who somebody is: never in channels that are open to everybody."""
        channel = self.channel
        return channel is not None and channel != HUB_STATUS and not is_public(channel)

    # --- a subscriber ---

    def deliver(self, batch: Batch) -> None:
        frames = [frame for record, once in batch.each for frame in self._frames(record, once)]
        for n, frame in enumerate(frames, 1):
            self.write(frame, more=n < len(frames))

    def _frames(self, record: EventRecord, once: Once) -> Iterator[Frame]:
        """The event as a broadcast, as a change of a row, or both."""
        if record.channel == self.channel:
            yield event_frames.event_frame(self.vsn, self.name, record, once)
        if record.channel == self.rows:
            change = event_frames.change_frame(self.vsn, self.name, record, self.bindings, once)
            if change is not None:
                yield change

    def tell(self, event: str, data: bytes, once: Once) -> None:
        self.write(event_frames.told_frame(self.vsn, self.name, event, data, once))

    def tell_position(self, channel: Channel, position: Position, once: Once) -> None:
        self.behind(self, channel, position)

    # --- for this client alone ---

    def frame(self, event: str, payload: Any) -> Frame:
        """For every client of this topic and version: it names no join."""
        return text(self.vsn, self.name, event, payload)

    def push(self, event: str, payload: Any) -> None:
        self.write(text(self.vsn, self.name, event, payload, join_ref=self.membership.join_ref))

    def system(self, extension: str, status: str, message: str) -> None:
        self.write(
            messages.system(
                self.vsn,
                self.name,
                join_ref=self.membership.join_ref,
                extension=extension,
                status=status,
                message=message,
            )
        )

    def replay(self, record: EventRecord) -> None:
        self.write(event_frames.replayed_frame(self.vsn, self.name, record))

    def say_closed(self) -> None:
        """``phx_close``: the client stays away."""
        member = self.membership
        self.write(messages.closed(self.vsn, self.name, ref=member.ref, join_ref=member.join_ref))

    def say_failed(self) -> None:
        """``phx_error``: the client joins again."""
        member = self.membership
        self.write(messages.failed(self.vsn, self.name, ref=member.ref, join_ref=member.join_ref))
