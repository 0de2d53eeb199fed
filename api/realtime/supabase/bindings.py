"""postgres_changes: what a client wants to hear of the table ``appointments``; pure.

A binding names events and may have one filter, ``column=operator.value``. Columns are the
fields of an appointment as REST shows it. A filter looks at the row as it is now (at the
last that was known of it, for a DELETE), as SQL would: nothing compares to null.
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
"""PostgreSQL's types of what a ``record`` holds; ids are text, as in the database."""

BINDINGS_MAX: Final = 32
FILTER_CHARS_MAX: Final = 4_096
VALUES_MAX: Final = 100
"""Values of one ``in.(…)``, as in the original."""

Kind = Literal["INSERT", "UPDATE", "DELETE"]
Row = Mapping[str, Any]

_KINDS = frozenset({"*", "INSERT", "UPDATE", "DELETE"})
_COMPARE: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "eq": eq,
    "neq": ne,
    "lt": lt,
    "lte": le,
    "gt": gt,
    "gte": ge,
}
_ID_BYTES = 6
"""An id is a number that JavaScript holds exactly."""


class BadBinding(Exception):
    """The binding cannot be meant; the text says why."""


@dataclass(frozen=True, slots=True)
class Filter:
    column: str
    matches_value: Callable[[Any], bool]

    def matches(self, row: Row) -> bool:
        value = _comparable(COLUMNS[self.column], row.get(self.column))
        return value is not None and self.matches_value(value)


@dataclass(frozen=True, slots=True)
class Binding:
    id: int
    """The same for the same wish, so that equal frames are made but once."""
    event: str
    """``*`` or a :data:`Kind`."""
    filter: Filter | None

    def wants(self, kind: Kind, row: Row) -> bool:
        return self.event in ("*", kind) and (self.filter is None or self.filter.matches(row))


def parse_binding(sent: object) -> Binding:
    """Raises :class:`BadBinding`, and nothing else."""
    if not isinstance(sent, Mapping):
        raise BadBinding("a binding is an object")
    event, schema, table = (_text(sent, name, "*") for name in ("event", "schema", "table"))
    if event not in _KINDS:
        raise BadBinding("event is *, INSERT, UPDATE or DELETE")
    if schema not in (SCHEMA, "*") or table not in (TABLE, "*"):
        raise BadBinding(f"only the table {TABLE} of the schema {SCHEMA} is offered")
    wanted = _text(sent, "filter", "")
    return Binding(_id_of(event, wanted), event, parse_filter(wanted) if wanted else None)


def _text(sent: Mapping[Any, Any], name: str, default: str) -> str:
    value = sent.get(name)
    if value is None or value == "":
        return default
    if not isinstance(value, str):
        raise BadBinding(f"{name} is text")
    return value


def parse_filter(text: str) -> Filter:
    """``column=operator.value``. Raises :class:`BadBinding`, and nothing else."""
    if len(text) > FILTER_CHARS_MAX:
        raise BadBinding(f"a filter has at most {FILTER_CHARS_MAX} characters")
    column, equals, condition = text.partition("=")
    operator, dot, value = condition.partition(".")
    column = column.strip()
    kind = COLUMNS.get(column)
    if not (equals and dot) or kind is None or kind == "jsonb":
        raise BadBinding("a filter is column=operator.value, with a column of an appointment")
    if operator == "in":
        chosen = frozenset(_value(kind, each) for each in _listed(value))
        return Filter(column, chosen.__contains__)
    compare = _COMPARE.get(operator)
    if compare is None:
        raise BadBinding("the operators are eq, neq, lt, lte, gt, gte and in")
    right = _value(kind, value)
    return Filter(column, lambda left: compare(left, right))


def _listed(value: str) -> list[str]:
    """The values of ``(a,b,"c,d")``."""
    if not (value.startswith("(") and value.endswith(")")):
        raise BadBinding("in takes values in parentheses: in.(a,b)")
    values: list[str] = []
    rest = value[1:-1]
    while rest:
        if rest.startswith('"'):
            one, quote, rest = rest[1:].partition('"')
            if not quote or (rest and not rest.startswith(",")):
                raise BadBinding("a quoted value ends with a quote")
            rest = rest[1:]
        else:
            one, _, rest = rest.partition(",")
        values.append(one)
        if len(values) > VALUES_MAX:
            raise BadBinding(f"in takes at most {VALUES_MAX} values")
    if not values:
        raise BadBinding("in takes at least one value")
    return values


def _value(kind: str, text: str) -> Any:
    value = _comparable(kind, text)
    if value is None:
        raise BadBinding(f"{text[:40]!r} is not of the column's type, {kind}")
    return value


def _comparable(kind: str, value: Any) -> Any:
    """The value as its column compares it; ``None`` for null and what is not of its type."""
    match kind, value:
        case "text", str():
            return value
        case "bool", bool():
            return value
        case "bool", "true" | "false":
            return value == "true"
        case "int4", bool():
            return None
        case "int4", int():
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


def _id_of(event: str, wanted: str) -> int:
    digest = blake2b(f"{event}\0{wanted}".encode(errors="replace"), digest_size=_ID_BYTES)
    return int.from_bytes(digest.digest()) or 1
