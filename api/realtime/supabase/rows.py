"""Events of the log as changes of the table ``appointments``; pure.

A hold is a row from the first click on, so holding is an INSERT, booking a hold and
cancelling are UPDATEs, and a hold that is released or runs out is a DELETE.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from actors.domain.appointment import Status
from actors.domain.channels import Channel, dentist_channel, patient_channel
from actors.domain.ids import DentistId, PatientId
from actors.domain.principal import Principal, Role
from actors.ports.events import EventRecord
from api.realtime.supabase.bindings import COLUMNS, SCHEMA, TABLE, Binding, Kind, Row
from api.schemas.fields import instant_text

_KINDS: Final[Mapping[str, Kind]] = {
    "reservation.created": "INSERT",
    "reservation.released": "DELETE",
    "reservation.expired": "DELETE",
    "appointment.created": "INSERT",
    "appointment.updated": "UPDATE",
    "appointment.cancelled": "UPDATE",
}
_FIRST_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Change:
    kind: Kind
    row: Row
    """As it is now; of a DELETE, as it was last."""
    data: bytes
    """The ``data`` of ``postgres_changes``, as JSON."""

    def ids(self, bindings: tuple[Binding, ...]) -> tuple[int, ...]:
        """Of the bindings that want to hear of it, each once."""
        return tuple(dict.fromkeys(b.id for b in bindings if b.wants(self.kind, self.row)))


def change_of(record: EventRecord) -> Change | None:
    """``None`` for an event that changes no appointment."""
    kind = _KINDS.get(record.type)
    if kind is None:
        return None
    row = orjson.loads(record.payload)
    if record.type == "appointment.created" and row.get("version") != _FIRST_VERSION:
        kind = "UPDATE"  # it was a hold before
    if kind == "DELETE":
        row["status"] = Status.HELD
    return Change(kind, row, orjson.dumps(_data(record, kind, row)))


def rows_channel(principal: Principal) -> Channel | None:
    """Where all rows that row-level security shows the principal are told of, and no others."""
    if principal.person is None:
        return None
    match principal.role:
        case Role.DENTIST:
            return dentist_channel(DentistId(principal.person))
        case Role.PATIENT:
            return patient_channel(PatientId(principal.person))
        case _:
            return None


def _data(record: EventRecord, kind: Kind, row: Row) -> dict[str, Any]:
    shown = {"id": row["id"]} if kind == "DELETE" else row
    data: dict[str, Any] = {
        "schema": SCHEMA,
        "table": TABLE,
        "type": kind,
        "commit_timestamp": instant_text(record.time),
        "columns": [{"name": name, "type": COLUMNS.get(name, "jsonb")} for name in shown],
        "errors": None,
    }
    if kind != "DELETE":
        data["record"] = orjson.Fragment(record.payload)
    if kind != "INSERT":
        data["old_record"] = {"id": row["id"]}
    return data
