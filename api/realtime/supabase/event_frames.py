"""Events in their wire forms, each made once however many sockets get it; pure.

A form depends on the version and the topic, and of ``postgres_changes`` on the bindings'
ids: never on the socket.
"""

from typing import Any

import orjson

from actors.ports.events import EventRecord
from api.realtime.rooms.frames import Frame
from api.realtime.rooms.subscribers import Once
from api.realtime.supabase.bindings import Binding
from api.realtime.supabase.frames import Vsn, broadcast, text
from api.realtime.supabase.rows import Change, change_of
from api.schemas import envelope

_WIRE = "supabase"


def event_frame(vsn: Vsn, topic: str, record: EventRecord, once: Once) -> Frame:
    """A broadcast whose inner payload is the envelope, with the event's place in it."""
    return once((_WIRE, vsn, topic), lambda: _event(vsn, topic, record, {"id": record.event_id}))


def replayed_frame(vsn: Vsn, topic: str, record: EventRecord) -> Frame:
    return _event(vsn, topic, record, {"id": record.event_id, "replayed": True})


def told_frame(vsn: Vsn, topic: str, event: str, data: bytes, once: Once) -> Frame:
    """A broadcast that is no row of the log; ``data`` is ready JSON."""
    return once((_WIRE, vsn, topic), lambda: broadcast(vsn, topic, event, data, {}))


def change_frame(
    vsn: Vsn, topic: str, record: EventRecord, bindings: tuple[Binding, ...], once: Once
) -> Frame | None:
    """``None`` when no binding wants it."""
    change = once((_WIRE, "change"), lambda: change_of(record))
    ids = change.ids(bindings) if change else ()
    if change is None or not ids:
        return None
    return once((_WIRE, vsn, topic, ids), lambda: _change(vsn, topic, ids, change))


def _event(vsn: Vsn, topic: str, record: EventRecord, meta: dict[str, Any]) -> Frame:
    return broadcast(vsn, topic, record.type, envelope(record), meta)


def _change(vsn: Vsn, topic: str, ids: tuple[int, ...], change: Change) -> Frame:
    content = {"ids": list(ids), "data": orjson.Fragment(change.data)}
    return text(vsn, topic, "postgres_changes", content)
