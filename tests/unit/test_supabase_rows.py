"""Events as changes of the table: types, rows, and one encoding for all sockets."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from actors.domain.channels import Channel
from actors.domain.ids import EventId, ProfileId
from actors.domain.position import Position
from actors.domain.principal import Principal, Role
from actors.ports.events import EventRecord
from api.realtime.rooms.subscribers import WireForms
from api.realtime.supabase.bindings import COLUMNS, parse_binding
from api.realtime.supabase.event_frames import change_frame, event_frame, replayed_frame
from api.realtime.supabase.frames import Vsn
from api.realtime.supabase.rows import RowChange, change_of, rows_channel

TOPIC = "realtime:appointments:dentist:d1"
ROW = {
    "id": "a1",
    "dentist_id": "d1",
    "start": "2027-03-08T09:00:00Z",
    "status": "confirmed",
    "version": 1,
    "patient": {"id": "p1", "name": "Ada"},
}


def record(type: str, **changes: Any) -> EventRecord:
    return EventRecord(
        channel=Channel("appointments:dentist:d1"),
        position=Position(5, 7),
        event_id=EventId("event-7"),
        type=type,
        time=datetime(2027, 3, 1, 12, tzinfo=UTC),
        payload=json.dumps({**ROW, **changes}).encode(),
    )


def change(type: str, **changes: Any) -> RowChange:
    found = change_of(record(type, **changes))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("type", "row", "expected"),
    [
        ("reservation.created", {"status": "held"}, "INSERT"),
        ("appointment.created", {}, "INSERT"),
        ("appointment.created", {"version": 2}, "UPDATE"),
        ("appointment.updated", {"version": 3}, "UPDATE"),
        ("appointment.cancelled", {"status": "cancelled", "version": 3}, "UPDATE"),
        ("reservation.released", {"status": "released", "version": 2}, "DELETE"),
        ("reservation.expired", {"status": "expired", "version": 2}, "DELETE"),
    ],
)
def test_each_event_is_one_type_of_change(type: str, row: Any, expected: str) -> None:
    data = json.loads(change(type, **row).data)
    assert data["type"] == expected
    assert (data["schema"], data["table"], data["errors"]) == ("public", "appointments", None)
    assert data["commit_timestamp"] == "2027-03-01T12:00:00Z"
    assert ("record" in data, "old_record" in data) == (
        expected != "DELETE",
        expected != "INSERT",
    )


def test_other_events_change_no_appointment() -> None:
    assert change_of(record("slots.changed")) is None


def test_the_record_is_the_row_of_rest_with_column_types() -> None:
    data = json.loads(change("appointment.updated", version=2).data)
    assert data["record"] == {**ROW, "version": 2}
    assert data["old_record"] == {"id": "a1"}
    assert {each["name"]: each["type"] for each in data["columns"]} == {
        name: COLUMNS[name] for name in ROW
    }


def test_a_delete_has_the_id_and_is_filtered_by_the_last_row() -> None:
    gone = change("reservation.expired", status="expired")
    data = json.loads(gone.data)
    assert data["old_record"] == {"id": "a1"}
    assert data["columns"] == [{"name": "id", "type": "text"}]
    mine = parse_binding({"event": "DELETE", "filter": "dentist_id=eq.d1"})
    other = parse_binding({"event": "DELETE", "filter": "dentist_id=eq.d2"})
    held = parse_binding({"event": "*", "filter": "status=eq.held"})
    assert gone.ids((mine, other, held, mine)) == (mine.id, held.id)


def test_rows_come_from_the_channel_of_the_person() -> None:
    person = ProfileId("d1")
    dentist = Principal(role=Role.DENTIST, subject="s", person=person)
    patient = Principal(role=Role.PATIENT, subject="s", person=person, acting="bot")
    assert rows_channel(dentist) == "appointments:dentist:d1"
    assert rows_channel(patient) == "appointments:patient:d1"
    for role in (Role.ADMIN, Role.CHATBOT):
        assert rows_channel(Principal(role=role, subject="s")) is None


def test_one_event_is_encoded_once_for_each_version_and_topic() -> None:
    forms, event = WireForms(), record("appointment.created")
    one = event_frame(Vsn.ONE, TOPIC, event, forms)
    assert event_frame(Vsn.ONE, TOPIC, event, forms) is one
    assert event_frame(Vsn.TWO, TOPIC, event, forms) is not one
    bindings = (parse_binding({"event": "*"}), parse_binding({"event": "INSERT"}))
    changed = change_frame(Vsn.ONE, TOPIC, event, bindings, forms)
    assert changed is not None
    assert change_frame(Vsn.ONE, TOPIC, event, bindings, forms) is changed
    assert change_frame(Vsn.ONE, TOPIC, event, bindings[:1], forms) is not changed
    assert change_frame(Vsn.ONE, TOPIC, event, (), forms) is None


def test_a_broadcast_contains_the_envelope_with_its_position() -> None:
    outer = json.loads(
        event_frame(Vsn.ONE, TOPIC, record("appointment.created"), WireForms()).payload
    )
    payload = outer["payload"]
    assert payload["meta"] == {"id": "event-7"}
    inner = payload["payload"]
    assert (inner["offset"], inner["epoch"], inner["data"]) == (7, 5, ROW)
    replayed = json.loads(replayed_frame(Vsn.ONE, TOPIC, record("appointment.created")).payload)
    assert replayed["payload"]["meta"] == {"id": "event-7", "replayed": True}
