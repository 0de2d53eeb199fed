"""The role staff: the dentist's rights on the calendars of one practice, and nothing elsewhere."""

from collections.abc import Mapping
from typing import Any

import pytest

from actors.services.practice_settings import PracticeSettings
from tests.acceptance.conftest import OpenClinic
from tests.support.clinic import Clinic, Person, schedule
from tests.support.database import execute
from tests.support.screens import ConnectionRefused
from tests.support.sse import listening
from tests.support.supabase_wire import raw_supabase
from tests.support.tokens import token


def for_patient(clinic: Clinic, dentist: Person, clock: str, **more: Any) -> dict[str, Any]:
    slot = clinic.slot(clock, dentist=dentist)
    return {**slot, "patient_id": clinic.patients[0].id, **more}


async def test_staff_do_on_every_calendar_of_the_practice_what_its_dentist_may(
    clinic: Clinic,
) -> None:
    desk = clinic.api(clinic.staff[0])
    for dentist in clinic.dentists[:2]:
        body = for_patient(clinic, dentist, "09:00", notes="by the desk")
        booked = await desk.post("/api/appointments", body)
        assert booked.status == 201, booked.body
        assert booked.body["created_via"] == "staff"
        path = f"/api/appointments/{booked.body['id']}"
        assert (await desk.get(path)).body["notes"] == "by the desk"
        moved = await desk.put(path, {"start": clinic.at("05:10", dentist=dentist)})
        assert moved.status == 200, "the grid does not bind staff"
        seen = await clinic.visit(clinic.patients[2], dentist=dentist)
        arrived = await desk.put(f"/api/appointments/{seen['id']}", {"status": "arrived"})
        assert (arrived.status, arrived.body["status"]) == (200, "arrived")
        history = (await desk.get(f"{path}/history")).body["data"]
        me = {"id": clinic.staff[0].id, "name": clinic.staff[0].name, "role": "staff"}
        assert [each["by"] for each in history] == [me] * len(history)
        assert {each["via"] for each in history} == {"staff"}
        for reader in (clinic.api(clinic.patients[0]), clinic.chatbot(clinic.patients[0])):
            shown = (await reader.get(f"{path}/history")).body["data"]
            assert [each["by"] for each in shown] == [{"role": "staff"}] * len(history)
        again = for_patient(clinic, dentist, "12:00")
        assert (await desk.post("/api/appointments", again)).status == 201
        other = {**again, "patient_id": clinic.patients[1].id}
        assert (await desk.post("/api/appointments", other)).code == "SLOT_TAKEN"
        over = await desk.post("/api/appointments", {**other, "overbook": True})
        assert (over.status, over.body["overbooked"]) == (201, True)
        assert (await desk.delete(path)).status == 204
        hours = schedule(dentist.time_zone, time_off=[], slot_step_minutes=30)
        saved = await desk.put(f"/api/availability/{dentist.id}", hours)
        assert (saved.status, saved.body["slot_step_minutes"]) == (200, 30)


async def test_staff_list_the_calendars_of_the_practice_and_no_others(clinic: Clinic) -> None:
    desk, other = (clinic.api(each) for each in clinic.staff)
    made = [
        (await desk.post("/api/appointments", for_patient(clinic, dentist, "09:00"))).body["id"]
        for dentist in clinic.dentists[:2]
    ]
    page = (await desk.get("/api/appointments")).body
    assert {each["id"] for each in page["data"]} == set(made)
    assert page["position"] is None
    channels = {f"appointments:dentist:{each.id}" for each in clinic.dentists[:2]}
    assert {each["channel"] for each in page["positions"]} == channels
    follow = page["positions"][0]
    since = f"{follow['epoch']}.{follow['offset']}"
    missed = (await desk.get("/api/changes", channel=follow["channel"], since=since)).body
    assert missed["channels"][follow["channel"]]["events"] == []
    only = (await desk.get("/api/appointments", dentist_id=clinic.dentists[0].id)).body
    assert [each["id"] for each in only["data"]] == made[:1]
    assert [each["channel"] for each in only["positions"]] == [only["position"]["channel"]]
    assert (await other.get("/api/appointments")).body["data"] == []


