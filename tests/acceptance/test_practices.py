"""Practices: their card, and closures that bind every calendar from the moment they are saved."""

import asyncio
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.support.clinic import DAYS_AHEAD, Clinic, Person, availability_of
from tests.support.database import rows

NEW = {"name": "On the square", "time_zone": "Europe/Vienna", "region": "AT"}


def closing(clinic: Clinic, dentist: Person, days: int = DAYS_AHEAD) -> dict[str, Any]:
    """The body that closes the tests' day, by the dentist's calendar."""
    day = (datetime.now(ZoneInfo(dentist.time_zone)) + timedelta(days=days)).date()
    return {"closures": [{"start_date": f"{day}", "end_date": f"{day}", "reason": "Feast"}]}


async def close(clinic: Clinic, dentist: Person) -> None:
    path = f"/api/practices/{clinic.practices[0]}"
    saved = await clinic.api(clinic.staff[0]).put(path, closing(clinic, dentist))
    assert saved.status == 200, saved.body


async def test_an_admin_founds_a_practice_and_everyone_reads_its_card(clinic: Clinic) -> None:
    made = await clinic.admin.post("/api/practices", {**NEW, "phone": "+43 1 234 5678"})
    assert made.status == 201
    assert made.body | NEW == made.body
    assert (made.body["closures"], made.body["version"]) == ([], 1)
    path = f"/api/practices/{made.body['id']}"
    for person in (clinic.patients[0], clinic.dentists[0], clinic.staff[0]):
        assert (await clinic.api(person).get(path)).body == made.body
    listed = (await clinic.api(clinic.patients[0]).get("/api/practices")).body["data"]
    assert [each["name"] for each in listed] == sorted(each["name"] for each in listed)
    assert made.body in listed


async def test_staff_change_phone_and_closures_only_and_of_their_practice_only(
    clinic: Clinic,
) -> None:
    path = f"/api/practices/{clinic.practices[0]}"
    own, other = (clinic.api(each) for each in clinic.staff)
    saved = await own.put(path, {"phone": "+1 555 0300"})
    assert (saved.status, saved.body["phone"], saved.body["version"]) == (200, "+1 555 0300", 2)
    assert (await own.put(path, {"name": "Ours"})).code == "FORBIDDEN"
    assert (await other.put(path, {"phone": "+1 555 0301"})).code == "FORBIDDEN"
    assert (await clinic.api(clinic.dentists[0]).put(path, {"phone": "1 2 3"})).code == "FORBIDDEN"
    renamed = await clinic.admin.put(path, {"name": "Theirs"}, if_match='"2"')
    assert (renamed.status, renamed.body["name"]) == (200, "Theirs")
    assert (await clinic.admin.put(path, {"name": "Ours"}, if_match='"2"')).status == 412


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        (
            "closures.0.end_date",
            {"closures": [{"start_date": "2027-12-26", "end_date": "2027-12-24"}]},
            "must not be before start_date",
        ),
        (
            "closures.0.end_date",
            {"closures": [{"start_date": "2027-01-01", "end_date": "2029-01-01"}]},
            "at most 366 days",
        ),
        (
            "closures.0.start_date",
            {"closures": [{"start_date": "2027-02-29", "end_date": "2027-03-01"}]},
            "there is no such date",
        ),
        ("closures.0.end_date", {"closures": [{"start_date": "2027-02-28"}]}, "required"),
        ("region", {"region": "XX"}, "a country"),
        ("website", {"website": "javascript:alert(1)"}, "http"),
        ("time_zone", {"time_zone": "Middle/Earth"}, "IANA"),
        ("phone", {"phone": "call us"}, "telephone"),
    ],
)
async def test_impossible_practices_are_refused_and_nothing_changes(
    clinic: Clinic, field: str, value: dict[str, Any], message: str
) -> None:
    path = f"/api/practices/{clinic.practices[0]}"
    before = (await clinic.admin.get(path)).body
    answer = await clinic.admin.put(path, value)
    assert answer.code == "VALIDATION_ERROR"
    (detail,) = answer.error["details"]
    assert detail["field"] == field
    assert message in detail["message"]
    assert (await clinic.admin.get(path)).body == before


