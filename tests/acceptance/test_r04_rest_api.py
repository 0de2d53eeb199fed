"""Criteria 4.1–4.7: the REST API conforms to its documented contract."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.support.api import Api
from tests.support.clinic import Clinic, Person, appointments_of, schedule
from tests.support.tokens import token

APPOINTMENT_FIELDS = {
    "id",
    "dentist_id",
    "patient_id",
    "appointment_type_id",
    "start",
    "end",
    "status",
    "version",
    "overbooked",
    "created_via",
    "notes",
    "cancel_reason",
    "created_at",
    "updated_at",
    "patient",
    "dentist",
}


# --- 4.1 -----------------------------------------------------------------------------


async def test_r4_1_posting_a_slot_creates_an_appointment_with_201(clinic: Clinic) -> None:
    patient, dentist = clinic.patients[0], clinic.dentists[0]
    answer = await clinic.api(patient).post(
        "/api/appointments", {**clinic.slot("09:00"), "notes": "first visit"}
    )
    assert answer.status == 201
    row = answer.body
    assert answer.headers["Location"] == f"/api/appointments/{row['id']}"
    assert row.keys() >= APPOINTMENT_FIELDS
    assert (row["start"], row["end"]) == (clinic.at("09:00"), clinic.at("09:30"))
    assert (row["status"], row["version"], row["overbooked"]) == ("confirmed", 1, False)
    assert row["patient"] == {"id": patient.id, "name": patient.name}
    assert row["dentist"] == {"id": dentist.id, "name": dentist.name}
    assert (row["notes"], row["created_via"]) == ("first visit", "patient")
    shown = await clinic.api(patient).get(f"/api/appointments/{row['id']}")
    assert (shown.status, shown.body) == (200, row)
    assert shown.headers["ETag"] == '"1"'


async def test_r4_1_a_dentist_books_for_a_patient_outside_the_grid(clinic: Clinic) -> None:
    """Staff may book outside opening hours and grid, such as a walk-in at 18:10."""
    patient, dentist = clinic.patients[0], clinic.dentists[0]
    answer = await clinic.api(dentist).post(
        "/api/appointments", {**clinic.slot("18:10"), "patient_id": patient.id}
    )
    assert answer.status == 201, answer.body
    assert answer.body["created_via"] == "dentist"
    assert answer.body["patient_id"] == patient.id


async def test_r4_1_a_dentist_must_name_the_patient(clinic: Clinic) -> None:
    answer = await clinic.api(clinic.dentists[0]).post("/api/appointments", clinic.slot())
    assert (answer.status, answer.code) == (400, "VALIDATION_ERROR")
    assert answer.error["details"][0]["field"] == "patient_id"


# --- 4.2 -----------------------------------------------------------------------------


async def test_r4_2_the_list_is_paginated_by_cursor_and_complete(clinic: Clinic) -> None:
    patient, api = clinic.patients[0], clinic.api(clinic.patients[0])
    booked = [
        (await clinic.book(patient, clock))["id"] for clock in ("09:00", "10:00", "11:00", "12:00")
    ]
    booked.append((await clinic.book(patient, "15:00", dentist=clinic.dentists[2]))["id"])

    collected, cursor = [], None
    for expected in (2, 2, 1):
        filters = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = await api.get("/api/appointments", **filters)
        assert page.status == 200, page.body
        assert len(page.body["data"]) == expected
        assert page.body["pagination"]["limit"] == 2
        assert page.body["pagination"]["total"] == 5
        assert page.body["position"]["channel"] == appointments_of(patient)
        collected += [row["id"] for row in page.body["data"]]
        cursor = page.body["pagination"]["next_cursor"]
    assert cursor is None
    assert collected == booked, "by start"
    backwards = await api.get("/api/appointments", sort="-start")
    assert [row["id"] for row in backwards.body["data"]] == booked[::-1]


async def test_r4_2_filters_select_by_status_time_dentist_patient_and_type(
    clinic: Clinic,
) -> None:
    one, two = clinic.patients[0], clinic.patients[1]
    nine = await clinic.book(one, "09:00")
    ten = await clinic.book(two, "10:00", kind="cleaning")
    elsewhere = await clinic.book(one, "09:30", dentist=clinic.dentists[1])
    cancelled = await clinic.book(one, "13:00")
    await clinic.api(one).delete(f"/api/appointments/{cancelled['id']}")
    dentist = clinic.api(clinic.dentists[0])

    async def ids(api: Api, **filters: object) -> set[str]:
        page = await api.get("/api/appointments", **filters)
        assert page.status == 200, page.body
        return {row["id"] for row in page.body["data"]}

    assert await ids(dentist) == {nine["id"], ten["id"], cancelled["id"]}
    assert await ids(dentist, status="confirmed") == {nine["id"], ten["id"]}
    assert await ids(dentist, status=["cancelled", "no_show"]) == {cancelled["id"]}
    assert await ids(dentist, patient_id=two.id) == {ten["id"]}
    assert await ids(dentist, appointment_type_id=clinic.types["cleaning"]) == {ten["id"]}
    assert await ids(dentist, from_=clinic.at("09:00"), to=clinic.at("10:00")) == {nine["id"]}, (
        "starts in [from, to)"
    )
    patient = clinic.api(one)
    assert await ids(patient, dentist_id=clinic.dentists[1].id) == {elsewhere["id"]}


async def test_r4_2_reservations_are_listed_only_on_request(clinic: Clinic) -> None:
    api = clinic.api(clinic.patients[0])
    held = await clinic.hold(clinic.patients[0])
    assert (await api.get("/api/appointments")).body["data"] == []
    page = await api.get("/api/appointments", status="held")
    (row,) = page.body["data"]
    assert (row["id"], row["status"]) == (held["id"], "held")
    assert row["expires_at"] == held["expires_at"]


async def test_r4_2_changes_since_the_position_of_a_list_have_no_gap(
    clinic: Clinic,
) -> None:
    patient = clinic.patients[0]
    await clinic.book(patient, "09:00")
    page = await clinic.api(patient).get("/api/appointments")
    position = page.body["position"]
    later = await clinic.book(patient, "10:00")

    since = f"{position['epoch']}.{position['offset']}"
    changes = await clinic.api(patient).get(
        "/api/changes", channel=position["channel"], since=since
    )

    answer = changes.body["channels"][position["channel"]]
    assert answer["recovered"] is True
    assert [event["data"]["id"] for event in answer["events"]] == [later["id"]]
    assert answer["offset"] == position["offset"] + 1


# --- 4.3 -----------------------------------------------------------------------------


async def test_r4_3_put_reschedules_and_returns_the_next_version(
    clinic: Clinic,
) -> None:
    patient = clinic.patients[0]
    booked = await clinic.book(patient, "09:00")
    moved = await clinic.api(patient).put(
        f"/api/appointments/{booked['id']}", {"start": clinic.at("14:00")}
    )
    assert moved.status == 200, moved.body
    assert (moved.body["id"], moved.body["version"]) == (booked["id"], 2)
    assert (moved.body["start"], moved.body["end"]) == (clinic.at("14:00"), clinic.at("14:30"))
    assert clinic.at("09:00") in await clinic.free(clinic.patients[1]), "the old slot is free"


async def test_r4_3_put_changes_only_what_is_sent(clinic: Clinic) -> None:
    patient = clinic.patients[0]
    booked = await clinic.visit(patient)
    path = f"/api/appointments/{booked['id']}"
    noted = await clinic.api(clinic.dentists[0]).put(path, {"notes": "call me"})
    arrived = await clinic.api(clinic.dentists[0]).put(path, {"status": "arrived"})
    assert arrived.body == noted.body | {
        "status": "arrived",
        "version": 3,
        "updated_at": arrived.body["updated_at"],
    }
    assert arrived.body["notes"] == "call me"


async def test_r4_3_if_match_with_a_stale_version_is_refused_with_412(clinic: Clinic) -> None:
    patient = clinic.patients[0]
    booked = await clinic.book(patient)
    path, api = f"/api/appointments/{booked['id']}", clinic.api(patient)
    assert (await api.put(path, {"notes": "a"}, if_match='"1"')).status == 200
    stale = await api.put(path, {"notes": "b"}, if_match='"1"')
    assert (stale.status, stale.code) == (412, "VERSION_CONFLICT")
    assert (await api.get(path)).body["notes"] == "a"


# --- 4.4 -----------------------------------------------------------------------------


async def test_r4_4_delete_keeps_the_row_as_cancelled_and_is_204_each_time(clinic: Clinic) -> None:
    patient = clinic.patients[0]
    booked = await clinic.book(patient)
    path, api = f"/api/appointments/{booked['id']}", clinic.api(patient)
    first = await api.delete(path, reason="patient_moved_away")
    again = await api.delete(path)
    assert (first.status, first.body) == (204, None)
    assert again.status == 204
    row = (await api.get(path)).body
    assert (row["status"], row["cancel_reason"]) == ("cancelled", "patient_moved_away")
    assert row["version"] == 2, "the second cancellation changed nothing"


# --- 4.5 -----------------------------------------------------------------------------


async def test_r4_5_availability_shows_the_dentists_schedule(clinic: Clinic) -> None:
    dentist = clinic.dentists[1]
    answer = await clinic.api(clinic.patients[0]).get(f"/api/availability/{dentist.id}")
    assert answer.status == 200
    assert answer.body["dentist_id"] == dentist.id
    expected = schedule("America/New_York")
    assert {name: answer.body[name] for name in expected} == expected
    assert answer.body["version"] >= 1
    assert "slots" not in answer.body


async def test_r4_5_unchanged_availability_is_304(clinic: Clinic) -> None:
    dentist, api = clinic.dentists[0], clinic.api(clinic.patients[0])
    first = await api.get(f"/api/availability/{dentist.id}")
    again = await api.send(
        "GET", f"/api/availability/{dentist.id}", headers={"If-None-Match": first.headers["ETag"]}
    )
    assert (again.status, again.body) == (304, None)
    await clinic.api(dentist).put(f"/api/availability/{dentist.id}", schedule(horizon_days=30))
    changed = await api.send(
        "GET", f"/api/availability/{dentist.id}", headers={"If-None-Match": first.headers["ETag"]}
    )
    assert (changed.status, changed.body["horizon_days"]) == (200, 30)


async def test_r4_5_a_dry_run_lists_affected_appointments_only(
    clinic: Clinic,
) -> None:
    dentist = clinic.dentists[0]
    booked = await clinic.book(clinic.patients[0], "09:00")
    path = f"/api/availability/{dentist.id}"
    before = (await clinic.api(dentist).get(path)).body
    wanted = schedule(overrides=[{"date": booked["start"][:10], "windows": []}])
    tried = await clinic.api(dentist).send("PUT", path, wanted, query={"dry_run": "true"})
    assert tried.status == 200, tried.body
    assert [row["id"] for row in tried.body["affected_appointments"]] == [booked["id"]]
    assert (await clinic.api(dentist).get(path)).body == before


async def test_r4_5_only_the_dentist_may_replace_the_schedule(clinic: Clinic) -> None:
    path = f"/api/availability/{clinic.dentists[0].id}"
    patient = await clinic.api(clinic.patients[0]).put(path, schedule())
    other = await clinic.api(clinic.dentists[1]).put(path, schedule())
    assert (patient.status, patient.code) == (403, "FORBIDDEN")
    assert other.code in ("FORBIDDEN", "NOT_FOUND")


# --- 4.6 -----------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["dentist", "patient"])
async def test_r4_6_me_is_the_signed_in_users_profile(clinic: Clinic, who: str) -> None:
    person: Person = (clinic.dentists if who == "dentist" else clinic.patients)[0]
    answer = await clinic.api(person).get("/api/profiles/me")
    assert answer.status == 200
    never = {"given": False, "at": None, "source": None}
    assert answer.body == {
        "id": person.id,
        "role": who,
        "name": person.name,
        "email": f"{who}-0@example.org",
        "phone": "+1 555 0100" if who == "patient" else "+1 555 0200",
        "time_zone": "UTC",
        "practice_id": clinic.practices[0] if who == "dentist" else None,
        "active": True,
        "date_of_birth": None,
        "language": None,
        "consent": {"email": never, "sms": never},
        "version": 1,
    }


async def test_r4_6_admins_have_no_profile_and_chatbots_have_their_patients(
    clinic: Clinic,
) -> None:
    assert (await clinic.admin.get("/api/profiles/me")).status == 404
    patient = clinic.patients[0]
    acting = await clinic.chatbot(patient).get("/api/profiles/me")
    assert acting.body["id"] == patient.id


async def test_r4_6_the_first_token_creates_the_profile_from_its_claims(clinic: Clinic) -> None:
    newcomer = clinic.with_token(
        token("patient", "newcomer", name="New Comer", email="new@example.org")
    )
    answer = await newcomer.get("/api/profiles/me")
    assert answer.status == 200, answer.body
    assert (answer.body["name"], answer.body["email"]) == ("New Comer", "new@example.org")
    again = await newcomer.get("/api/profiles/me")
    assert again.body["id"] == answer.body["id"]


# --- 4.7 -----------------------------------------------------------------------------


async def test_r4_7_every_error_has_the_same_form(clinic: Clinic) -> None:
    patient = clinic.api(clinic.patients[0])
    await clinic.book(clinic.patients[1], "09:00")
    nowhere = "01976f2e-5b1a-7c3d-9e4f-0a1b2c3d4e5f"
    errors = {
        400: await patient.post("/api/appointments", {"start": "tomorrow"}),
        401: await clinic.with_token(None).get("/api/profiles/me"),
        403: await patient.post("/api/appointment-types", {"name": "x", "duration_minutes": 5}),
        404: await patient.get(f"/api/appointments/{nowhere}"),
        405: await patient.send("PATCH", "/api/appointments"),
        409: await patient.post("/api/appointments", clinic.slot("09:00")),
        413: await patient.send("POST", "/api/appointments", raw=b"[" + b" " * 300_000 + b"]"),
        415: await patient.send(
            "POST", "/api/appointments", raw=b"x", headers={"Content-Type": "text/plain"}
        ),
        422: await patient.post("/api/appointments", clinic.slot("03:00")),
    }
    for status, answer in errors.items():
        assert answer.status == status, answer.body
        assert answer.body.keys() == {"error"}
        error = answer.error
        assert error.keys() == {"code", "message", "timestamp", "request_id", "details"}
        assert error["code"].isupper()
        assert error["message"]
        assert error["request_id"] == answer.headers["X-Request-ID"]
        timestamp = datetime.fromisoformat(error["timestamp"])
        assert abs(datetime.now(UTC) - timestamp) < timedelta(seconds=10)
