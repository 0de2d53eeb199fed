"""The envelope of events, the same on every wire, and the responses of a catch-up.

Stored payloads are JSON already and are embedded unparsed.
"""

from collections.abc import Iterable

import orjson

from actors.domain.author import author_in
from actors.ports.events import EventRecord
from actors.services.changes import ChannelChanges
from api.schemas.fields import instant_text
from api.schemas.resources import author_data


def envelope(record: EventRecord) -> bytes:
    """``{"id","type","channel","offset","epoch","time","by","data"}``; ``by`` may be missing."""
    return orjson.dumps(_enveloped(record))


def channel_json(changes: ChannelChanges) -> bytes:
    """``{"recovered","events","more","epoch","offset"}`` of one channel."""
    return orjson.dumps(_channel(changes))


def channels_json(answers: Iterable[ChannelChanges]) -> bytes:
    """``{"channels": {name: …}}``: ``GET /api/changes`` and ``hub:ready``."""
    return orjson.dumps({"channels": {one.channel: _channel(one) for one in answers}})


def _channel(changes: ChannelChanges) -> dict[str, object]:
    return {
        "recovered": changes.recovered,
        "events": [_enveloped(record) for record in changes.events],
        "more": changes.more,
        "epoch": changes.position.epoch,
        "offset": changes.position.offset,
    }


def _enveloped(record: EventRecord) -> dict[str, object]:
    author = record.by and author_in(record.channel, record.by)
    return {
        "id": record.event_id,
        "type": record.type,
        "channel": record.channel,
        "offset": record.position.offset,
        "epoch": record.position.epoch,
        "time": instant_text(record.time),
        **({"by": author_data(author)} if author else {}),
        "data": orjson.Fragment(record.payload),
    }
