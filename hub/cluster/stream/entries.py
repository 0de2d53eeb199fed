"""What nodes tell each other over the stream: one entry, as signed bytes, and back.

Signed, so that whoever can write to Redis cannot put events onto the screens of a clinic.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

import orjson

from actors.domain.channels import Channel
from actors.domain.ids import EventId
from actors.domain.position import Position
from actors.ports.events import EventRecord
from hub.cluster.internal.signing import Forged, check, sign

_SIGNATURE_LENGTH = 64


class Kind(StrEnum):
    EVENTS = "events"
    """Committed events, to be told to whoever joined their channels at other nodes."""
    BEAT = "beat"
    """I am here, and this is how I am (``hub:status``)."""
    PRESENCE = "presence"
    """What Supabase clients say of themselves (:mod:`api.realtime.supabase.presence_sync`)."""
    OTHER = "other"
    """Something that a newer version says: it counts as heard, and that is all."""

    @classmethod
    def _missing_(cls, value: object) -> "Kind":
        return cls.OTHER


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    node: str
    number: int
    kind: Kind
    records: Sequence[EventRecord] = ()
    said: Mapping[str, Any] = field(default_factory=dict)


class Garbled(Exception):
    """Not an entry as this version knows them, or not of a node of this cluster."""


def encode(entry: Entry, key: bytes) -> bytes:
    """``key`` is the one that the nodes sign with."""
    told = [
        [r.channel, *r.position, r.event_id, r.type, r.time.isoformat(), r.payload.decode()]
        for r in entry.records
    ]
    body = orjson.dumps(
        {"n": entry.node, "i": entry.number, "k": entry.kind, "r": told, "s": entry.said}
    )
    return sign(key, body).encode() + body


def decode(raw: bytes, key: bytes) -> Entry:
    """Raises :class:`Garbled`."""
    signature, body = raw[:_SIGNATURE_LENGTH], raw[_SIGNATURE_LENGTH:]
    try:
        check(key, signature.decode("ascii", "replace"), body)
        said = orjson.loads(body)
        return Entry(
            node=said["n"],
            number=int(said["i"]),
            kind=Kind(said["k"]),
            records=[_record(*each) for each in said["r"]],
            said=said["s"],
        )
    except (Forged, ValueError, KeyError, TypeError) as error:
        raise Garbled(type(error).__name__) from error


def _record(
    channel: str, epoch: int, offset: int, event_id: str, kind: str, time: str, payload: str
) -> EventRecord:
    return EventRecord(
        channel=Channel(channel),
        position=Position(epoch, offset),
        event_id=EventId(event_id),
        type=kind,
        time=datetime.fromisoformat(time),
        payload=payload.encode(),
    )