async def test_staff_of_another_practice_may_do_nothing_here(clinic: Clinic) -> None:
    mine, stranger = (clinic.api(each) for each in clinic.staff)
    dentist, patient = clinic.dentists[0], clinic.patients[0]
    body = for_patient(clinic, dentist, "09:00")
    booked = (await mine.post("/api/appointments", body)).body
    path = f"/api/appointments/{booked['id']}"
    for answer, code in (
        (await stranger.post("/api/appointments", body), "FORBIDDEN"),
        (await stranger.get(path), "NOT_FOUND"),
        (await stranger.get(f"{path}/history"), "NOT_FOUND"),
        (await stranger.put(path, {"status": "arrived"}), "NOT_FOUND"),
        (await stranger.delete(path), "NOT_FOUND"),
        (await stranger.put(f"/api/availability/{dentist.id}", schedule()), "FORBIDDEN"),
        (await stranger.get(f"/api/profiles/{patient.id}"), "NOT_FOUND"),
        (await stranger.put(f"/api/profiles/{patient.id}", {"name": "X"}), "NOT_FOUND"),
        (await stranger.get("/api/consents", patient_id=patient.id), "NOT_FOUND"),
    ):
        assert answer.code == code
    there = {**clinic.slot("09:00", dentist=clinic.dentists[2]), "patient_id": patient.id}
    assert (await stranger.post("/api/appointments", there)).code == "NOT_FOUND", "whose patient?"


async def test_staff_are_at_once_in_every_channel_of_their_practice(clinic: Clinic) -> None:
    first, second, third = clinic.dentists
    screen = await clinic.screen(clinic.staff[0])
    joined = set(screen.ready)
    assert joined == {
        f"profiles:user:{clinic.staff[0].id}",
        f"practices:{clinic.practices[0]}",
        *(f"appointments:dentist:{each.id}" for each in (first, second)),
        *(f"availability:dentist:{each.id}" for each in (first, second)),
        "availability:all",
    }
    for dentist in (first, second):
        booked = await clinic.book(clinic.patients[0], "09:00", dentist=dentist)
        await screen.event("appointment.created", 1.0, id=booked["id"])
    refused = await screen.refused("channel:join", {"channel": f"appointments:dentist:{third.id}"})
    assert refused["code"] == "FORBIDDEN"
    ack = await screen.ok(
        "appointment:book", for_patient(clinic, first, "12:00", notes="over a socket")
    )
    assert ack["created_via"] == "staff"
    with pytest.raises(ConnectionRefused, match="FORBIDDEN"):
        await clinic.connect("/dentist", {"token": clinic.staff[0].token})


async def test_staff_who_move_lose_the_old_practice_at_once(clinic: Clinic) -> None:
    desk, dentist = clinic.staff[0], clinic.dentists[0]
    screen = await clinic.screen(desk)
    body = for_patient(clinic, dentist, "09:00")
    booked = (await clinic.api(desk).post("/api/appointments", body)).body
    moved = await clinic.admin.put(f"/api/profiles/{desk.id}", {"practice_id": clinic.practices[1]})
    assert (moved.status, moved.body["practice_id"]) == (200, clinic.practices[1])
    await screen.until(lambda each: each.event == "auth:expired", 1.0)
    assert (await clinic.api(desk).get(f"/api/appointments/{booked['id']}")).status == 404
    assert (await clinic.api(desk).post("/api/appointments", body)).code == "FORBIDDEN"
    there = await clinic.screen(desk)
    assert f"practices:{clinic.practices[1]}" in there.ready
    assert f"appointments:dentist:{dentist.id}" not in there.ready


@pytest.mark.usefixtures("nothing_changes")
async def test_a_dentist_is_not_moved_to_another_practice(clinic: Clinic) -> None:
    dentist = clinic.dentists[0]
    path, elsewhere = f"/api/profiles/{dentist.id}", {"practice_id": clinic.practices[1]}
    screens = [await clinic.screen(each) for each in (*clinic.staff, dentist)]
    before = await clinic.admin.get(path)
    for change in (elsewhere, {**elsewhere, "name": "Dr Moved"}, {**elsewhere, "active": False}):
        refused = await clinic.admin.put(path, change)
        assert (refused.status, refused.code) == (400, "VALIDATION_ERROR")
        (detail,) = refused.error["details"]
        assert detail["field"] == "practice_id"
        assert "a dentist stays at the practice" in detail["message"]
    assert (await clinic.admin.get(path)).body == before.body
    assert not [each for screen in screens for each in screen.events()]
    there = f"appointments:dentist:{dentist.id}"
    assert there not in (await clinic.screen(clinic.staff[1])).ready


