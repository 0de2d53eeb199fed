"""Maps rows of a table to values of the domain and back, by the names of columns."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Generic, TypeVar, get_args, get_type_hints

from sqlalchemy import Column, Table

T = TypeVar("T")

Convert = Callable[[Any], object]


class RowMapper(Generic[T]):
    """Knows the columns in which the fields of a dataclass are stored.

    A field is stored in the column of its name, unless ``renamed`` names another one. A field
    that is a dataclass or a NamedTuple itself has a column for each of its own fields, which
    ``renamed`` may name as ``field.own``; an optional one is ``None`` where the first of these
    columns is. An enum is stored as its value; ``loads`` and ``dumps`` convert other fields.

    Both directions are compiled once, as dataclasses compiles ``__init__``: a generic loop
    takes three times as long (5 against 1.7 microseconds for an appointment to be written).
    """

    columns: tuple[Column[Any], ...]
    read: Callable[[Sequence[Any]], T]
    """From a row that begins with the values of ``columns``."""
    params: Callable[[T], dict[str, object]]
    """The value of each column, by the column's name."""

    def __init__(
        self,
        kind: type[T],
        table: Table,
        *,
        renamed: Mapping[str, str] | None = None,
        loads: Mapping[str, Convert] | None = None,
        dumps: Mapping[str, Convert] | None = None,
        without: Collection[str] = (),
    ) -> None:
        """Fields named by ``without`` are not stored, and have their default when read."""
        columns: list[Column[Any]] = []
        params: list[str] = []
        guarded: set[str] = set()
        """Paths of optional parts."""
        known: dict[str, object] = {"str": str}

        def build(part: type, path: str) -> str:
            """The expression that makes a ``part`` from a row."""
            known[part.__name__] = part
            arguments = (
                f"{name}={argument(name, hint, f'{path}.{name}')}"
                for name, hint in _fields(part).items()
                if name not in without
            )
            return f"{part.__name__}({', '.join(arguments)})"

        def argument(name: str, hint: object, path: str) -> str:
            whole, optional = _part_in(hint)
            if whole is None or name in (loads or {}):
                return load(name, hint, path)
            first = len(columns)
            if not optional:
                return build(whole, path)
            guarded.add(path)
            return f"None if row[{first}] is None else {build(whole, path)}"

        def load(name: str, hint: object, path: str) -> str:
            """The expression for one column's value."""
            names = renamed or {}
            stored = names.get(path.removeprefix("value."), names.get(name, name))
            column, value = table.c[stored], f"row[{len(columns)}]"
            columns.append(column)
            enum = _enum_in(hint)
            loading = enum or (loads or {}).get(name)
            dumping = str if enum else (dumps or {}).get(name)
            dumped = _converted(path, dumping, f"dump_{column.name}", known)
            if (owner := path.rpartition(".")[0]) in guarded:
                dumped = f"None if {owner} is None else {dumped}"
            params.append(f"{column.name!r}: {dumped}")
            return _converted(value, loading, f"load_{column.name}", known)

        expression = build(kind, "value")
        self.columns = tuple(columns)
        self.read = eval(f"lambda row: {expression}", known)  # noqa: S307  # names of our classes
        self.params = eval(f"lambda value: {{{', '.join(params)}}}", known)  # noqa: S307  # as above


def _converted(value: str, convert: Convert | None, name: str, known: dict[str, object]) -> str:
    if convert is None:
        return value
    known[name] = convert
    return f"None if {value} is None else {name}({value})"


def _fields(kind: type) -> Mapping[str, object]:
    """Names and types of the fields of a dataclass or a NamedTuple; other types have none."""
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        return {field.name: hints[field.name] for field in fields(kind)}
    return get_type_hints(kind) if hasattr(kind, "_fields") else {}


def _part_in(hint: object) -> tuple[type | None, bool]:
    """The part ``P`` of a type ``P`` or ``P | None``, and whether it is optional."""
    kinds = [kind for kind in get_args(hint) if kind is not NoneType]
    optional = isinstance(hint, UnionType) and len(kinds) == 1
    kind = kinds[0] if optional else hint
    is_part = isinstance(kind, type) and bool(_fields(kind))
    return (kind if isinstance(kind, type) and is_part else None), optional


def _enum_in(hint: object) -> type[Enum] | None:
    """The enum of a type ``E`` or ``E | None``; ``None`` for other types."""
    kinds = get_args(hint) if isinstance(hint, UnionType) else (hint,)
    for kind in kinds:
        if isinstance(kind, type) and issubclass(kind, Enum):
            return kind
    return None
