"""A visit moves to another dentist: who may move it where, what everyone then sees."""

from typing import Any

import pytest

from actors.services.practice_settings import PracticeSettings
from api.settings import ApiSettings
from tests.acceptance.conftest import OpenClinic
from tests.support.api import Answer
from tests.support.clinic import Clinic, Person, appointments_of, schedule
from tests.support.eventually import eventually
from tests.support.histories import problems_of
from tests.support.moves import Visits


def path_of(row: dict[str, Any]) -> str:
    return f"/api/appointments/{row['id']}"


async def test_a_patient_moves_a_visit_and_it_is_in_one_calendar(clinic: Clinic) -> None:
    patient, (here, _, there) = clinic.patients[0], clinic.dentists
    row = await clinic.book(patient, "09:00", dentist=here)
    path, start = path_of(row), clinic.at("11:00", dentist=there)
    moved = await clinic.api(patient).put(path, {"dentist_id": there.id, "start": start})
    assert moved.status == 200, moved.body
    expected = {"id": row["id"], "dentist_id": there.id, "start": start, "version": 2}
    assert {name: moved.body[name] for name in expected} == expected
    assert moved.body["dentist"]["name"] == there.name
    for reader in (patient, there, clinic.staff[1]):
        assert (await clinic.api(reader).get(path)).body == moved.body
        assert [each["id"] for each in await listed(clinic, reader)] == [row["id"]]
        history = (await clinic.api(reader).get(f"{path}/history")).body["data"]
        assert [each["action"] for each in history] == ["appointment.booked", "appointment.moved"]
    for reader in (here, clinic.staff[0]):
        assert await listed(clinic, reader) == []
        for gone in (path, f"{path}/history"):
            assert (await clinic.api(reader).get(gone)).code == "NOT_FOUND"
        assert (await clinic.api(reader).put(path, {"status": "arrived"})).code == "NOT_FOUND"
    assert clinic.at("09:00") in await clinic.free(patient, dentist=here)
    assert start not in await clinic.free(clinic.patients[1], dentist=there)
    assert (await clinic.api(clinic.staff[0]).get(f"/api/profiles/{patient.id}")).status == 200


async def listed(clinic: Clinic, reader: Person) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = (await clinic.api(reader).get("/api/appointments")).body["data"]
    return rows


async def test_events_of_a_move_reach_each_screen_once(clinic: Clinic) -> None:
    patient, (here, there, _) = clinic.patients[0], clinic.dentists
    row = await clinic.book(patient, "09:00", dentist=here)
    left, came = await clinic.screen(here), await clinic.screen(there)
    own, desk = await clinic.screen(patient), await clinic.screen(clinic.staff[0])
    body = {"id": row["id"], "dentist_id": there.id, "start": clinic.at("15:00")}
    moved = await own.ok("appointment:update", body)
    assert (moved["dentist_id"], moved["version"]) == (there.id, 2)
    created = await came.event("appointment.created", id=row["id"])
    assert created.data["data"] == moved
    away = await left.event("appointment.moved_away", id=row["id"])
    assert away.data["data"] == {"id": row["id"], "version": 2}
    updated = await own.event("appointment.updated", id=row["id"])
    assert updated.data["data"] == moved
    await desk.event("appointment.created", channel=appointments_of(there), id=row["id"])
    await desk.event("appointment.moved_away", channel=appointments_of(here), id=row["id"])
    freed = (await left.event("slots.changed", dentist_id=here.id)).data["data"]
    assert ([*freed["taken"]], freed["freed"][0]["start"]) == ([], row["start"])
    taken = (await came.event("slots.changed", dentist_id=there.id)).data["data"]
    assert (taken["taken"][0]["start"], [*taken["freed"]]) == (moved["start"], [])
    # Whatever happens to it later, the old dentist hears nothing of it.
    assert (await clinic.api(there).put(path_of(row), {"notes": "seen"})).status == 200
    other = await clinic.book(clinic.patients[1], "16:00", dentist=here)
    await left.event("appointment.created", id=other["id"])
    of_row = [
        each.event
        for each in left.events(appointments_of(here))
        if each.data["data"]["id"] == row["id"]
    ]
    assert of_row == ["appointment.moved_away"]