async def test_a_dentist_who_has_ended_is_not_moved_and_the_same_practice_is_no_move(
    clinic: Clinic,
) -> None:
    path = f"/api/profiles/{clinic.dentists[0].id}"
    ended = await clinic.admin.put(path, {"active": False})
    for practice, status in zip(clinic.practices, (200, 400), strict=True):
        assert (await clinic.admin.put(path, {"practice_id": practice})).status == status
    shown = (await clinic.admin.get(path)).body
    assert shown == ended.body, "of the same version, too"


async def test_a_dentist_without_a_practice_gets_one_and_its_staff_the_calendar_at_once(
    clinic: Clinic,
) -> None:
    dentist, desk = clinic.dentists[2], clinic.staff[1]
    execute(
        clinic.database,
        f"UPDATE profiles SET practice_id = NULL WHERE id = '{dentist.id}'",  # noqa: S608  # an id
    )
    booked = await clinic.book(clinic.patients[0], "09:00", dentist=dentist)
    visit, channel = f"/api/appointments/{booked['id']}", f"appointments:dentist:{dentist.id}"
    screens = [await clinic.screen(each) for each in (desk, dentist)]
    assert channel not in screens[0].ready
    assert (await clinic.api(desk).get(visit)).status == 404
    first = {"practice_id": clinic.practices[1]}
    got = await clinic.admin.put(f"/api/profiles/{dentist.id}", first)
    assert (got.status, got.body["practice_id"]) == (200, clinic.practices[1])
    assert (await clinic.api(desk).put(visit, {"notes": "here"})).status == 200
    assert (await clinic.api(desk).get("/api/appointments")).body["data"][0]["id"] == booked["id"]
    for screen in screens:
        await screen.until(lambda each: each.event == "auth:expired", 1.0)
    assert channel in (await clinic.screen(desk)).ready
    back = {"practice_id": clinic.practices[0]}
    assert (await clinic.admin.put(f"/api/profiles/{dentist.id}", back)).status == 400


@pytest.mark.parametrize("which", ["staff", "dentists", "patients"])
async def test_who_is_not_active_any_more_may_do_nothing(clinic: Clinic, which: str) -> None:
    person: Person = getattr(clinic, which)[0]
    screen = await clinic.screen(person)
    by = clinic.api(clinic.staff[0]) if which == "patients" else clinic.admin
    ended = await by.put(f"/api/profiles/{person.id}", {"active": False})
    assert (ended.status, ended.body["active"]) == (200, False)
    await screen.until(lambda each: each.event == "auth:expired", 1.0)
    assert (await clinic.api(person).get("/api/profiles/me")).code == "FORBIDDEN"
    with pytest.raises(ConnectionRefused, match="FORBIDDEN"):
        await clinic.screen(person)
    back = await by.put(f"/api/profiles/{person.id}", {"active": True})
    assert back.status == 200
    assert (await clinic.api(person).get("/api/profiles/me")).status == 200


async def test_with_an_inactive_dentist_nothing_new_is_booked_and_visits_stay(
    clinic: Clinic,
) -> None:
    dentist, desk = clinic.dentists[0], clinic.api(clinic.staff[0])
    kept = (await desk.post("/api/appointments", for_patient(clinic, dentist, "09:00"))).body
    await clinic.admin.put(f"/api/profiles/{dentist.id}", {"active": False})
    assert await clinic.free(clinic.patients[1], dentist=dentist) == set()
    for caller, more in (
        (clinic.api(clinic.patients[1]), {}),
        (desk, {"patient_id": clinic.patients[1].id, "overbook": True}),
    ):
        answer = await caller.post("/api/appointments", {**clinic.slot("11:00"), **more})
        assert answer.code == "OUTSIDE_AVAILABILITY"
    listed = (await desk.get("/api/appointments", dentist_id=dentist.id)).body["data"]
    assert [each["id"] for each in listed] == [kept["id"]]
    assert (await desk.delete(f"/api/appointments/{kept['id']}")).status == 204
    card = (await desk.get(f"/api/profiles/{dentist.id}")).body
    assert card["active"] is False
    seen = (await clinic.api(clinic.patients[0]).get("/api/dentists")).body["data"]
    assert dentist.id not in {each["id"] for each in seen}


