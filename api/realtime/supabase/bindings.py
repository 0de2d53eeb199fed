"""Bindings: which ``postgres_changes`` of appointments a client wants; pure.

A binding names events, and may have a filter and a selection of columns. Columns are the fields
of an appointment as REST shows it. A filter applies to the row after the change (for a DELETE,
to the last known row, if it is known).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, Literal

from api.realtime.supabase.columns import COLUMNS, SCHEMA, TABLE, InvalidFilter, Row
from api.realtime.supabase.filters import RowFilter, parse_filter

BINDINGS_MAX: Final = 32

ChangeType = Literal["INSERT", "UPDATE", "DELETE"]
Selection = frozenset[str] | None
"""The selected columns; ``None`` for all of them."""

_EVENTS = frozenset({"*", "INSERT", "UPDATE", "DELETE"})
_KEY: Final = "id"
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
    columns: Selection = None

    @property
    def size(self) -> int:
        """Of the patterns of its filter."""
        return 0 if self.filter is None else self.filter.size

    def matches(self, type: ChangeType, row: Row | None) -> bool:
        """A filter lets a row pass whose columns are not known (``None``)."""
        return self.event in ("*", type) and (
            self.filter is None or row is None or self.filter(row)
        )


def parse_binding(sent: Mapping[str, object]) -> Binding:
    """Raises only :class:`InvalidBinding`."""
    event, schema, table = (_text(sent, name, "*") for name in ("event", "schema", "table"))
    event = event.upper()
    if event not in _EVENTS:
        raise InvalidBinding("event must be *, INSERT, UPDATE or DELETE")
    if schema not in (SCHEMA, "*") or table not in (TABLE, "*"):
        raise InvalidBinding(f"only the table {TABLE} of the schema {SCHEMA} is offered")
    text = _text(sent, "filter", "")
    columns = _selection(sent, is_table_named=(schema, table) == (SCHEMA, TABLE))
    try:
        row_filter = parse_filter(text)
    except InvalidFilter as invalid:
        raise InvalidBinding(f"filter: {invalid}") from None
    return Binding(
        id=_id_of(event, text, *sorted(columns or ())),
        event=event,
        filter=row_filter if row_filter.conditions else None,
        columns=columns,
    )


def _text(sent: Mapping[str, object], name: str, default: str) -> str:
    value = sent.get(name)
    if value is None or value == "":
        return default
    if not isinstance(value, str):
        raise InvalidBinding(f"{name} must be text")
    return value


def _selection(sent: Mapping[str, object], *, is_table_named: bool) -> Selection:
    """The columns of ``select``, and always the id; as in Supabase, an empty list means all."""
    select = sent.get("select")
    if select is None or select == []:
        return None
    if not isinstance(select, list) or not all(isinstance(each, str) for each in select):
        raise InvalidBinding("select must be a list of columns")
    if not is_table_named:
        raise InvalidBinding("select needs a schema and a table")
    if unknown := [each for each in select if each not in COLUMNS]:
        raise InvalidBinding(f"select: {unknown[0][:40]!r} is no column of {TABLE}")
    return frozenset({_KEY, *select})


def _id_of(*parts: str) -> int:
    digest = blake2b("\0".join(parts).encode(errors="replace"), digest_size=_ID_BYTES)
    return int.from_bytes(digest.digest()) or 1