async def test_staff_move_within_the_practice_and_nowhere_else(clinic: Clinic) -> None:
    desk, (here, colleague, elsewhere) = clinic.api(clinic.staff[0]), clinic.dentists
    row = await clinic.book(clinic.patients[0], "09:00", dentist=here)
    start = clinic.at("05:10", dentist=colleague)
    moved = await desk.put(path_of(row), {"dentist_id": colleague.id, "start": start})
    assert (moved.status, moved.body["dentist_id"]) == (200, colleague.id), moved.body
    refused = await desk.put(path_of(row), {"dentist_id": elsewhere.id})
    unknown = await desk.put(path_of(row), {"dentist_id": row["id"]})
    assert (refused.code, unknown.code) == ("FORBIDDEN", "FORBIDDEN")
    foreign = await clinic.book(clinic.patients[1], "09:00", dentist=elsewhere)
    assert (await desk.put(path_of(foreign), {"dentist_id": here.id})).code == "NOT_FOUND"
    taken = await clinic.book(clinic.patients[2], "10:00", dentist=here)
    onto = {"dentist_id": here.id, "start": taken["start"]}
    assert (await desk.put(path_of(row), onto)).code == "SLOT_TAKEN"
    over = await desk.put(path_of(row), {**onto, "overbook": True})
    assert (over.status, over.body["overbooked"]) == (200, True)


async def test_a_dentist_moves_no_visit_to_a_colleague(clinic: Clinic) -> None:
    here, colleague, _ = clinic.dentists
    row = await clinic.book(clinic.patients[0], "09:00", dentist=here)
    theirs = await clinic.book(clinic.patients[1], "09:00", dentist=colleague)
    dentist = clinic.api(here)
    for wanted in (row["id"], theirs["id"], colleague.id):
        answer = await dentist.put(f"/api/appointments/{wanted}", {"dentist_id": colleague.id})
        assert answer.code == "FORBIDDEN"
    assert (await dentist.put(path_of(theirs), {"dentist_id": here.id})).code == "NOT_FOUND"
    stays = await dentist.put(path_of(row), {"dentist_id": here.id, "notes": "mine"})
    assert (stays.status, stays.body["dentist_id"], stays.body["notes"]) == (200, here.id, "mine")


async def test_what_a_move_is_refused_for_changes_nothing(clinic: Clinic) -> None:
    patient, (here, there, _) = clinic.patients[0], clinic.dentists
    own, row = clinic.api(patient), await clinic.book(clinic.patients[0], "09:00", dentist=here)
    taken = await clinic.book(clinic.patients[1], "10:00", dentist=there)
    mine = await clinic.book(patient, "17:00", dentist=clinic.dentists[2])
    hold = await clinic.hold(patient, "12:00", dentist=here)
    done = await clinic.book(patient, "16:00", dentist=here)
    assert (await own.delete(path_of(done))).status == 204

    async def move(of: dict[str, Any], **body: Any) -> str | None:
        answer: Answer = await own.put(path_of(of), {"dentist_id": there.id, **body})
        return answer.code

    assert await move(row, start=taken["start"]) == "SLOT_TAKEN"
    assert await move(row, start=clinic.at("09:07", dentist=there)) == "OUTSIDE_AVAILABILITY"
    assert await move(row, start=clinic.at("03:00", dentist=there)) == "OUTSIDE_AVAILABILITY"
    assert await move(row, start=mine["start"]) == "PATIENT_CONFLICT"
    assert await move(row, status="arrived") == "FORBIDDEN"
    assert await move(hold) == "INVALID_TRANSITION"
    assert await move(done) == "INVALID_TRANSITION"
    assert await move(row, dentist_id=patient.id) == "NOT_FOUND"
    assert await move(row, dentist_id="x") == "VALIDATION_ERROR"
    theirs = {"dentist_id": there.id, "start": clinic.at("11:00", dentist=there)}
    stranger = clinic.api(clinic.patients[2])
    assert (await stranger.put(path_of(row), theirs)).code == "NOT_FOUND"
    stale = await own.put(path_of(row), theirs, if_match='"7"')
    assert (stale.status, stale.code) == (412, "VERSION_CONFLICT")
    assert (await own.get(path_of(row))).body == row
    assert (await own.put(path_of(row), theirs, if_match='"1"')).status == 200


async def test_a_repeated_move_is_done_once(clinic: Clinic) -> None:
    patient, (here, there, third) = clinic.patients[0], clinic.dentists
    row, own = await clinic.book(patient, "09:00", dentist=here), clinic.api(patient)
    body = {"dentist_id": there.id, "start": clinic.at("11:00", dentist=there)}
    first = await own.put(path_of(row), body, idempotency_key="move-1")
    again = await own.put(path_of(row), body, idempotency_key="move-1")
    assert first.status == 200
    assert (again.status, again.body) == (200, first.body)
    back = {"dentist_id": third.id, "start": clinic.at("11:00", dentist=third)}
    onward = await own.put(path_of(row), back)
    assert (onward.status, onward.body["version"]) == (200, 3)
    assert (await own.put(path_of(row), body, idempotency_key="move-1")).body == first.body
    assert (
        await own.put(path_of(row), back, idempotency_key="move-1")
    ).code == "IDEMPOTENCY_MISMATCH"
    assert (await own.get(path_of(row))).body == onward.body, "nothing was done again"


