"""Frames and messages of the Supabase Realtime protocol; pure.

Version 1.0.0 writes a message as a JSON object, 2.0.0 as an array of five. Version 2.0.0 also
has two binary kinds of frames for broadcasts::

    3, in    03 | len join_ref | len ref | len topic | len event | len meta | encoding | ...
    4, out   04 | len topic | len event | len meta | encoding | topic | event | meta | payload

Each length is one byte; ``encoding`` is 0 for bytes and 1 for JSON. Source: the serializer of
``@supabase/realtime-js``, and Phoenix' ``V1/V2.JSONSerializer``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import orjson

from api.realtime.rooms.frames import Frame

PREFIX: Final = "realtime:"
"""Each topic on the wire begins with it; the name of the channel follows."""
NAME_BYTES_MAX: Final = 255
"""The longest name that fits into a binary frame."""

Ref = str | int | None
"""The client's id of a message; the reply repeats it unchanged."""

_BROADCAST_IN, _BROADCAST_OUT = 3, 4
_BINARY, _JSON = 0, 1
_HEADER_BYTES = 7
_REF_CHARS_MAX = 128
_REF_NUMBER_MAX = 2**53
_BROADCAST = "broadcast"


class Vsn(StrEnum):
    """The version of the serializer; clients name it in the URL."""

    ONE = "1.0.0"
    TWO = "2.0.0"


class MalformedFrame(Exception):
    """The data is not a frame of this protocol."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ClientMessage:
    """A message that a client sent."""

    topic: str
    event: str
    payload: Mapping[str, object]
    ref: Ref = None
    join_ref: Ref = None
    """The join of the topic that it belongs to; only version 2.0.0 has it."""


def decode(vsn: Vsn, data: str | bytes) -> ClientMessage:
    """The message in a frame. Raises only :class:`MalformedFrame`."""
    if isinstance(data, bytes):
        if vsn is not Vsn.TWO:
            raise MalformedFrame("binary frames are of version 2.0.0")
        return _binary_broadcast(data)
    parsed = _parse_json(data)
    if vsn is Vsn.ONE:
        if not isinstance(parsed, dict):
            raise MalformedFrame("not an object")
        names = ("join_ref", "ref", "topic", "event", "payload")
        return _message(*(parsed.get(name) for name in names))
    if not isinstance(parsed, list) or len(parsed) != 5:
        raise MalformedFrame("not an array of five")
    return _message(*parsed)


def message_frame(
    vsn: Vsn, topic: str, event: str, payload: object, *, ref: Ref = None, join_ref: Ref = None
) -> Frame:
    """A message; ``payload`` may hold encoded JSON, as ``orjson.Fragment``."""
    if vsn is Vsn.ONE:
        fields = {"topic": topic, "event": event, "payload": payload, "ref": ref}
        return Frame(orjson.dumps(fields))
    return Frame(orjson.dumps([join_ref, ref, topic, event, payload]))


def ok_reply(vsn: Vsn, message: ClientMessage, response: object = None) -> Frame:
    return _reply(vsn, message, "ok", {} if response is None else response)


def error_reply(vsn: Vsn, message: ClientMessage, reason: str) -> Frame:
    """Refuses a message; clients repeat a refused join after a while."""
    return _reply(vsn, message, "error", {"reason": reason})


def _reply(vsn: Vsn, message: ClientMessage, status: str, response: object) -> Frame:
    content = {"status": status, "response": response}
    return message_frame(
        vsn, message.topic, "phx_reply", content, ref=message.ref, join_ref=message.join_ref
    )


def broadcast_frame(
    vsn: Vsn, topic: str, event: str, payload: bytes, meta: Mapping[str, object]
) -> Frame:
    """A broadcast of encoded JSON; binary if the version and the names allow it."""
    if vsn is Vsn.TWO:
        names = (topic.encode(), event.encode(), orjson.dumps(meta))
        if all(len(name) <= NAME_BYTES_MAX for name in names):
            head = bytes((_BROADCAST_OUT, *map(len, names), _JSON))
            return Frame(b"".join((head, *names, payload)), binary=True)
    content = orjson.Fragment(payload)
    broadcast = {"type": _BROADCAST, "event": event, "payload": content, "meta": meta}
    return message_frame(vsn, topic, _BROADCAST, broadcast)


def _parse_json(data: str | bytes) -> object:
    try:
        parsed: object = orjson.loads(data)
    except ValueError:
        # the library's error quotes the data, which may hold a token
        raise MalformedFrame("not JSON") from None
    return parsed


def _message(
    join_ref: object, ref: object, topic: object, event: object, payload: object
) -> ClientMessage:
    if not isinstance(topic, str) or not isinstance(event, str):
        raise MalformedFrame("topic and event must be text")
    if payload is None:
        payload = {}
    if not isinstance(payload, dict):
        raise MalformedFrame("the payload must be an object")
    return ClientMessage(
        topic=topic, event=event, payload=payload, ref=_ref(ref), join_ref=_ref(join_ref)
    )


def _ref(value: object) -> Ref:
    match value:
        case None:
            return None
        case str() if len(value) <= _REF_CHARS_MAX:
            return value
        case int() if not isinstance(value, bool) and abs(value) <= _REF_NUMBER_MAX:
            return value
        case _:
            raise MalformedFrame("a ref must be a short text, a number or null")


def _binary_broadcast(data: bytes) -> ClientMessage:
    """Reads kind 3, whose names may not be UTF-8: clients write a byte a character."""
    if len(data) < _HEADER_BYTES or data[0] != _BROADCAST_IN:
        raise MalformedFrame("not a broadcast of a client")
    *lengths, encoding = data[1:_HEADER_BYTES]
    if encoding not in (_BINARY, _JSON):
        raise MalformedFrame("unknown encoding")
    parts, end = [], _HEADER_BYTES
    for length in lengths:
        parts.append(data[end : end + length])
        end += length
    if end > len(data):
        raise MalformedFrame("shorter than its lengths")
    join_ref, ref, topic, event = (part.decode(errors="replace") for part in parts[:4])
    if parts[4] and not isinstance(_parse_json(parts[4]), dict):
        raise MalformedFrame("meta must be an object")
    content = data[end:] if encoding == _BINARY else _parse_json(data[end:])
    payload = {"type": _BROADCAST, "event": event, "payload": content}
    return _message(join_ref or None, ref or None, topic, _BROADCAST, payload)
