"""What a stream is made of (HTML Standard §9.2, ``text/event-stream``)."""

from collections.abc import Sequence
from typing import Final

import orjson

from actors.ports.events import EventRecord
from actors.services.changes import ChannelChanges
from api.schemas import envelope

HEARTBEAT: Final = b":\n\n"
"""A comment: it keeps proxies, and whoever listens for silence, content."""


def event_body(record: EventRecord) -> bytes:
    """An event without its id, which is another one in every stream."""
    return b"event: %b\ndata: %b\n" % (record.type.encode(), envelope(record))


def with_id(body: bytes, cursor: str) -> bytes:
    return b"%bid: %b\n\n" % (body, cursor.encode())


def ready(changes: Sequence[ChannelChanges], cursor: str, retry_ms: int | None = None) -> bytes:
    """``hub:ready``: where the stream begins in each channel; missed events follow it as
    events, so there is nothing to ask on for."""
    channels = {
        each.channel: {
            "recovered": each.recovered,
            "events": [],
            "more": False,
            "epoch": each.begins_at.epoch,
            "offset": each.begins_at.offset,
        }
        for each in changes
    }
    retry = b"" if retry_ms is None else b"retry: %d\n" % retry_ms
    return with_id(
        b"%bevent: hub:ready\ndata: %b\n" % (retry, orjson.dumps({"channels": channels})), cursor
    )


def notice(event: str, data: object, *, retry_ms: int | None = None) -> bytes:
    """Something that is no event of a channel, so it has no id."""
    retry = b"" if retry_ms is None else b"retry: %d\n" % retry_ms
    return b"%bevent: %b\ndata: %b\n\n" % (retry, event.encode(), orjson.dumps(data))
