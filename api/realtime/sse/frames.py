"""The frames of a stream (HTML Standard §9.2, ``text/event-stream``)."""

from collections.abc import Sequence
from typing import Final

import orjson

from actors.ports.events import EventRecord
from actors.services.changes import ChannelChanges
from api.schemas import envelope

HEARTBEAT: Final = b":\n\n"
"""A comment, so that proxies and clients do not take the silence for a lost connection."""


def event_body(record: EventRecord) -> bytes:
    """An event without its id, which differs from stream to stream."""
    return b"event: %b\ndata: %b\n" % (record.type.encode(), envelope(record))


def with_id(body: bytes, cursor: str) -> bytes:
    return b"%bid: %b\n\n" % (body, cursor.encode())


def ready(changes: Sequence[ChannelChanges], cursor: str, retry_ms: int | None = None) -> bytes:
    """``hub:ready``: where the stream begins in each channel.

    Missed events follow as events of the stream, so ``events`` is always empty here.
    """
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
    body = b"event: hub:ready\ndata: %b\n" % orjson.dumps({"channels": channels})
    return with_id(_retry(retry_ms) + body, cursor)


def notice(event: str, data: object, *, retry_ms: int | None = None) -> bytes:
    """A message that is no event of a channel, and so has no id."""
    return b"%bevent: %b\ndata: %b\n\n" % (_retry(retry_ms), event.encode(), orjson.dumps(data))


def _retry(retry_ms: int | None) -> bytes:
    """When the client should reconnect after the connection was lost."""
    return b"" if retry_ms is None else b"retry: %d\n" % retry_ms
