"""Commands, replies and refusals as JSON between nodes, and back.

Two versions of the hub run side by side during an upgrade. So a field that only a newer node
knows is ignored, and a field that an older node does not send has its default.
"""

import types
from collections.abc import Mapping
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Final, TypeVar, Union, get_args, get_origin

import orjson
from cattrs import Converter

from actors.domain import commands, refusals
from actors.domain.commands import UNSET, Command, Unset
from actors.domain.refusals import FieldError, Refusal, TooSoon, Unavailable, ValidationFailed

T = TypeVar("T")
P = TypeVar("P", str, int, bool, float)

Json = str | int | float | bool | None | list["Json"] | Mapping[str, "Json"]
JsonObject = Mapping[str, object]
"""An object of JSON whose fields are still to be read."""

_COMMANDS: Final[Mapping[str, type[Command]]] = {
    each.__name__: each
    for each in vars(commands).values()
    if isinstance(each, type) and issubclass(each, Command) and not each.__subclasses__()
}
"""The commands by their ``kind``, without the base classes."""
_REFUSALS: Final[Mapping[str, type[Refusal]]] = {
    each.code: each
    for each in vars(refusals).values()
    if isinstance(each, type) and issubclass(each, Refusal) and each is not Refusal
}
_UNSET_JSON: Final = {"$": "unset"}


class Unreadable(Exception):
    """Not what this version can read; a node of a much newer or older version sent it."""


def dumps(data: object) -> bytes:
    return orjson.dumps(data)


def loads(body: bytes) -> JsonObject:
    """Raises :class:`Unreadable` unless ``body`` is a JSON object."""
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Unreadable(str(error)) from None
    if not isinstance(data, dict):
        raise Unreadable("not an object")
    return data


def to_json(value: object) -> Any:  # the JSON of any dataclass
    """A dataclass of the domain as JSON; a command gets its ``kind``."""
    return _CONVERTER.unstructure(value)


def from_json(data: object, kind: type[T]) -> T:
    """The value of type ``kind`` that ``data`` describes. Raises :class:`Unreadable`."""
    try:
        return _CONVERTER.structure(data, kind)
    except (TypeError, ValueError, KeyError, AttributeError, AssertionError) as error:
        raise Unreadable(f"no {kind.__name__}: {error}") from error


def refusal_json(refusal: Refusal) -> JsonObject:
    return {"code": refusal.code, "given": to_json(refusal.args)}


def refusal_of(data: object) -> Refusal:
    """The refusal that another node answered; Unavailable for one that only it knows."""
    answer = from_json(data, dict[str, Any])
    kind, given = _REFUSALS.get(answer["code"]), answer["given"]
    if kind is None:
        return Unavailable()
    if kind is ValidationFailed:
        return ValidationFailed(*(from_json(each, FieldError) for each in given))
    if kind is TooSoon:
        return TooSoon(datetime.fromisoformat(given[0]))
    return kind(*given)


def _exactly(value: object, wanted: type[P]) -> P:
    """cattrs converts what it gets ("5" for 5); another type is an error here."""
    if type(value) is not wanted:
        raise TypeError(f"{type(value).__name__} is no {wanted.__name__}")
    return value


def _may_be_unset(kind: object) -> bool:
    return get_origin(kind) in (Union, types.UnionType) and Unset in get_args(kind)


def _command_of(data: Any, _: object) -> Command:
    kind = _COMMANDS.get(data["kind"])
    if kind is None:
        raise ValueError(f"no such command: {data['kind']}")
    return _CONVERTER.structure(data, kind)


def _converter() -> Converter:
    converter = Converter(detailed_validation=False)
    for primitive in (str, int, bool, float):
        converter.register_structure_hook(primitive, _exactly)
    converter.register_structure_hook(StrEnum, lambda text, kind: kind(text))
    for moment in (datetime, date):
        converter.register_unstructure_hook(moment, moment.isoformat)
        converter.register_structure_hook(moment, lambda text, kind: kind.fromisoformat(text))
    converter.register_unstructure_hook(bytes, bytes.decode)
    converter.register_structure_hook(bytes, lambda text, _: text.encode())
    converter.register_unstructure_hook(Unset, lambda _: _UNSET_JSON)
    converter.register_structure_hook_factory(_may_be_unset, _or_unset)
    converter.register_structure_hook_func(lambda kind: kind is Command, _command_of)
    converter.register_unstructure_hook_func(
        lambda kind: kind is Command,
        lambda command: {"kind": type(command).__name__, **_CONVERTER.unstructure(command)},
    )
    return converter


def _or_unset(kind: Any, converter: Converter) -> Any:
    """A hook for a field that may be unset, from the hook of its other types."""
    other: Any = Union[tuple(each for each in get_args(kind) if each is not Unset)]  # noqa: UP007  # from a tuple
    structure = converter.get_structure_hook(other)
    return lambda data, _: UNSET if data == _UNSET_JSON else structure(data, other)


_CONVERTER: Final = _converter()
