"""Bindings: which ``postgres_changes`` of appointments a client wants; pure.

A binding names events and may have one filter, ``column=operator.value``. Columns are the
fields of an appointment as REST shows it. A filter applies to the row after the change (for a
DELETE, to the last known row). As in SQL, no comparison with null is true.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from operator import eq, ge, gt, le, lt, ne
from typing import Any, Final, Literal

SCHEMA: Final = "public"
TABLE: Final = "appointments"
COLUMNS: Final[Mapping[str, str]] = {
    "id": "text",
    "dentist_id": "text",
    "patient_id": "text",
    "appointment_type_id": "text",
    "start": "timestamptz",
    "end": "timestamptz",
    "status": "text",
    "version": "int4",
    "overbooked": "bool",
    "created_via": "text",
    "notes": "text",
    "cancel_reason": "text",
    "created_at": "timestamptz",
    "updated_at": "timestamptz",
    "expires_at": "timestamptz",
    "patient": "jsonb",
    "dentist": "jsonb",
}
"""The PostgreSQL type of each field of a ``record``; ids are text, as in the database."""

BINDINGS_MAX: Final = 32
FILTER_CHARS_MAX: Final = 4_096
VALUES_MAX: Final = 100
"""Values of one ``in.(...)``, as in Supabase."""

ChangeType = Literal["INSERT", "UPDATE", "DELETE"]
Row = Mapping[str, object]
RowFilter = Callable[[Row], bool]

_EVENTS = frozenset({"*", "INSERT", "UPDATE", "DELETE"})
_OPERATORS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {  # of two values of one type
    "eq": eq,
    "neq": ne,
    "lt": lt,
    "lte": le,
    "gt": gt,
    "gte": ge,
    "in": lambda value, values: value in values,  # of a value and a set
}
_ID_BYTES = 6
"""An id is a number that JavaScript represents exactly."""


class InvalidBinding(Exception):
    """The binding is not valid; the text is the reason."""


@dataclass(frozen=True, slots=True)
class Binding:
    """The changes that one ``postgres_changes`` of a join selects."""

    id: int
    """The same for equal bindings, so that they share one frame."""
    event: str
    """``*`` or a :data:`ChangeType`."""
    filter: RowFilter | None

    def matches(self, type: ChangeType, row: Row) -> bool:
        return self.event in ("*", type) and (self.filter is None or self.filter(row))


def parse_binding(sent: Mapping[str, object]) -> Binding:
    """Raises only :class:`InvalidBinding`."""
    event, schema, table = (_text(sent, name, "*") for name in ("event", "schema", "table"))
    if event not in _EVENTS:
        raise InvalidBinding("event must be *, INSERT, UPDATE or DELETE")
    if schema not in (SCHEMA, "*") or table not in (TABLE, "*"):
        raise InvalidBinding(f"only the table {TABLE} of the schema {SCHEMA} is offered")
    text = _text(sent, "filter", "")
    return Binding(_id_of(event, text), event, parse_filter(text) if text else None)


def _text(sent: Mapping[str, object], name: str, default: str) -> str:
    value = sent.get(name)
    if value is None or value == "":
        return default
    if not isinstance(value, str):
        raise InvalidBinding(f"{name} must be text")
    return value


def parse_filter(text: str) -> RowFilter:
    """Parses ``column=operator.value``. Raises only :class:`InvalidBinding`."""
    if len(text) > FILTER_CHARS_MAX:
        raise InvalidBinding(f"a filter has at most {FILTER_CHARS_MAX} characters")
    column, equals, condition = text.partition("=")
    operator, dot, value = condition.partition(".")
    column = column.strip()
    column_type = COLUMNS.get(column)
    if not (equals and dot) or column_type is None or column_type == "jsonb":
        raise InvalidBinding(
            "a filter must be column=operator.value, with a column of an appointment"
        )
    compare = _OPERATORS.get(operator)
    if compare is None:
        raise InvalidBinding("the operators are eq, neq, lt, lte, gt, gte and in")
    if operator == "in":
        right: object = frozenset(_value(column_type, each) for each in _list(value))
    else:
        right = _value(column_type, value)

    def matches(row: Row) -> bool:
        left = _comparable(column_type, row.get(column))
        return left is not None and compare(left, right)

    return matches


def _list(value: str) -> list[str]:
    """The values of ``(a,b,"c,d")``."""
    if not (value.startswith("(") and value.endswith(")")):
        raise InvalidBinding("in takes values in parentheses: in.(a,b)")
    values: list[str] = []
    rest = value[1:-1]
    while rest:
        if rest.startswith('"'):
            one, quote, rest = rest[1:].partition('"')
            if not quote or (rest and not rest.startswith(",")):
                raise InvalidBinding("a quoted value must end with a quote")
            rest = rest[1:]
        else:
            one, _, rest = rest.partition(",")
        values.append(one)
        if len(values) > VALUES_MAX:
            raise InvalidBinding(f"in takes at most {VALUES_MAX} values")
    if not values:
        raise InvalidBinding("in takes at least one value")
    return values


def _value(column_type: str, text: str) -> object:
    value = _comparable(column_type, text)
    if value is None:
        raise InvalidBinding(f"{text[:40]!r} is not of the column's type, {column_type}")
    return value


def _comparable(column_type: str, value: object) -> object:
    """The value as its column compares it; ``None`` for null and other types."""
    match column_type, value:
        case ("text", str()) | ("bool", bool()):
            return value
        case "bool", "true" | "false":
            return value == "true"
        case "int4", int() if not isinstance(value, bool):
            return value
        case "int4", str():
            return _number(value)
        case "timestamptz", str():
            return _instant(value)
        case _:
            return None


def _number(text: str) -> int | None:
    try:
        return int(text) if len(text) <= 20 else None
    except ValueError:
        return None


def _instant(text: str) -> datetime | None:
    try:
        instant = datetime.fromisoformat(text)
        return instant.astimezone(UTC) if instant.tzinfo else instant.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def _id_of(event: str, filter_text: str) -> int:
    digest = blake2b(f"{event}\0{filter_text}".encode(errors="replace"), digest_size=_ID_BYTES)
    return int.from_bytes(digest.digest()) or 1
