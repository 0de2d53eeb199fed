"""Events of the log as changes of the table ``appointments``; pure.

A hold is a row from the start, so holding is an INSERT, booking a hold and cancelling are
UPDATEs, and a released or expired hold is a DELETE.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import orjson

from actors.domain.appointment import Status
from actors.domain.channels import Channel, dentist_channel, patient_channel
from actors.domain.ids import DentistId, PatientId
from actors.domain.principal import Principal, Role
from actors.ports.events import EventRecord
from api.realtime.supabase.bindings import COLUMNS, SCHEMA, TABLE, Binding, ChangeType, Row
from api.schemas.fields import instant_text

_CHANGES: Final[Mapping[str, ChangeType]] = {
    "reservation.created": "INSERT",
    "reservation.released": "DELETE",
    "reservation.expired": "DELETE",
    "appointment.created": "INSERT",
    "appointment.updated": "UPDATE",
    "appointment.cancelled": "UPDATE",
}
_FIRST_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class RowChange:
    """One change of an appointment, ready for every binding that matches."""

    type: ChangeType
    row: Row
    """After the change; of a DELETE, the last row."""
    data: bytes
    """The ``data`` of ``postgres_changes``, as JSON."""

    def ids(self, bindings: tuple[Binding, ...]) -> tuple[int, ...]:
        """The ids of the bindings that match, without repetition."""
        return tuple(dict.fromkeys(b.id for b in bindings if b.matches(self.type, self.row)))


def change_of(record: EventRecord) -> RowChange | None:
    """``None`` for an event that changes no appointment."""
    change_type = _CHANGES.get(record.type)
    if change_type is None:
        return None
    row = orjson.loads(record.payload)
    if record.type == "appointment.created" and row.get("version") != _FIRST_VERSION:
        change_type = "UPDATE"  # it was a hold before
    if change_type == "DELETE":
        row["status"] = Status.HELD
    return RowChange(change_type, row, orjson.dumps(_data(record, change_type, row)))


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


def _data(record: EventRecord, type: ChangeType, row: Row) -> dict[str, object]:
    shown = {"id": row["id"]} if type == "DELETE" else row
    data: dict[str, object] = {
        "schema": SCHEMA,
        "table": TABLE,
        "type": type,
        "commit_timestamp": instant_text(record.time),
        "columns": [{"name": name, "type": COLUMNS.get(name, "jsonb")} for name in shown],
        "errors": None,
    }
    if type != "DELETE":
        data["record"] = orjson.Fragment(record.payload)
    if type != "INSERT":
        data["old_record"] = {"id": row["id"]}
    return data
