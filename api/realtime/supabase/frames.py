"""Frames of the Supabase Realtime protocol and the messages in them; pure.

Version 1.0.0 writes a message as a JSON object, 2.0.0 as an array of five; 2.0.0 also has
two binary kinds for broadcasts::

    3, in    03 | len join_ref | len ref | len topic | len event | len meta | encoding | …
    4, out   04 | len topic | len event | len meta | encoding | topic | event | meta | payload

Every length is one byte; ``encoding`` is 0 for bytes and 1 for JSON. Source: the serializer
of ``@supabase/realtime-js`` and Phoenix' ``V1/V2.JSONSerializer``.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import orjson

from api.realtime.rooms.frames import Frame

BYTE_MAX: Final = 255
"""The longest name that a binary frame can hold, in bytes."""

Ref = str | int | None
"""What a client calls a message of its own; answered as it came."""

_PUSHED, _SENT = 3, 4
_BINARY, _JSON = 0, 1
_HEADER = 7
_REF_CHARS_MAX = 128
_REF_NUMBER_MAX = 2**53
_BROADCAST = "broadcast"


class Vsn(StrEnum):
    """The serializer's version, which a client names in its address."""

    ONE = "1.0.0"
    TWO = "2.0.0"


class MalformedFrame(Exception):
    """Not a frame of this protocol; the only error that reading one raises."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """What a client sent."""

    topic: str
    event: str
    payload: dict[str, Any]
    ref: Ref = None
    join_ref: Ref = None
    """Which join of the topic it belongs to; only version 2.0.0 says so."""


def decode(vsn: Vsn, data: str | bytes) -> Message:
    """The message in a frame. Raises :class:`MalformedFrame`, and nothing else."""
    if isinstance(data, bytes):
        if vsn is not Vsn.TWO:
            raise MalformedFrame("binary frames are of version 2.0.0")
        return _pushed(data)
    parsed = _json(data)
    if vsn is Vsn.ONE:
        if not isinstance(parsed, dict):
            raise MalformedFrame("not an object")
        names = ("join_ref", "ref", "topic", "event", "payload")
        return _message(*(parsed.get(name) for name in names))
    if not isinstance(parsed, list) or len(parsed) != len(Message.__dataclass_fields__):
        raise MalformedFrame("not an array of five")
    return _message(*parsed)


def text(
    vsn: Vsn, topic: str, event: str, payload: Any, *, ref: Ref = None, join_ref: Ref = None
) -> Frame:
    """A message for a client; ``payload`` may be or hold ready JSON (``orjson.Fragment``)."""
    if vsn is Vsn.ONE:
        fields = {"topic": topic, "event": event, "payload": payload, "ref": ref}
        return Frame(orjson.dumps(fields))
    return Frame(orjson.dumps([join_ref, ref, topic, event, payload]))


def broadcast(vsn: Vsn, topic: str, event: str, payload: bytes, meta: dict[str, Any]) -> Frame:
    """A broadcast with ready JSON as its content; binary where the version has that."""
    if vsn is Vsn.TWO:
        names = (topic.encode(), event.encode(), orjson.dumps(meta))
        if all(len(name) <= BYTE_MAX for name in names):
            head = bytes((_SENT, *map(len, names), _JSON))
            return Frame(b"".join((head, *names, payload)), binary=True)
    content = orjson.Fragment(payload)
    told = {"type": _BROADCAST, "event": event, "payload": content, "meta": meta}
    return text(vsn, topic, _BROADCAST, told)


def _json(data: str | bytes) -> Any:
    try:
        return orjson.loads(data)
    except ValueError:
        # the library's error quotes the data, which may hold a token
        raise MalformedFrame("not JSON") from None


def _message(join_ref: Any, ref: Any, topic: Any, event: Any, payload: Any) -> Message:
    if not isinstance(topic, str) or not isinstance(event, str):
        raise MalformedFrame("topic and event are text")
    if payload is None:
        payload = {}
    if not isinstance(payload, dict):
        raise MalformedFrame("the payload is an object")
    if not _is_ref(ref) or not _is_ref(join_ref):
        raise MalformedFrame("a ref is a short text, a number or null")
    return Message(topic=topic, event=event, payload=payload, ref=ref, join_ref=join_ref)


def _is_ref(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= _REF_CHARS_MAX
    if isinstance(value, bool):
        return False
    return value is None or (isinstance(value, int) and abs(value) <= _REF_NUMBER_MAX)


def _pushed(data: bytes) -> Message:
    """Kind 3. The client writes one byte a character, so names may not be valid UTF-8."""
    if len(data) < _HEADER or data[0] != _PUSHED:
        raise MalformedFrame("not a broadcast of a client")
    *lengths, encoding = data[1:_HEADER]
    if encoding not in (_BINARY, _JSON):
        raise MalformedFrame("an unknown encoding")
    parts, at = [], _HEADER
    for length in lengths:
        parts.append(data[at : at + length])
        at += length
    if at > len(data):
        raise MalformedFrame("shorter than it says")
    join_ref, ref, topic, event = (part.decode(errors="replace") for part in parts[:4])
    if parts[4] and not isinstance(_json(parts[4]), dict):
        raise MalformedFrame("meta is an object")
    content = data[at:] if encoding == _BINARY else _json(data[at:])
    return _message(
        join_ref or None,
        ref or None,
        topic,
        _BROADCAST,
        {"type": _BROADCAST, "event": event, "payload": content},
    )
