"""Frames of events, each encoded once for all sockets that receive it; pure.

A frame depends on the version, the topic and, for ``postgres_changes``, the ids of the
matching bindings; it never depends on the socket.
"""

from collections.abc import Mapping

import orjson

from actors.ports.events import EventRecord
from api.realtime.rooms.frames import Frame
from api.realtime.rooms.subscribers import WireForms
from api.realtime.supabase.bindings import Binding
from api.realtime.supabase.frames import Vsn, broadcast_frame, message_frame
from api.realtime.supabase.rows import RowChange, change_of
from api.schemas import envelope

_PROTOCOL = "supabase"


def event_frame(vsn: Vsn, topic: str, record: EventRecord, forms: WireForms) -> Frame:
    """A broadcast whose payload is the event's envelope, with its position."""
    meta = {"id": record.event_id}
    return forms((_PROTOCOL, vsn, topic), lambda: _broadcast(vsn, topic, record, meta))


def replayed_frame(vsn: Vsn, topic: str, record: EventRecord) -> Frame:
    return _broadcast(vsn, topic, record, {"id": record.event_id, "replayed": True})


def ephemeral_frame(vsn: Vsn, topic: str, event: str, data: bytes, forms: WireForms) -> Frame:
    """A broadcast that is not in the event log; ``data`` is encoded JSON."""
    return forms((_PROTOCOL, vsn, topic), lambda: broadcast_frame(vsn, topic, event, data, {}))


def change_frame(
    vsn: Vsn, topic: str, record: EventRecord, bindings: tuple[Binding, ...], forms: WireForms
) -> Frame | None:
    """``None`` if no binding matches."""
    change = forms((_PROTOCOL, "change"), lambda: change_of(record))
    ids = change.ids(bindings) if change else ()
    if change is None or not ids:
        return None
    return forms((_PROTOCOL, vsn, topic, ids), lambda: _change(vsn, topic, ids, change))


def _broadcast(vsn: Vsn, topic: str, record: EventRecord, meta: Mapping[str, object]) -> Frame:
    return broadcast_frame(vsn, topic, record.type, envelope(record), meta)


def _change(vsn: Vsn, topic: str, ids: tuple[int, ...], change: RowChange) -> Frame:
    content = {"ids": list(ids), "data": orjson.Fragment(change.data)}
    return message_frame(vsn, topic, "postgres_changes", content)