async def test_a_patient_may_not_leave_later_than_cancel(clinic: Clinic) -> None:
    patient, (here, there, _) = clinic.patients[0], clinic.dentists
    row = await clinic.book(patient, "09:00", dentist=here)
    late = schedule(here.time_zone, cancel_notice_minutes=30 * 24 * 60)
    saved = await clinic.api(here).put(f"/api/availability/{here.id}", late)
    assert saved.status == 200, saved.body
    body = {"dentist_id": there.id, "start": clinic.at("11:00", dentist=there)}
    assert (await clinic.api(patient).put(path_of(row), body)).code == "TOO_LATE"
    assert (await clinic.api(clinic.staff[0]).put(path_of(row), body)).status == 200


async def test_a_chatbot_moves_for_its_patient(clinic: Clinic) -> None:
    patient, (here, _, there) = clinic.patients[0], clinic.dentists
    row = await clinic.book(patient, "09:00", dentist=here)
    moved = await clinic.chatbot(patient).put(path_of(row), {"dentist_id": there.id})
    assert (moved.status, moved.body["dentist_id"]) == (200, there.id), moved.body
    assert moved.body["start"] == row["start"], "the present start is the default"


async def test_commands_after_a_move_find_the_visit_where_it_is(clinic: Clinic) -> None:
    patient, desk = clinic.patients[0], clinic.api(clinic.staff[0])
    here, there, _ = clinic.dentists
    row = await clinic.book(patient, "15:00", dentist=here)
    own, path = clinic.api(patient), path_of(row)
    for to in (there, here, there, here):
        assert (await desk.put(path, {"dentist_id": to.id})).status == 200
        noted = await own.put(path, {"notes": to.name})
        assert (noted.status, noted.body["dentist_id"]) == (200, to.id)
    freed = {"start": clinic.at("15:00", dentist=there)}
    taken = await clinic.book(clinic.patients[1], "15:00", dentist=there)
    assert taken["start"] == freed["start"]
    assert (await own.delete(path)).status == 204
    assert await eventually(lambda: clinic.shows(patient, row["id"], status="cancelled"), 1.0)


async def test_who_cannot_book_cannot_move(open_clinic: OpenClinic) -> None:
    async with open_clinic(practice=PracticeSettings(require_contact=True)) as clinic:
        patient, (here, there, _) = clinic.patients[0], clinic.dentists
        row = await clinic.book(patient, "15:00", dentist=here)
        own = clinic.api(patient)
        assert (await own.put("/api/profiles/me", {"phone": None, "email": None})).status == 200
        move = {"dentist_id": there.id}
        assert (await own.put(path_of(row), move)).code == "PROFILE_INCOMPLETE"
        away = await clinic.admin.put(f"/api/profiles/{there.id}", {"active": False})
        assert away.status == 200, away.body
        desk = clinic.api(clinic.staff[0])
        assert (await desk.put(path_of(row), move)).code == "OUTSIDE_AVAILABILITY"


@pytest.mark.parametrize("channel", ["dentist", "patient"])
async def test_catching_up_over_a_move(clinic: Clinic, channel: str) -> None:
    patient, (here, there, _) = clinic.patients[0], clinic.dentists
    row = await clinic.book(patient, "15:00", dentist=here)
    reader = here if channel == "dentist" else patient
    name = appointments_of(reader)
    now = (await clinic.api(reader).get("/api/changes", channel=name, since="now")).body
    first = now["channels"][name]
    moved = await clinic.api(patient).put(path_of(row), {"dentist_id": there.id})
    assert moved.status == 200, moved.body
    since = f"{first['epoch']}.{first['offset']}"
    missed = (await clinic.api(reader).get("/api/changes", channel=name, since=since)).body
    (event,) = missed["channels"][name]["events"]
    expected = "moved_away" if channel == "dentist" else "updated"
    assert event["type"] == f"appointment.{expected}"


async def test_moves_and_bookings_of_the_same_slots_at_once(open_clinic: OpenClinic) -> None:
    async with open_clinic(api=ApiSettings(rate_per_s=10_000, rate_burst=10_000)) as clinic:
        visits = Visits([clinic], seed=17)
        await visits.book()
        for _ in range(6):
            await visits.race(moves=10, bookings=2)
            await visits.check()
        assert problems_of(clinic.database) == []
        assert visits.codes[None] > 5, visits.codes
