"""Events of the log as changes of the table ``appointments``; pure.

A hold is a row from the start, so holding is an INSERT, booking a hold and cancelling are
UPDATEs, and a released or expired hold is a DELETE. So is an appointment that moved to another
dentist, for the one whom it left; for the other one it is an UPDATE.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import orjson

from actors.domain.announcements import MOVED_AWAY
from actors.domain.appointment import Status
from actors.domain.channels import Channel, dentist_channel, patient_channel
from actors.domain.ids import DentistId, PatientId
from actors.domain.principal import Principal, Role
from actors.ports.events import EventRecord
from api.realtime.supabase.bindings import Binding, ChangeType, Selection
from api.realtime.supabase.columns import COLUMNS, SCHEMA, TABLE, Row
from api.schemas.fields import instant_text

_CHANGES: Final[Mapping[str, ChangeType]] = {
    "reservation.created": "INSERT",
    "reservation.released": "DELETE",
    "reservation.expired": "DELETE",
    "appointment.created": "INSERT",
    "appointment.updated": "UPDATE",
    "appointment.cancelled": "UPDATE",
    MOVED_AWAY: "DELETE",
}
_FIRST_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class RowChange:
    """One change of an appointment, ready for every binding that matches."""

    type: ChangeType
    row: Row
    """After the change; of a DELETE, the last row."""
    time: str
    """When it was committed."""
    is_known: bool = True
    """Whether the row is, or only its id."""

    def ids(self, bindings: tuple[Binding, ...]) -> Mapping[Selection, tuple[int, ...]]:
        """The ids of the bindings that match, without repetition, by the columns they select."""
        found: dict[Selection, dict[int, None]] = {}
        row = self.row if self.is_known else None
        for binding in bindings:
            if binding.matches(self.type, row):
                found.setdefault(binding.columns, {})[binding.id] = None
        return {columns: tuple(ids) for columns, ids in found.items()}

    def data(self, columns: Selection) -> bytes:
        """The ``data`` of ``postgres_changes`` with these columns, as JSON."""
        key = {"id": self.row["id"]}
        shown = key if self.type == "DELETE" else _selected(self.row, columns)
        data: dict[str, object] = {
            "schema": SCHEMA,
            "table": TABLE,
            "type": self.type,
            "commit_timestamp": self.time,
            "columns": [{"name": name, "type": COLUMNS.get(name, "jsonb")} for name in shown],
            "errors": None,
        }
        if self.type != "DELETE":
            data["record"] = shown
        if self.type != "INSERT":
            data["old_record"] = key
        return orjson.dumps(data)


def change_of(record: EventRecord) -> RowChange | None:
    """``None`` for an event that changes no appointment."""
    change_type = _CHANGES.get(record.type)
    if change_type is None:
        return None
    row = orjson.loads(record.payload)
    if record.type == MOVED_AWAY:
        return RowChange(change_type, row, instant_text(record.time), is_known=False)
    if record.type == "appointment.created" and row.get("version") != _FIRST_VERSION:
        change_type = "UPDATE"  # it was a hold before, or another dentist's
    if change_type == "DELETE":
        row["status"] = Status.HELD
    return RowChange(change_type, row, instant_text(record.time))


def rows_channel(principal: Principal) -> Channel | None:
    """The channel of exactly the rows that row-level security shows to the principal."""
    if principal.person is None:
        return None
    match principal.role:
        case Role.DENTIST:
            return dentist_channel(DentistId(principal.person))
        case Role.PATIENT:
            return patient_channel(PatientId(principal.person))
        case _:
            return None


def _selected(row: Row, columns: Selection) -> Row:
    return row if columns is None else {name: row[name] for name in row if name in columns}
