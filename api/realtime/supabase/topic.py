"""One joined topic of one Supabase client: a subscriber of the rooms."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

import orjson

from actors.domain.channels import HUB_STATUS, Channel, is_public, is_reserved, parse_channel
from actors.domain.position import Position
from actors.domain.principal import Principal
from actors.ports.events import EventRecord
from actors.services.identity import Claims
from api.realtime.rooms.frames import Frame, Send
from api.realtime.rooms.subscribers import EventBatch, WireForms
from api.realtime.supabase.bindings import Binding
from api.realtime.supabase.frames import PREFIX, Vsn, broadcast_frame, message_frame
from api.realtime.supabase.protocol import Join
from api.realtime.supabase.rows import RowChange, change_of, rows_channel
from api.schemas import envelope

_PROTOCOL = "supabase"


@dataclass(kw_only=True, eq=False, slots=True)
class Topic:
    """Writes what it receives to its client at once. Compared by identity.

    Frames of events depend on the version, the topic and, for ``postgres_changes``, the ids of
    the matching bindings. So each is encoded once for all sockets that receive it.
    """

    vsn: Vsn
    join: Join
    principal: Principal
    claims: Claims
    presence_key: str
    presence: bool
    """Whether it watches the presence of its channel."""
    write: Send
    on_position: Callable[["Topic", Channel, Position], None]
    """Called with the hub's position in a channel, which may be ahead of the topic's."""
    name: str = field(init=False)
    bindings: tuple[Binding, ...] = field(init=False)
    channel: Channel | None = field(init=False)
    """The hub's channel of this name; ``None`` for a name of the client's own."""
    closed: bool = False
    catching_up: bool = False

    def __post_init__(self) -> None:
        self.name, self.bindings = self.join.message.topic, self.join.request.bindings
        name = self.name.removeprefix(PREFIX)
        self.channel = parse_channel(name) if is_reserved(name) else None

    @property
    def on_behalf_of(self) -> None:
        """The protocol cannot name the patient that a chatbot's service token acts for."""
        return None

    @property
    def rows(self) -> Channel | None:
        """The channel of the rows that its bindings may see."""
        return rows_channel(self.principal) if self.bindings else None

    @property
    def carries_presence(self) -> bool:
        """Presence reveals identities, so channels that are open to all users carry none."""
        channel = self.channel
        return channel is not None and channel != HUB_STATUS and not is_public(channel)

    # --- a subscriber ---

    def deliver(self, batch: EventBatch) -> None:
        frames = [frame for record, forms in batch.events for frame in self._frames(record, forms)]
        for n, frame in enumerate(frames, 1):
            self.write(frame, more=n < len(frames))

    def _frames(self, record: EventRecord, forms: WireForms) -> Iterator[Frame]:
        """The event as a broadcast, as a change of a row, or both."""
        if record.channel == self.channel:
            yield forms((_PROTOCOL, self.vsn, self.name), lambda: self._broadcast(record))
        if record.channel == self.rows:
            change = forms((_PROTOCOL, "change"), lambda: change_of(record))
            if change is not None:
                yield from self._change_frames(change, forms)

    def _broadcast(self, record: EventRecord, **meta: object) -> Frame:
        """A broadcast whose payload is the event's envelope, with its position."""
        meta = {"id": record.event_id, **meta}
        return broadcast_frame(self.vsn, self.name, record.type, envelope(record), meta)

    def _change_frames(self, change: RowChange, forms: WireForms) -> Iterator[Frame]:
        """One for each selection of columns; most clients select all."""
        for columns, ids in change.ids(self.bindings).items():
            data = forms((_PROTOCOL, "data", columns), partial(change.data, columns))
            content = {"ids": ids, "data": orjson.Fragment(data)}
            frame = partial(self.shared_frame, "postgres_changes", content)
            yield forms((_PROTOCOL, self.vsn, self.name, columns, ids), frame)

    def notify(self, event: str, data: bytes, forms: WireForms) -> None:
        key = (_PROTOCOL, self.vsn, self.name)
        self.write(forms(key, lambda: broadcast_frame(self.vsn, self.name, event, data, {})))

    def notify_position(self, channel: Channel, position: Position, forms: WireForms) -> None:
        self.on_position(self, channel, position)

    def shared_frame(self, event: str, payload: object) -> Frame:
        """A frame for all topics of this name and version: it contains no ref."""
        return message_frame(self.vsn, self.name, event, payload)

    # --- for this client alone ---

    def push(self, event: str, payload: object) -> None:
        frame = message_frame(self.vsn, self.name, event, payload, join_ref=self.join.join_ref)
        self.write(frame)

    def push_system(self, extension: str, status: str, message: str) -> None:
        channel = self.name.removeprefix(PREFIX)
        content = {"extension": extension, "status": status, "message": message}
        self.push("system", {**content, "channel": channel})

    def push_replayed(self, record: EventRecord) -> None:
        self.write(self._broadcast(record, replayed=True))

    def push_close(self) -> None:
        """``phx_close``: the topic has ended, and the client does not join again."""
        self._push_end("phx_close")

    def push_error(self) -> None:
        """``phx_error``: the topic has ended; the client joins again after 1 to 10 s."""
        self._push_end("phx_error")

    def _push_end(self, event: str) -> None:
        ref, join_ref = self.join.message.ref, self.join.join_ref
        self.write(message_frame(self.vsn, self.name, event, {}, ref=ref, join_ref=join_ref))