@pytest.mark.parametrize("number", [0, 1])
async def test_a_closed_day_is_not_offered_in_the_calendars_own_zone(
    clinic: Clinic, number: int
) -> None:
    dentist, patient = clinic.dentists[number], clinic.patients[0]
    before = await clinic.free(patient, dentist=dentist)
    assert before
    await close(clinic, dentist)
    assert await clinic.free(patient, dentist=dentist) == set()
    for days in (DAYS_AHEAD - 1, DAYS_AHEAD + 1):
        start = clinic.at("17:30" if days < DAYS_AHEAD else "08:00", dentist=dentist, days=days)
        body = {**clinic.slot(dentist=dentist), "start": start}
        booked = await clinic.api(patient).post("/api/appointments", body)
        assert booked.status == 201, "the days around it are open"


async def test_a_closure_binds_every_way_of_taking_time(clinic: Clinic) -> None:
    dentist, patient = clinic.dentists[0], clinic.patients[0]
    me, desk, doctor = (clinic.api(each) for each in (patient, clinic.staff[0], dentist))
    hold = await clinic.hold(patient, "09:00")
    kept = await clinic.book(clinic.patients[1], "10:00")
    other = {**clinic.slot("09:00"), "start": clinic.at("09:00", days=DAYS_AHEAD + 1)}
    movable = (await clinic.api(clinic.patients[2]).post("/api/appointments", other)).body
    await close(clinic, dentist)
    tries = [
        me.post("/api/appointments", {"reservation_id": hold["id"]}),
        me.post("/api/appointments", clinic.slot("11:00")),
        me.post("/api/reservations", clinic.slot("11:00")),
        *(
            worker.post(
                "/api/appointments",
                {**clinic.slot("11:00"), "patient_id": patient.id, "overbook": True},
            )
            for worker in (desk, doctor)
        ),
        desk.put(f"/api/appointments/{movable['id']}", {"start": clinic.at("12:00")}),
    ]
    for answer in await asyncio.gather(*tries):
        assert answer.code == "OUTSIDE_AVAILABILITY"
    assert await clinic.shows(dentist, kept["id"], status="confirmed"), "what is booked stays"
    reopened = await desk.put(f"/api/practices/{clinic.practices[0]}", {"closures": []})
    assert reopened.status == 200
    assert (await me.post("/api/appointments", clinic.slot("11:00"))).status == 201


async def test_no_booking_is_committed_after_the_closure_that_forbids_it(clinic: Clinic) -> None:
    """Patients book without pause while the desk closes the day."""
    dentist, booked = clinic.dentists[0], list[str]()
    times = [f"{hour:02}:{minute:02}" for hour in range(8, 18) for minute in (0, 30)]

    async def book(patient: Person, clock: str) -> int:
        answer = await clinic.api(patient).post("/api/appointments", clinic.slot(clock))
        if answer.status == 201:
            booked.append(answer.body["id"])
        return answer.status

    async def keep_booking(number: int) -> None:
        for clock in times[number::5]:
            await book(clinic.patients[number], clock)

    await asyncio.gather(*(keep_booking(n) for n in range(5)), close(clinic, dentist))
    assert await book(clinic.patients[9], "08:00") in (409, 422)
    log = rows(clinic.database, "SELECT id, action, resource_id FROM audit_log ORDER BY id")
    (saved,) = (
        row["id"]
        for row in log
        if row["action"] == "practice.saved" and row["id"] > log[-1]["id"] - len(booked) - 1
    )
    after = {row["resource_id"] for row in log if row["id"] > saved}
    assert not after & set(booked)


