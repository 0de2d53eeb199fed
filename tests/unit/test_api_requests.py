"""Routes load requests, call services, and return statuses and headers."""

from datetime import UTC, datetime

import pytest

from actors.domain.announcements import ScheduleBody
from actors.domain.appointment import Status
from actors.domain.cancel_reason import CancelReason
from actors.domain.channels import (
    Channel,
    availability_channel,
    dentist_channel,
    patient_channel,
)
from actors.domain.ids import EventId, ProfileId
from actors.domain.outcome import Outcome
from actors.domain.position import Position
from actors.domain.principal import Role
from actors.domain.profile import PublicCard
from actors.domain.schedule import Schedule
from actors.ports.events import EventRecord
from actors.services.availability import Slot, SlotPage
from actors.services.changes import ChannelChanges
from actors.services.requests import (
    AppointmentChange,
    BookReservationRequest,
    BookSlotRequest,
    Cancellation,
)
from tests.unit.api_world import (
    DENTIST,
    NAMES,
    PATIENT,
    PROFILE,
    ROW,
    TYPE,
    appointment,
    reply,
    world,
)

SLOT = {"dentist_id": DENTIST, "appointment_type_id": TYPE, "start": "2027-03-08T10:00:00+01:00"}
START = datetime(2027, 3, 8, 9, tzinfo=UTC)
POSITION = Position(1, 42)
RANGE = {"from": "2027-03-08T00:00:00Z", "to": "2027-03-09T00:00:00Z"}


# --- creating, changing, cancelling --------------------------------------------------


async def test_booking_a_slot_is_201_with_its_location() -> None:
    async with world() as w:
        w.bookings.results["book"] = reply()
        answer = await w.send("POST", "/api/appointments", json={**SLOT, "notes": "hello"})
        assert (answer.status, answer.text) == (201, b'{"id":"x"}')
        assert answer.headers["Location"] == f"/api/appointments/{ROW}"
        assert answer.headers["ETag"] == '"3"'
        assert w.bookings.request == BookSlotRequest(
            dentist_id=DENTIST, appointment_type_id=TYPE, start=START, notes="hello"
        )


async def test_booking_a_booked_reservation_again_is_200() -> None:
    async with world() as w:
        w.bookings.results["book"] = reply(Outcome.UNCHANGED)
        answer = await w.send("POST", "/api/appointments", json={"reservation_id": ROW})
        assert answer.status == 200
        assert "Location" not in answer.headers
        assert w.bookings.request == BookReservationRequest(reservation_id=ROW)


async def test_an_idempotency_key_is_passed_with_the_caller() -> None:
    async with world() as w:
        w.bookings.results["hold"] = reply()
        headers = {"Idempotency-Key": "k-1", "X-Request-ID": "r-1"}
        answer = await w.send("POST", "/api/reservations", json=SLOT, headers=headers)
        assert answer.status == 201
        assert answer.headers["Location"] == f"/api/reservations/{ROW}"
        caller = w.bookings.calls[0][1][0]
        assert (caller.idempotency_key, caller.request_id) == ("k-1", "r-1")
        assert caller.principal.person == PATIENT


@pytest.mark.parametrize("key", ["", "a b", "x" * 201, "ключ"])
async def test_a_malformed_idempotency_key_is_refused(key: str) -> None:
    async with world() as w:
        headers = {"Idempotency-Key": key}
        answer = await w.send("POST", "/api/reservations", json=SLOT, headers=headers)
        assert (answer.status, answer.code) == (400, "VALIDATION_ERROR")
        assert "Idempotency-Key" in answer.fields


async def test_only_the_sent_fields_are_changed() -> None:
    async with world() as w:
        w.bookings.results["change"] = reply(Outcome.CHANGED)
        answer = await w.send(
            "PUT", f"/api/appointments/{ROW}", json={"notes": None}, headers={"If-Match": '"3"'}
        )
        assert answer.status == 200
        assert w.bookings.request == AppointmentChange(notes=None)
        assert w.bookings.last == {"expected_version": 3}


@pytest.mark.parametrize("tag", ["3", 'W/"3"', '"three"', '"0"', '"3", "4"', '""'])
async def test_a_malformed_if_match_is_refused(tag: str) -> None:
    async with world() as w:
        answer = await w.send(
            "PUT", f"/api/appointments/{ROW}", json={"notes": ""}, headers={"If-Match": tag}
        )
        assert (answer.status, list(answer.fields)) == (400, ["If-Match"])


async def test_cancelling_is_204_without_a_body() -> None:
    async with world() as w:
        w.bookings.results["cancel"] = reply(Outcome.GONE, b"")
        answer = await w.send(
            "DELETE", f"/api/appointments/{ROW}?reason=patient_ill", headers={"If-Match": '"2"'}
        )
        assert (answer.status, answer.text) == (204, b"")
        assert w.bookings.request == Cancellation(reason=CancelReason.PATIENT_ILL)
        assert w.bookings.last == {"expected_version": 2}


