"""Events as changes of the table: types, rows, and one encoding for all sockets."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from actors.domain.channels import Channel
from actors.domain.ids import EventId, ProfileId
from actors.domain.position import Position
from actors.domain.principal import Principal, Role
from actors.ports.events import EventRecord
from api.realtime.rooms.frames import Frame, Sent
from api.realtime.rooms.subscribers import EventBatch
from api.realtime.supabase.bindings import parse_binding
from api.realtime.supabase.columns import COLUMNS
from api.realtime.supabase.frames import ClientMessage, Vsn
from api.realtime.supabase.joining import parse_join
from api.realtime.supabase.protocol import Join
from api.realtime.supabase.rows import RowChange, change_of, rows_channel
from api.realtime.supabase.topic import Topic

TOPIC = "realtime:appointments:dentist:d1"
ROW = {
    "id": "a1",
    "dentist_id": "d1",
    "start": "2027-03-08T09:00:00Z",
    "status": "confirmed",
    "version": 1,
    "created_via": "dentist",
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
    data = json.loads(change(type, **row).data(None))
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
    data = json.loads(change("appointment.updated", version=2).data(None))
    assert data["record"] == {**ROW, "version": 2}
    assert data["old_record"] == {"id": "a1"}
    assert {each["name"]: each["type"] for each in data["columns"]} == {
        name: COLUMNS[name] for name in ROW
    }


def test_a_delete_has_the_id_and_is_filtered_by_the_last_row() -> None:
    gone = change("reservation.expired", status="expired")
    data = json.loads(gone.data(None))
    assert data["old_record"] == {"id": "a1"}
    assert data["columns"] == [{"name": "id", "type": "text"}]
    mine = parse_binding({"event": "DELETE", "filter": "created_via=eq.dentist"})
    other = parse_binding({"event": "DELETE", "filter": "created_via=eq.patient"})
    held = parse_binding({"event": "*", "filter": "status=eq.held"})
    assert gone.ids((mine, other, held, mine)) == {None: (mine.id, held.id)}


def test_a_row_that_moved_away_is_deleted_whatever_the_filter() -> None:
    event = replace(record("appointment.moved_away"), payload=b'{"id":"a1","version":3}')
    gone = change_of(event)
    assert gone
    data = json.loads(gone.data(None))
    assert (data["type"], data["old_record"]) == ("DELETE", {"id": "a1"})
    mine = parse_binding({"event": "DELETE", "filter": "status=eq.confirmed"})
    updates = parse_binding({"event": "UPDATE"})
    assert gone.ids((mine, updates)) == {None: (mine.id,)}


def test_a_record_contains_the_selected_columns_and_the_id() -> None:
    changed = change("appointment.updated", version=2)
    table = {"schema": "public", "table": "appointments"}
    whole = parse_binding({"event": "*", **table})
    status = parse_binding({"event": "*", **table, "select": ["status"]})
    assert changed.ids((status, whole)) == {
        frozenset({"id", "status"}): (status.id,),
        None: (whole.id,),
    }
    data = json.loads(changed.data(status.columns))
    assert data["record"] == {"id": "a1", "status": "confirmed"}
    assert [each["name"] for each in data["columns"]] == ["id", "status"]


def test_rows_come_from_the_channel_of_the_person() -> None:
    person = ProfileId("d1")
    dentist = Principal(role=Role.DENTIST, subject="s", person=person)
    patient = Principal(role=Role.PATIENT, subject="s", person=person, acting="bot")
    assert rows_channel(dentist) == "appointments:dentist:d1"
    assert rows_channel(patient) == "appointments:patient:d1"
    for role in (Role.ADMIN, Role.CHATBOT):
        assert rows_channel(Principal(role=role, subject="s")) is None


class Client:
    """A topic of a dentist, and the frames that it wrote."""

    def __init__(self, vsn: Vsn, *events: str) -> None:
        self.frames: list[Sent] = []
        bindings = [{"event": event} for event in events]
        request = parse_join({"config": {"postgres_changes": bindings}})
        message = ClientMessage(topic=TOPIC, event="phx_join", payload={}, ref="1")
        self.topic = Topic(
            vsn=vsn,
            join=Join(message, request),
            principal=Principal(role=Role.DENTIST, subject="s", person=ProfileId("d1")),
            claims=cast("Any", None),
            presence_key="",
            presence=False,
            write=self._write,
            on_position=lambda *_: None,
        )

    def _write(self, frame: Sent, *, more: bool = False) -> None:
        self.frames.append(frame)

    def received(self, batch: EventBatch) -> list[Sent]:
        self.topic.deliver(batch)
        return self.frames


def test_an_event_is_encoded_once_for_each_version_topic_and_bindings() -> None:
    batch = EventBatch([record("appointment.created")])
    event, changed = Client(Vsn.ONE, "*", "INSERT").received(batch)
    same_event, same_changed = Client(Vsn.ONE, "*", "INSERT").received(batch)
    assert same_event is event
    assert same_changed is changed
    assert Client(Vsn.TWO).received(batch) != [event]
    other_event, other_changed = Client(Vsn.ONE, "*").received(batch)
    assert other_event is event
    assert other_changed is not changed
    assert Client(Vsn.ONE).received(batch) == [event]
    assert Client(Vsn.ONE, "DELETE").received(batch) == [event]


def test_a_broadcast_contains_the_envelope_with_its_position() -> None:
    created, client = record("appointment.created"), Client(Vsn.ONE)
    (event,) = client.received(EventBatch([created]))
    assert isinstance(event, Frame)
    payload = json.loads(event.payload)["payload"]
    assert payload["meta"] == {"id": "event-7"}
    inner = payload["payload"]
    assert (inner["offset"], inner["epoch"], inner["data"]) == (7, 5, ROW)
    client.topic.push_replayed(created)
    replayed = client.frames[-1]
    assert isinstance(replayed, Frame)
    meta = json.loads(replayed.payload)["payload"]["meta"]
    assert meta == {"id": "event-7", "replayed": True}