async def test_an_inactive_patient_cannot_be_booked(clinic: Clinic) -> None:
    desk, patient = clinic.api(clinic.staff[0]), clinic.patients[0]
    await desk.put(f"/api/profiles/{patient.id}", {"active": False})
    body = for_patient(clinic, clinic.dentists[0], "09:00")
    assert (await desk.post("/api/appointments", body)).code == "NOT_FOUND"


async def test_only_an_admin_employs_and_only_staff_change_patients(clinic: Clinic) -> None:
    desk, patient = clinic.api(clinic.staff[0]), clinic.patients[0]
    changed = await desk.put(f"/api/profiles/{patient.id}", {"name": "Ann Other"})
    assert (changed.status, changed.body["name"]) == (200, "Ann Other")
    elsewhere = {"practice_id": clinic.practices[1]}
    for caller, person, body, code in (
        (desk, patient, elsewhere, "FORBIDDEN"),
        (desk, clinic.dentists[0], {"name": "X"}, "NOT_FOUND"),
        (desk, clinic.staff[0], {"active": True}, "NOT_FOUND"),
        (clinic.admin, patient, elsewhere, "VALIDATION_ERROR"),
        (clinic.api(clinic.dentists[0]), patient, {"name": "X"}, "FORBIDDEN"),
        (clinic.api(patient), patient, {"active": True}, "FORBIDDEN"),
        (clinic.admin, clinic.dentists[0], {"practice_id": patient.id}, "VALIDATION_ERROR"),
    ):
        assert (await caller.put(f"/api/profiles/{person.id}", body)).code == code
    renamed = await clinic.admin.put(f"/api/profiles/{patient.id}", {"name": "X"})
    assert renamed.status == 200
    own = await clinic.api(clinic.dentists[0]).put("/api/profiles/me", {"active": False})
    assert own.code == "VALIDATION_ERROR", "nobody deactivates themselves"


async def test_a_new_dentist_has_the_time_zone_of_the_practice(clinic: Clinic) -> None:
    practice = (
        await clinic.admin.post("/api/practices", {"name": "Far", "time_zone": "Asia/Tokyo"})
    ).body
    body = {"role": "dentist", "name": "Dr Far", "practice_id": practice["id"]}
    made = await clinic.admin.post("/api/profiles", body)
    assert (made.status, made.body["time_zone"]) == (201, "Asia/Tokyo")
    hours = await clinic.admin.get(f"/api/availability/{made.body['id']}")
    assert hours.body["time_zone"] == "Asia/Tokyo"
    several = await clinic.admin.post("/api/profiles", {"role": "dentist", "name": "Dr Where"})
    assert several.error["details"][0]["field"] == "practice_id"


async def test_a_token_of_staff_without_a_profile_is_refused(clinic: Clinic) -> None:
    unknown = clinic.with_token(token("staff", "nobody"))
    assert (await unknown.get("/api/profiles/me")).code == "FORBIDDEN"
    as_dentist = clinic.with_token(token("dentist", "staff-0"))
    assert (await as_dentist.get("/api/profiles/me")).code == "FORBIDDEN"


async def test_a_patient_who_cannot_be_reached_does_not_book_where_that_is_required(
    open_clinic: OpenClinic,
) -> None:
    async with open_clinic(practice=PracticeSettings(require_contact=True)) as clinic:
        anyone = clinic.with_token(token("patient", "new-here", email="me@example.org"))
        bot = clinic.with_token(token("patient", "new-here", act={"sub": "bot"}))
        slot = clinic.slot("09:00")
        for caller in (anyone, bot):
            answer = await caller.post("/api/appointments", slot)
            assert (answer.status, answer.code) == (422, "PROFILE_INCOMPLETE"), "no name"
        hold = (await anyone.post("/api/reservations", slot)).body
        answer = await anyone.post("/api/appointments", {"reservation_id": hold["id"]})
        assert answer.code == "PROFILE_INCOMPLETE"
        await anyone.put("/api/profiles/me", {"name": "New Here", "email": None})
        assert (await anyone.post("/api/appointments", slot)).code == "PROFILE_INCOMPLETE"
        await anyone.put("/api/profiles/me", {"phone": "+1 555 0123"})
        answer = await anyone.post("/api/appointments", {"reservation_id": hold["id"]})
        assert answer.status == 201
        screen = await clinic.screen(clinic.patients[1])
        assert await screen.ok("appointment:book", clinic.slot("10:00"))