async def test_releasing_is_204() -> None:
    async with world() as w:
        w.bookings.results["release"] = reply(Outcome.GONE, b"")
        assert (await w.send("DELETE", f"/api/reservations/{ROW}")).status == 204


# --- bad input -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "body", [b"{", b"", b"[]", b"null", b"\xff", b'"text"', b'{"a":NaN}', b'{"notes":"\\ud800"}']
)
async def test_a_body_that_is_no_json_object_is_a_validation_error(body: bytes) -> None:
    async with world() as w:
        headers = {"Content-Type": "application/json"}
        answer = await w.send("POST", "/api/reservations", data=body, headers=headers)
        assert (answer.status, answer.code) == (400, "VALIDATION_ERROR")
        assert "body" in answer.fields
        assert w.bookings.calls == []


async def test_a_form_is_an_unsupported_media_type() -> None:
    async with world() as w:
        answer = await w.send("POST", "/api/reservations", data={"start": "now"})
        assert (answer.status, answer.code) == (415, "UNSUPPORTED_MEDIA_TYPE")


async def test_every_wrong_field_is_named_with_the_reason() -> None:
    async with world() as w:
        body = {"dentist_id": "42", "start": "2027-03-08T10:00:00", "colour": "blue"}
        answer = await w.send("POST", "/api/reservations", json=body)
        assert answer.fields == {
            "dentist_id": "must be a UUID",
            "appointment_type_id": "Missing data for required field.",
            "start": "an instant needs an offset, e.g. 2027-03-08T09:00:00Z",
            "colour": "Unknown field.",
        }


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/appointments/42"),
        ("GET", "/api/reservations/x"),
        ("DELETE", "/api/reservations/x"),
        ("GET", "/api/availability/x"),
        ("GET", "/api/profiles/x"),
        ("DELETE", f"/api/appointments/{ROW}x"),
    ],
)
async def test_a_malformed_id_is_not_found(method: str, path: str) -> None:
    async with world() as w:
        answer = await w.send(method, path)
        assert (answer.status, answer.code) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/api/appointments?colour=blue", "colour"),
        ("/api/profiles/me?x=1", "x"),
        ("/api/appointments?limit=0", "limit"),
        ("/api/appointments?limit=201", "limit"),
        ("/api/appointments?limit=1.5", "limit"),
        ("/api/appointments?limit=1&limit=2", "limit"),
        ("/api/appointments?status=late", "status"),
        ("/api/slots?dentist_id=42", "dentist_id"),
        ("/api/appointments?sort=name", "sort"),
        ("/api/appointments?from=2027-03-08", "from"),
        ("/api/appointments?from=2027-03-08T09:00:00+00:00", "from"),
        ("/api/appointments?from=2027-03-09T00:00:00Z&to=2027-03-08T00:00:00Z", "to"),
        ("/api/appointments?cursor=abc", "cursor"),
        ("/api/appointments?cursor=%C3%A4", "cursor"),
        ("/api/slots?from=2027-03-08T00:00:00Z&to=2027-03-09T00:00:00Z", "appointment_type_id"),
        (f"/api/availability/{DENTIST}?from=2027-03-08T00:00:00Z", "to"),
        ("/api/changes?channel=availability:all", "since"),
        ("/api/changes?channel=availability:all&since=1", "since"),
        ("/api/changes?channel=a&channel=b&since=now", "since"),
        ("/api/changes?channel=a&channel=a&since=now&since=now", "channel"),
        ("/api/patients?q=%00", "q"),
    ],
)
async def test_invalid_parameters_are_refused_and_named(path: str, field: str) -> None:
    async with world() as w:
        answer = await w.send("GET", path)
        assert (answer.status, answer.code) == (400, "VALIDATION_ERROR")
        assert field in answer.fields


# --- single resources ----------------------------------------------------------------


async def test_a_reservation_is_shown_with_its_expiry_and_version() -> None:
    async with world() as w:
        held = appointment(status=Status.HELD, expires_at=START)
        w.bookings.results["reservation"] = (held, NAMES)
        answer = await w.send("GET", f"/api/reservations/{ROW.upper()}")
        assert answer.json["expires_at"] == "2027-03-08T09:00:00Z"
        assert answer.headers["ETag"] == '"3"'
        assert w.bookings.calls[0][1][1] == ROW


async def test_a_dentist_is_shown_as_exactly_the_public_card() -> None:
    async with world() as w:
        card = PublicCard(
            id=ProfileId(DENTIST),
            name="Dr Dent",
            time_zone="Europe/Vienna",
            practice_id=None,
            active=True,
        )
        w.people.results["view"] = card
        answer = await w.send("GET", f"/api/profiles/{DENTIST}")
        assert answer.json == {
            "id": DENTIST,
            "name": "Dr Dent",
            "time_zone": "Europe/Vienna",
            "practice_id": None,
            "active": True,
        }


