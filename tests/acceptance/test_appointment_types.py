"""Appointment types: who sees, is offered and books them, at which practice."""

from typing import Any

import pytest

from tests.support.clinic import Clinic, Person
from tests.support.screens import Screen

TYPES = "/api/appointment-types"
FREE = "/api/slots"


async def change(clinic: Clinic, kind: str, **fields: Any) -> dict[str, Any]:
    saved = await clinic.admin.put(f"{TYPES}/{clinic.types[kind]}", fields)
    assert saved.status == 200, saved.body
    body: dict[str, Any] = saved.body
    return body


async def names(clinic: Clinic, person: Person | None) -> list[str]:
    caller = clinic.api(person) if person else clinic.admin
    return [each["name"] for each in (await caller.get(TYPES)).body["data"]]


async def told(screen: Screen, channel: str, **fields: Any) -> dict[str, Any]:
    """The data of the event of a changed type in this channel."""
    event = await screen.event("appointment_types.updated", channel=channel, **fields)
    shown: dict[str, Any] = event.resource
    return shown


async def test_a_type_has_its_fields_and_lists_are_in_order(clinic: Clinic) -> None:
    body = {
        "name": "Whitening",
        "duration_minutes": 45,
        "description": "With a lamp\nand a mask",
        "order": -1,
        "color": "#FF8800",
        "bookable_by": ["staff", "patient"],
        "practice_id": clinic.practices[0],
        "reminder_hours": [48, 2],
    }
    made = await clinic.admin.post(TYPES, body)
    assert made.status == 201, made.body
    stored = {**body, "color": "#ff8800", "bookable_by": ["patient", "staff"], "active": True}
    assert stored.items() <= made.body.items()
    plain = await clinic.admin.post(TYPES, {"name": "Advice", "duration_minutes": 10, "order": 2})
    defaults = {"description": None, "color": None, "active": True, "practice_id": None}
    defaults["reminder_hours"] = None
    assert {**defaults, "bookable_by": ["patient", "staff"]}.items() <= plain.body.items()
    order = ["Whitening", "check-up", "cleaning", "surgery", "Advice"]
    for person in (clinic.patients[0], clinic.dentists[0], None):
        assert await names(clinic, person) == order
    caller, paged = clinic.api(clinic.patients[0]), []
    cursor: dict[str, str] = {}
    for _ in order:
        page = (await caller.get(TYPES, limit=1, **cursor)).body
        paged += [each["name"] for each in page["data"]]
        cursor = {"cursor": page["pagination"]["next_cursor"]}
    assert paged == order
    for field, value in (("color", "orange"), ("practice_id", clinic.dentists[0].id)):
        refused = await clinic.admin.put(f"{TYPES}/{made.body['id']}", {field: value})
        assert refused.error["details"][0]["field"] == field
        assert (await clinic.admin.post(TYPES, {**body, field: value})).status == 400
    assert (await clinic.api(clinic.staff[0]).post(TYPES, body)).code == "FORBIDDEN"


async def test_a_type_for_staff_does_not_exist_for_patients(clinic: Clinic) -> None:
    patient, desk = clinic.patients[0], clinic.staff[0]
    held = await clinic.hold(patient, "10:00")
    await change(clinic, "check-up", bookable_by=["staff"])
    screen, bot = await clinic.screen(patient), await clinic.chatbot_screen(patient)
    for caller in (clinic.api(patient), clinic.chatbot(patient)):
        assert "check-up" not in str((await caller.get(TYPES)).body)
        day = clinic.day_of(clinic.dentists[0])
        assert (await caller.get(FREE, **day)).code == "NOT_FOUND"
        hours = await caller.get(
            f"/api/availability/{clinic.dentists[0].id}",
            **{key: day[key] for key in ("from", "to", "appointment_type_id")},
        )
        assert hours.code == "NOT_FOUND"
        slot = clinic.slot("09:00")
        unknown = {**slot, "appointment_type_id": clinic.dentists[0].id}
        for path in ("/api/reservations", "/api/appointments"):
            refused = await caller.post(path, slot)
            assert (refused.status, refused.code) == (404, "NOT_FOUND")
            assert refused.error["message"] == (await caller.post(path, unknown)).error["message"]
        confirm = await caller.post("/api/appointments", {"reservation_id": held["id"]})
        assert confirm.code == "NOT_FOUND"
    for each in (screen, bot):
        assert (await each.refused("slots:list", day))["code"] == "NOT_FOUND"
        assert (await each.refused("reservation:create", slot))["code"] == "NOT_FOUND"
        assert (await each.refused("appointment:book", slot))["code"] == "NOT_FOUND"
    for staff in (desk, clinic.dentists[0]):
        assert "check-up" in await names(clinic, staff)
        assert (await clinic.api(staff).get(FREE, **day)).body["data"] == [], "none for patients"
    body = {**slot, "patient_id": patient.id}
    booked = await clinic.api(desk).post("/api/appointments", body)
    assert booked.status == 201, booked.body
    path = f"/api/appointments/{booked.body['id']}"
    assert (await clinic.api(patient).get(path)).body["appointment_type_id"] == slot[
        "appointment_type_id"
    ]
    move = {"start": clinic.at("11:00")}
    assert (await clinic.api(patient).put(path, move)).code == "OUTSIDE_AVAILABILITY"
    assert (await clinic.api(desk).put(path, move)).status == 200