async def test_a_closure_and_a_change_are_told_at_once(clinic: Clinic) -> None:
    practice = f"practices:{clinic.practices[0]}"
    dentist, patient = clinic.dentists[0], clinic.patients[0]
    desk, doctor = await clinic.screen(clinic.staff[0]), await clinic.screen(dentist)
    stranger = await clinic.screen(clinic.staff[1])
    watching = await clinic.screen(patient, availability_of(dentist))
    await close(clinic, dentist)
    for screen in (desk, doctor):
        told = await screen.event("practice.updated", 1.0)
        assert told.data["channel"] == practice
        assert told.resource["closures"][0]["reason"] == "Feast"
    changed = await watching.event("slots.changed", 1.0)
    (block,) = changed.resource["refetch"]
    assert block["start"] < clinic.at("00:00") < clinic.at("23:59") < block["end"]
    await clinic.admin.put(f"/api/profiles/{dentist.id}", {"name": "Dr Renamed"})
    told = await desk.event("people.updated", 1.0)
    assert told.resource | {"id": dentist.id, "name": "Dr Renamed", "role": "dentist"} == (
        told.resource
    )
    assert not {"email", "phone"} & told.resource.keys()
    await clinic.api(patient).put("/api/profiles/me", {"phone": "+1 555 0777"})
    told = await desk.event("patient.updated", 1.0)
    assert told.resource == {"patient_id": patient.id, "version": 2}
    assert not [each for each in stranger.events() if "practices:" in str(each.data)]


async def test_visits_outside_of_open_time_are_listed_until_they_are_dealt_with(
    clinic: Clinic,
) -> None:
    dentist, desk = clinic.dentists[0], clinic.api(clinic.staff[0])
    path = f"/api/availability/{dentist.id}/affected"
    visits = [
        (await clinic.book(clinic.patients[n], f"{9 + n:02}:00", dentist=dentist))["id"]
        for n in range(3)
    ]
    await clinic.hold(clinic.patients[4], "15:00")
    assert (await desk.get(path)).body["data"] == []
    await close(clinic, dentist)
    for caller in (desk, clinic.api(dentist)):
        listed = (await caller.get(path)).body
        assert [each["id"] for each in listed["data"]] == visits
        assert listed["pagination"]["total"] == 3
        assert listed["data"][0]["patient"]["name"] == "Patient 0"
    first = (await desk.get(path, limit=2)).body
    assert [each["id"] for each in first["data"]] == visits[:2]
    cursor = first["pagination"]["next_cursor"]
    rest = (await desk.get(path, limit=2, cursor=cursor)).body
    assert [each["id"] for each in rest["data"]] == visits[2:]
    assert rest["pagination"]["next_cursor"] is None
    elsewhere = f"/api/availability/{clinic.dentists[1].id}/affected"
    assert (await desk.get(elsewhere, cursor=cursor)).code == "VALIDATION_ERROR"
    later = {"start": clinic.at("09:00", days=DAYS_AHEAD + 1)}
    assert (await desk.put(f"/api/appointments/{visits[0]}", later)).status == 200
    assert (await desk.delete(f"/api/appointments/{visits[1]}")).status == 204
    assert [each["id"] for each in (await desk.get(path)).body["data"]] == visits[2:]
    await desk.put(f"/api/practices/{clinic.practices[0]}", {"closures": []})
    assert (await desk.get(path)).body["data"] == []
    await clinic.admin.put(f"/api/profiles/{dentist.id}", {"active": False})
    left = [each["id"] for each in (await desk.get(path)).body["data"]]
    assert left == [visits[2], visits[0]], "all of a dentist who has left"


async def test_a_known_person_is_linked_before_the_practice_may_book(clinic: Clinic) -> None:
    desk, patient = clinic.api(clinic.staff[1]), clinic.patients[0]
    dentist = clinic.dentists[2]
    body = {**clinic.slot("09:00", dentist=dentist), "patient_id": patient.id}
    me, stranger = await clinic.screen(patient), await clinic.screen(clinic.staff[0])
    for caller in (desk, clinic.api(dentist)):
        assert (await caller.post("/api/appointments", body)).code == "NOT_FOUND"
    assert (await desk.get(f"/api/profiles/{patient.id}")).status == 404
    path = f"/api/practices/{clinic.practices[1]}/patients"
    await clinic.looked_up(clinic.api(dentist), patient.id)
    guessed = await desk.post(path, {"patient_id": patient.id})
    assert guessed.code == "NOT_FOUND", "the desk has not looked them up"
    await clinic.looked_up(desk, patient.id)
    for _ in range(2):
        linked = await desk.post(path, {"patient_id": patient.id})
        assert (linked.status, linked.body) == (
            200,
            {
                "practice_id": clinic.practices[1],
                "patient_id": patient.id,
                "name": patient.name,
            },
        ), "no contact data"
    told = await me.event("practice.linked", 1.0)
    assert told.resource["practice_id"] == clinic.practices[1]
    assert len([each for each in me.events() if each.event == "practice.linked"]) == 1
    doctor = clinic.api(dentist)
    assert (await doctor.post(path, {"patient_id": patient.id})).body == linked.body
    assert (await doctor.get(f"/api/profiles/{patient.id}")).status == 200
    assert (await desk.post("/api/appointments", body)).status == 201
    assert (await desk.get(f"/api/profiles/{patient.id}")).status == 200
    assert (await desk.get("/api/patients", q="patient 0")).body["data"][0]["id"] == patient.id
    here = f"/api/practices/{clinic.practices[0]}/patients"
    assert (await desk.post(here, {"patient_id": patient.id})).code == "FORBIDDEN"
    assert (await desk.post(path, {"patient_id": dentist.id})).code == "NOT_FOUND"
    assert clinic.practices[1] not in str([each.data for each in stranger.events()])
    log = rows(clinic.database, "SELECT action FROM audit_log WHERE action = 'patient.linked'")
    assert len(log) == 3, "each time, because each answers with a name"