async def test_contact_data_of_a_patient_of_several_practices_is_for_admins(
    clinic: Clinic,
) -> None:
    """Who has a patient's e-mail address may sign in as them."""
    here, there = (clinic.api(each) for each in clinic.staff)
    body = {"role": "patient", "name": "Entered Here", "phone": "+1 555 0444"}
    person = (await here.post("/api/profiles", body)).body["id"]
    path, mine = f"/api/profiles/{person}", {"email": "mine@example.org"}
    assert (await here.put(path, {"phone": "+1 555 0445"})).status == 200, "of one practice only"
    link = f"/api/practices/{clinic.practices[1]}/patients"
    await clinic.looked_up(there, person)
    assert (await there.post(link, {"patient_id": person})).status == 200
    for desk in (here, there):
        for change in (mine, {"phone": None}, {"active": False}):
            assert (await desk.put(path, change)).code == "FORBIDDEN"
    same = await there.put(path, {"name": "Entered", "phone": "+1 555 0445", "active": True})
    assert (same.status, same.body["name"]) == (200, "Entered")
    thief = clinic.with_token(
        token("patient", "thief", email="mine@example.org", email_verified=True)
    )
    assert (await thief.get("/api/profiles/me")).body["id"] != person
    for change in ({"active": False}, {"active": True}, {"email": "theirs@example.org"}):
        changed = await clinic.admin.put(path, change)
        assert changed.status == 200
        assert change.items() <= changed.body.items()


async def test_who_signed_up_alone_keeps_the_contact_data_after_a_link(clinic: Clinic) -> None:
    """A link shows a person to a practice. A visit makes them its patient."""
    alone = clinic.with_token(token("patient", "alone", email="a@example.org", email_verified=True))
    person = (await alone.get("/api/profiles/me")).body["id"]
    desk, path = clinic.api(clinic.staff[0]), f"/api/profiles/{person}"
    link = f"/api/practices/{clinic.practices[0]}/patients"
    await clinic.looked_up(desk, person)
    assert (await desk.post(link, {"patient_id": person})).status == 200
    for change in ({"active": False}, {"email": "theirs@example.org"}, {"phone": "+1 555 0777"}):
        assert (await desk.put(path, change)).code == "FORBIDDEN"
    assert (await desk.put(path, {"name": "Al One"})).status == 200
    assert (await alone.post("/api/appointments", clinic.slot("09:00"))).status == 201
    assert (await desk.put(path, {"phone": "+1 555 0777"})).status == 200


async def test_a_deactivated_duplicate_does_not_keep_a_patient_out(clinic: Clinic) -> None:
    desk = clinic.api(clinic.staff[0])
    body = {"role": "patient", "name": "Twice", "email": "twice@example.org"}
    double = (await desk.post("/api/profiles", body)).body["id"]
    assert (await desk.put(f"/api/profiles/{double}", {"active": False})).status == 200
    me = clinic.with_token(
        token("patient", "twice", email="twice@example.org", email_verified=True)
    )
    answer = await me.get("/api/profiles/me")
    assert answer.status == 200, answer.body
    assert answer.body["id"] != double


async def test_staff_who_moved_know_no_consents_of_the_old_practice(clinic: Clinic) -> None:
    desk, patient = clinic.api(clinic.staff[0]), clinic.patients[0]
    given = await desk.post(
        "/api/consents", {"patient_id": patient.id, "party": "chatbot:clinic-chatbot"}
    )
    assert given.status in (200, 201), given.body
    elsewhere = {"practice_id": clinic.practices[1]}
    assert (await clinic.admin.put(f"/api/profiles/{clinic.staff[0].id}", elsewhere)).status == 200
    assert (await desk.get("/api/consents", patient_id=patient.id)).code == "NOT_FOUND"
    assert (await desk.delete(f"/api/consents/{given.body['id']}")).code == "NOT_FOUND"
    listed = (await clinic.admin.get("/api/consents", patient_id=patient.id)).body["data"]
    assert [each["ended_at"] for each in listed] == [None]