async def test_an_inactive_type_books_nothing_new_and_its_visits_stay(clinic: Clinic) -> None:
    patient, desk = clinic.patients[0], clinic.staff[0]
    booked = await clinic.book(patient, "09:00")
    await change(clinic, "check-up", active=False)
    slot = clinic.slot("11:00")
    assert (await clinic.api(patient).post("/api/appointments", slot)).code == "NOT_FOUND"
    screen = await clinic.screen(desk)
    body = {**slot, "patient_id": patient.id}
    assert (await screen.refused("appointment:book", body))["code"] == "OUTSIDE_AVAILABILITY"
    path = f"/api/appointments/{booked['id']}"
    assert (await clinic.api(desk).put(path, {"start": clinic.at("12:00")})).status == 200
    assert (await clinic.api(patient).get(path)).body["status"] == "confirmed"
    other = await clinic.book(patient, "14:00", kind="cleaning")
    retyped = {"appointment_type_id": clinic.types["check-up"]}
    answer = await clinic.api(desk).put(f"/api/appointments/{other['id']}", retyped)
    assert answer.code == "OUTSIDE_AVAILABILITY"
    listed = (await clinic.api(desk).get(TYPES)).body["data"]
    assert [each["active"] for each in listed if each["name"] == "check-up"] == [False]
    assert "check-up" not in await names(clinic, patient)
    await change(clinic, "check-up", active=True)
    assert (await clinic.api(patient).post("/api/appointments", slot)).status == 201


async def test_a_type_of_one_practice_is_offered_there_only(clinic: Clinic) -> None:
    ours, theirs = clinic.dentists[0], clinic.dentists[2]
    await change(clinic, "check-up", practice_id=clinic.practices[0])
    patient = clinic.patients[0]
    assert await clinic.free(patient, dentist=ours)
    assert await clinic.free(patient, dentist=theirs) == set()
    there = clinic.slot("09:00", dentist=theirs)
    refused = await clinic.api(patient).post("/api/appointments", there)
    assert refused.code == "OUTSIDE_AVAILABILITY"
    stranger, me = clinic.api(clinic.staff[1]), clinic.api(theirs)
    assert "check-up" not in await names(clinic, clinic.staff[1])
    assert "check-up" in await names(clinic, clinic.staff[0])
    await clinic.looked_up(stranger, patient.id)
    linked = await stranger.post(
        f"/api/practices/{clinic.practices[1]}/patients", {"patient_id": patient.id}
    )
    assert linked.status == 200
    for caller in (stranger, me):
        answer = await caller.post("/api/appointments", {**there, "patient_id": patient.id})
        assert answer.code == "NOT_FOUND"
        assert (await caller.get(FREE, **clinic.day_of(theirs))).code == "NOT_FOUND"
    everywhere = await clinic.api(patient).get(
        FREE, **{key: value for key, value in clinic.day_of(ours).items() if key != "dentist_id"}
    )
    assert {each["dentist_id"] for each in everywhere.body["data"]} == {
        each.id for each in clinic.dentists[:2]
    }


async def test_a_changed_type_is_told_whole_to_its_practice(clinic: Clinic) -> None:
    here, there = (f"practices:{each}" for each in clinic.practices)
    desk, other = [await clinic.screen(each) for each in clinic.staff]
    patient = await clinic.screen(clinic.patients[0])
    saved = await change(clinic, "check-up", color="#00aa00")
    for screen, channel in ((desk, here), (other, there), (patient, "availability:all")):
        assert await told(screen, channel) == saved
    saved = await change(
        clinic, "check-up", practice_id=clinic.practices[0], bookable_by=["staff"], name="Secret"
    )
    version = saved["version"]
    assert await told(desk, here, version=version) == saved
    changed = await told(patient, "availability:all", version=version)
    assert changed == {"id": saved["id"], "version": version}
    assert await told(other, there, version=version) == changed
    saved = await change(clinic, "check-up", description="Secret")
    assert await told(desk, here, version=version + 1) == saved
    await told(patient, "availability:all", version=version + 1)
    assert "Secret" not in str([each.data for each in patient.events()])
    last = await told(other, "availability:all", version=version + 1)
    assert "name" not in last
    assert version + 1 not in [each.resource["version"] for each in other.events(there)]


@pytest.mark.usefixtures("nothing_changes")
async def test_a_type_of_an_unknown_practice_is_refused(clinic: Clinic) -> None:
    path = f"{TYPES}/{clinic.types['check-up']}"
    wrong: dict[str, Any]
    for wrong in ({"practice_id": clinic.patients[0].id}, {"bookable_by": []}, {"color": "#fff"}):
        assert (await clinic.admin.put(path, wrong)).code == "VALIDATION_ERROR"