async def test_head_has_the_headers_of_get_without_the_body() -> None:
    async with world() as w:
        w.people.results["me"] = PROFILE
        answer = await w.send("HEAD", "/api/profiles/me")
        assert (answer.status, answer.text, answer.headers["ETag"]) == (200, b"", '"1"')


# --- availability --------------------------------------------------------------------

VIEW = ScheduleBody(dentist_id=DENTIST, schedule=Schedule(time_zone="Europe/Vienna", version=4))
SLOTS = SlotPage(
    slots=(Slot(dentist_id=DENTIST, appointment_type_id=TYPE, start=START, end=START),),
    next_after=None,
    positions={patient_channel(PATIENT): POSITION},
)


async def test_a_schedule_has_an_etag_and_an_unchanged_one_is_304() -> None:
    async with world() as w:
        w.availability.results["schedule"] = VIEW
        path = f"/api/availability/{DENTIST}"
        first = await w.send("GET", path)
        assert first.headers["ETag"] == '"4"'
        assert first.headers["Cache-Control"] == "private, no-cache"
        assert "slots" not in first.json
        again = await w.send("GET", path, headers={"If-None-Match": '"3", "4"'})
        assert (again.status, again.text, again.headers["ETag"]) == (304, b"", '"4"')


async def test_a_schedule_with_free_slots_has_the_position_it_reflects() -> None:
    async with world() as w:
        w.availability.results |= {"schedule": VIEW, "slots": SLOTS}
        params = {**RANGE, "appointment_type_id": TYPE}
        answer = await w.send("GET", f"/api/availability/{DENTIST}", params=params)
        at = "2027-03-08T09:00:00Z"
        assert answer.json["slots"] == [{"start": at, "end": at}]
        assert answer.json["position"]["offset"] == 42
        tag = {"If-None-Match": answer.headers["ETag"]}
        again = await w.send("GET", f"/api/availability/{DENTIST}", params=params, headers=tag)
        assert again.status == 304


async def test_slots_over_several_dentists() -> None:
    async with world() as w:
        w.availability.results["find"] = SLOTS
        params = [*RANGE.items(), ("appointment_type_id", TYPE), ("dentist_id", DENTIST)]
        params += [("dentist_id", PATIENT), ("time_from", "08:00"), ("time_to", "24:00")]
        answer = await w.send("GET", "/api/slots", params=params)
        assert answer.json["data"][0]["dentist_id"] == DENTIST
        assert [place["offset"] for place in answer.json["positions"]] == [42]
        search = w.availability.request
        assert search.dentist_ids == (DENTIST, PATIENT)
        assert (search.time_from, search.time_to) == (480, 1440)
        assert (search.limit, search.after) == (50, None)


async def test_a_schedule_is_replaced_as_a_whole() -> None:
    async with world() as w:
        w.availability.results["replace"] = reply(Outcome.CHANGED)
        body = {"time_zone": "Europe/Vienna", "rules": []}
        answer = await w.send(
            "PUT", f"/api/availability/{DENTIST}?dry_run=true", role=Role.DENTIST, json=body
        )
        assert answer.status == 200
        assert w.availability.request == Schedule(time_zone="Europe/Vienna")
        assert w.availability.last == {"expected_version": None, "dry_run": True}


# --- catch-up ------------------------------------------------------------------------


async def test_missed_events_are_shown_by_channel() -> None:
    async with world() as w:
        channel = dentist_channel(DENTIST)
        record = EventRecord(
            channel=channel,
            position=Position(1, 8),
            event_id=EventId("e-8"),
            type="appointment.created",
            time=START,
            payload=b'{"id":"row"}',
        )
        w.changes.results["read"] = (
            ChannelChanges(
                channel=channel,
                recovered=True,
                events=(record,),
                more=False,
                position=Position(1, 8),
            ),
        )
        params = [("channel", channel), ("channel", "availability:all")]
        params += [("since", "1.7"), ("since", "now")]
        answer = await w.send("GET", "/api/changes", params=params, role=Role.DENTIST)
        assert w.changes.calls[0][1][1] == [
            (channel, Position(1, 7)),
            (Channel("availability:all"), None),
        ]
        shown = answer.json["channels"][channel]
        assert (shown["recovered"], shown["more"], shown["offset"]) == (True, False, 8)
        assert shown["events"][0]["data"] == {"id": "row"}


async def test_a_hundred_channels_fit_into_one_request() -> None:
    async with world() as w:
        w.changes.results["read"] = ()
        params = [("channel", f"{availability_channel(DENTIST)[:-2]}{n:02}") for n in range(100)]
        params += [("since", "1795411990.123456789")] * 100
        answer = await w.send("GET", "/api/changes", params=params)
        assert answer.status == 200
        assert len(w.changes.calls[0][1][1]) == 100
        more = [*params, ("channel", "x"), ("since", "now")]
        assert (await w.send("GET", "/api/changes", params=more)).fields == {
            "channel": "at most 100 channels",
            "since": "at most 100 positions",
        }
