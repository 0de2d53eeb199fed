"""Commands, replies and refusals as JSON between nodes, and back. No code travels.

Commands are frozen dataclasses, so their fields and types say how they are read: one reader
for all of them. What a newer node adds with a default, an older one leaves out, and the
other way round: two versions run side by side during an upgrade.
"""

import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import date, datetime
from enum import Enum
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import orjson

from actors.domain import commands, refusals
from actors.domain.commands import Command, Unset
from actors.domain.outcome import Outcome
from actors.domain.refusals import FieldError, Refusal, Unavailable, ValidationFailed
from actors.ports.commits import IdempotencyKey, Reply

T = TypeVar("T")
Json = Any

_COMMANDS: Mapping[str, type[Command]] = {
    each.__name__: each
    for each in vars(commands).values()
    if isinstance(each, type) and issubclass(each, Command) and each is not Command
}
_REFUSALS: Mapping[str, type[Refusal]] = {
    each.code: each
    for each in vars(refusals).values()
    if isinstance(each, type) and issubclass(each, Refusal) and each is not Refusal
}
_UNSET = {"$": "unset"}


class Unreadable(Exception):
    """Not what this version knows: a node of a version too far away."""


# --- values --------------------------------------------------------------------------


def plain(value: Any) -> Json:
    """A value of the domain as JSON."""
    if isinstance(value, Unset):
        return _UNSET
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime | date):
        return value.isoformat()
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value) if f.init}
    if isinstance(value, tuple | list):
        return [plain(each) for each in value]
    return value


def read(kind: Any, said: Json) -> Any:
    """The value of type ``kind`` that was said. Raises :class:`Unreadable`."""
    try:
        return _read(kind, said)
    except (TypeError, ValueError, KeyError, AssertionError) as error:
        raise Unreadable(f"no {getattr(kind, '__name__', kind)}: {error}") from error


def _read(kind: Any, said: Json) -> Any:
    while hasattr(kind, "__supertype__"):  # an id is text
        kind = kind.__supertype__
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        return _read_union(get_args(kind), said)
    if origin is tuple:
        of, *_ = get_args(kind)
        return tuple(_read(of, each) for each in said)
    if is_dataclass(kind):
        return _read_fields(kind, said)
    if kind is datetime or kind is date:
        return kind.fromisoformat(said)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(said)
    if not isinstance(said, kind) or isinstance(said, bool) is not (kind is bool):
        raise TypeError(f"{type(said).__name__} is no {kind.__name__}")
    return said


def _read_union(kinds: tuple[Any, ...], said: Json) -> Any:
    if said is None and type(None) in kinds:
        return None
    if said == _UNSET and Unset in kinds:
        return commands.UNSET
    (kind,) = [each for each in kinds if each not in (type(None), Unset)]
    return _read(kind, said)


def _read_fields(kind: Any, said: Json) -> Any:
    known: dict[str, Any] = {}
    for name, (of, required) in _shape(kind).items():
        if name in said:
            known[name] = _read(of, said[name])
        elif required:
            raise KeyError(name)
    return kind(**known)


@cache
def _shape(kind: Any) -> Mapping[str, tuple[Any, bool]]:
    hints = get_type_hints(kind)
    return {
        f.name: (hints[f.name], f.default is MISSING and f.default_factory is MISSING)
        for f in fields(kind)
        if f.init
    }


# --- what is asked and answered ------------------------------------------------------


def command_json(command: Command) -> Json:
    return {"kind": type(command).__name__, **plain(command)}


def command_of(said: Json) -> Command:
    kind = _COMMANDS.get(said.get("kind"))
    if kind is None:
        raise Unreadable(f"no such command: {said.get('kind')}")
    command: Command = read(kind, said)
    return command


def key_of(said: Json) -> IdempotencyKey:
    key: IdempotencyKey = read(IdempotencyKey, said)
    return key


def reply_json(reply: Reply) -> Json:
    return {
        "outcome": reply.outcome.value,
        "resource_id": reply.resource_id,
        "version": reply.version,
        "body": reply.body.decode(),
    }


def reply_of(said: Json) -> Reply:
    return Reply(
        outcome=Outcome(said["outcome"]),
        resource_id=said["resource_id"],
        version=said["version"],
        body=said["body"].encode(),
    )


def refusal_json(refusal: Refusal) -> Json:
    given = refusal.details if isinstance(refusal, ValidationFailed) else refusal.args
    return {"code": refusal.code, "given": plain(tuple(given))}


def refusal_of(said: Json) -> Refusal:
    """What a node of another version says, and this one does not know, is no answer."""
    kind, given = _REFUSALS.get(said["code"]), said["given"]
    if kind is None:
        return Unavailable()
    if kind is ValidationFailed:
        return ValidationFailed(*(read(FieldError, each) for each in given))
    if kind is refusals.TooSoon:
        return refusals.TooSoon(datetime.fromisoformat(given[0]))
    return kind(*given)


def dumps(said: Json) -> bytes:
    return orjson.dumps(said)


def loads(body: bytes) -> Json:
    """Raises :class:`Unreadable`."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Unreadable(str(error)) from None
