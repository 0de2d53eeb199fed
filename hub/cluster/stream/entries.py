"""Entries of the stream between the nodes, as signed bytes.

The signature keeps anyone who can write to Redis from showing events on the screens of a clinic.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

import orjson

from actors.domain.author import Author
from actors.domain.channels import Channel
from actors.domain.ids import EventId, ProfileId
from actors.domain.position import Position
from actors.domain.principal import Role
from actors.ports.events import EventRecord
from hub.cluster.internal.signing import NotAuthentic, check, sign

_SIGNATURE_LENGTH = 64


class EntryKind(StrEnum):
    EVENTS = "events"
    """Committed events, for the subscribers at the other nodes."""
    BEAT = "beat"
    """The node lives; its body is the node's figures for ``hub:status``."""
    PRESENCE = "presence"
    """Presence of Supabase clients (:mod:`api.realtime.supabase.presence_sync`)."""
    OTHER = "other"
    """A kind that only a newer version knows: it counts as received, and is ignored."""

    @classmethod
    def _missing_(cls, value: object) -> "EntryKind":
        return cls.OTHER


@dataclass(frozen=True, kw_only=True, slots=True)
class StreamEntry:
    node: str
    number: int
    """Counts the entries of that node, without gaps."""
    kind: EntryKind
    records: Sequence[EventRecord] = ()
    body: Mapping[str, object] = field(default_factory=dict)


class UnreadableEntry(Exception):
    """Not an entry that this version can read, or not signed by a node of this cluster."""


def encode(entry: StreamEntry, key: bytes) -> bytes:
    """``key`` is what the nodes sign with."""
    records = [
        [r.channel, *r.position, r.event_id, r.type, r.time.isoformat(), r.payload.decode()]
        for r in entry.records
    ]
    authors = [r.by and (r.by.role, r.by.id, r.by.name) for r in entry.records]
    body = orjson.dumps(
        {
            "n": entry.node,
            "i": entry.number,
            "k": entry.kind,
            "r": records,
            "b": authors,  # nodes of the version before neither send nor read it
            "s": entry.body,
        }
    )
    return sign(key, body).encode() + body


def decode(raw: bytes, key: bytes) -> StreamEntry:
    """Raises :class:`UnreadableEntry`."""
    signature, body = raw[:_SIGNATURE_LENGTH], raw[_SIGNATURE_LENGTH:]
    try:
        check(key, signature.decode("ascii", "replace"), body)
        data = orjson.loads(body)
        rows = data["r"]
        authors = data.get("b", [None] * len(rows))
        return StreamEntry(
            node=data["n"],
            number=int(data["i"]),
            kind=EntryKind(data["k"]),
            records=[_record(*each, by=by) for each, by in zip(rows, authors, strict=True)],
            body=data["s"],
        )
    except (NotAuthentic, ValueError, KeyError, TypeError) as error:
        raise UnreadableEntry(type(error).__name__) from error


def _record(
    channel: str,
    epoch: int,
    offset: int,
    event_id: str,
    type: str,
    time: str,
    payload: str,
    *,
    by: tuple[str, ProfileId | None, str | None] | None,
) -> EventRecord:
    return EventRecord(
        channel=Channel(channel),
        position=Position(epoch, offset),
        event_id=EventId(event_id),
        type=type,
        time=datetime.fromisoformat(time),
        payload=payload.encode(),
        by=by and Author(role=Role(by[0]), id=by[1], name=by[2]),
    )