async def test_the_consents_of_a_deactivated_patient_are_listed_and_ended(clinic: Clinic) -> None:
    desk, patient = clinic.api(clinic.staff[0]), clinic.patients[0]
    consent = {"patient_id": patient.id, "party": "chatbot:clinic-chatbot"}
    given = (await desk.post("/api/consents", consent)).body
    assert (await desk.put(f"/api/profiles/{patient.id}", {"active": False})).status == 200
    for caller in (desk, clinic.admin):
        listed = (await caller.get("/api/consents", patient_id=patient.id)).body["data"]
        assert [each["id"] for each in listed] == [given["id"]]
    assert (await desk.post("/api/consents", consent)).code == "NOT_FOUND"
    assert (await desk.delete(f"/api/consents/{given['id']}")).status == 204


async def test_contact_data_that_another_node_has_just_written_counts(
    open_clinic: OpenClinic,
) -> None:
    """Written past this hub, as another node does, before its event has come."""
    async with open_clinic(practice=PracticeSettings(require_contact=True)) as clinic:
        me = clinic.with_token(token("patient", "new-here", name="New Here"))
        slot = clinic.slot("09:00")
        assert (await me.post("/api/appointments", slot)).code == "PROFILE_INCOMPLETE"
        person = (await me.get("/api/profiles/me")).body["id"]
        execute(
            clinic.database,
            f"UPDATE profiles SET phone = '+1 555 0123' WHERE id = '{person}'",  # noqa: S608  # an id
        )
        assert (await me.post("/api/appointments", slot)).status == 201


async def test_staff_are_refused_changes_of_rows_that_would_never_come(clinic: Clinic) -> None:
    desk = clinic.staff[0]
    rows = [{"event": "*", "schema": "public", "table": "appointments"}]
    async with raw_supabase(clinic.session, clinic.url, desk.token) as client:
        for topic in ("rows-of-mine", f"appointments:dentist:{clinic.dentists[0].id}"):
            refused = await client.join(topic, desk.token, changes=rows)
            assert refused.status == "error"
            assert "Unauthorized" in str(refused.payload)
        await client.joined(f"appointments:dentist:{clinic.dentists[0].id}", desk.token)


async def test_staff_of_a_large_practice_follow_every_calendar(clinic: Clinic) -> None:
    """A socket of staff has all their channels at once; of a stream, 100 each (docs/live.md)."""
    desk, practice = clinic.staff[0], clinic.practices[0]
    for number in range(50):
        new = {"role": "dentist", "name": f"Dr {number}", "practice_id": practice}
        assert (await clinic.admin.post("/api/profiles", new)).status == 201
    ready = (await clinic.screen(desk)).ready
    calendars = sorted(each for each in ready if each.startswith("appointments:dentist:"))
    assert (len(calendars), len(ready)) == (52, 3 + 2 * 52)
    again = await clinic.connect("/staff", {"token": desk.token, "since": ready_positions(ready)})
    assert all(each["recovered"] for each in again.ready.values())
    dentist, patient = clinic.dentists[0], clinic.patients[0]
    booked = await clinic.book(patient, "09:00", dentist=dentist)
    await again.event("appointment.created", 1.0, id=booked["id"])
    too_many = await clinic.api(desk).get("/api/changes", channel=[*ready])
    assert too_many.error["details"][0]["message"] == "at most 100 channels"
    times = [each for each in ready if each not in calendars]
    async with (
        listening(clinic.session, clinic.url, desk.token, calendars) as visits,
        listening(clinic.session, clinic.url, desk.token, times) as other,
    ):
        for stream in (visits, other):
            await stream.event("hub:ready")
        booked = await clinic.book(patient, "12:00", dentist=dentist)
        assert (await visits.event("appointment.created")).data["data"]["id"] == booked["id"]
        await other.event("slots.changed")


def ready_positions(ready: Mapping[str, Any]) -> dict[str, Any]:
    return {name: {key: each[key] for key in ("epoch", "offset")} for name, each in ready.items()}