async def test_numbers_are_read_as_in_the_country_of_the_practice(clinic: Clinic) -> None:
    born = {"date_of_birth": "1980-03-08"}
    body = {"role": "patient", "name": "Vera", "phone": "+43 1 234 5678", **born}
    person = (await clinic.admin.post("/api/profiles", body)).body
    desk = clinic.api(clinic.staff[1])
    for region, found in ((None, None), ("AT", person["id"]), ("US", None)):
        path = f"/api/practices/{clinic.practices[1]}"
        assert (await clinic.admin.put(path, {"region": region})).status == 200
        answer = await desk.post("/api/patients/lookup", {"phone": "(01) 234 56 78", **born})
        assert answer.body["id"] == found


async def test_a_large_practice_has_channels_of_its_own_without_a_limit(clinic: Clinic) -> None:
    body = {"role": "dentist", "name": "Dr Many", "practice_id": clinic.practices[0]}
    for _ in range(50):
        assert (await clinic.admin.post("/api/profiles", body)).status == 201
    screen = await clinic.screen(clinic.staff[0])
    assert len(screen.ready) > 100
    other = f"availability:dentist:{clinic.dentists[2].id}"
    assert await screen.ok("channel:join", {"channel": other})
    await screen.close()
    again = {"token": clinic.staff[0].token, "since": dict.fromkeys((*screen.ready, other))}
    assert other in (await clinic.connect("/staff", again)).ready


async def test_practices_are_listed_page_by_page(clinic: Clinic) -> None:
    wanted = [*clinic.practices]
    for name in ("Zahn", "Anfang", "Anfang"):
        made = await clinic.admin.post("/api/practices", {"name": name, "time_zone": "UTC"})
        wanted.append(made.body["id"])
    seen: list[dict[str, Any]] = []
    query: dict[str, Any] = {"limit": 2}
    while True:
        page = (await clinic.api(clinic.patients[0]).get("/api/practices", **query)).body
        assert page["pagination"]["total"] == len(wanted)
        assert len(page["data"]) <= 2
        seen += page["data"]
        if page["pagination"]["next_cursor"] is None:
            break
        query["cursor"] = page["pagination"]["next_cursor"]
    assert {each["id"] for each in seen} == {*wanted}
    assert [(each["name"], each["id"]) for each in seen] == sorted(
        (each["name"], each["id"]) for each in seen
    )
    other_list = await clinic.admin.get("/api/dentists", cursor=query["cursor"])
    assert other_list.code == "VALIDATION_ERROR"


async def test_a_profile_that_an_admin_is_shown_is_audited(clinic: Clinic) -> None:
    patient, counted = clinic.patients[0], "SELECT action FROM audit_log WHERE patient_id = '{}'"
    for _ in range(2):
        seen = len(rows(clinic.database, counted.format(patient.id)))
        shown = await clinic.admin.put(f"/api/profiles/{patient.id}", {"name": patient.name})
        assert (shown.status, shown.body["version"]) == (200, 1)
        actions = [each["action"] for each in rows(clinic.database, counted.format(patient.id))]
        assert actions[seen:] == ["profile.viewed"]
