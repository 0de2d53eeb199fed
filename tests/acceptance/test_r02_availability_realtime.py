"""Criteria 2.1, 2.4, 2.5: availability in real time."""

import asyncio

from tests.support.clinic import Clinic, availability_of, schedule


async def test_r2_1_all_subscribers_receive_a_changed_schedule_in_1_s(
    clinic: Clinic,
) -> None:
    dentist = clinic.dentists[0]
    channel = availability_of(dentist)
    screens = [
        await clinic.screen(dentist),
        await clinic.screen(clinic.patients[0], channel),
        await clinic.screen(clinic.patients[1], channel),
        await clinic.chatbot_screen(clinic.patients[2], channel),
    ]
    saved = await clinic.api(dentist).put(
        f"/api/availability/{dentist.id}", schedule(slot_step_minutes=30)
    )
    assert saved.status == 200, saved.body

    shown = await asyncio.gather(
        *(screen.event("availability.updated", 1.0, channel=channel) for screen in screens)
    )
    now = await clinic.api(clinic.patients[0]).get(f"/api/availability/{dentist.id}")
    for event in shown:
        assert event.resource == now.body, "an event shows the schedule as REST does"
        assert event.resource["slot_step_minutes"] == 30


async def test_r2_1_every_client_receives_the_version_of_a_changed_schedule(clinic: Clinic) -> None:
    dentist = clinic.dentists[0]
    screens = [
        await clinic.screen(clinic.patients[0]),
        await clinic.screen(clinic.dentists[1]),
        await clinic.chatbot_screen(clinic.patients[2]),
        await clinic.admin_screen(),
    ]
    saved = await clinic.api(dentist).put(
        f"/api/availability/{dentist.id}", schedule(horizon_days=90)
    )
    for screen in screens:
        event = await screen.event("availability.changed", 1.0, dentist_id=dentist.id)
        assert event.data["channel"] == "availability:all"
        assert event.resource["version"] == saved.body["version"]


async def test_r2_1_only_the_dentist_sees_appointments_outside_the_new_hours(
    clinic: Clinic,
) -> None:
    dentist, patient = clinic.dentists[0], clinic.patients[0]
    watcher = await clinic.screen(clinic.patients[1], availability_of(dentist))
    booked = await clinic.book(patient, "09:00")
    day = booked["start"][:10]
    closed = schedule(overrides=[{"date": day, "windows": []}])

    saved = await clinic.api(dentist).put(f"/api/availability/{dentist.id}", closed)

    assert [row["id"] for row in saved.body["affected_appointments"]] == [booked["id"]]
    event = await watcher.event("availability.updated", 1.0)
    assert "affected_appointments" not in event.resource
    stays = await clinic.api(patient).get(f"/api/appointments/{booked['id']}")
    assert stays.body["status"] == "confirmed"
    assert await clinic.free(clinic.patients[1]) == set(), "a closed day has no slots"


async def test_r2_4_only_unbooked_slots_are_offered(clinic: Clinic) -> None:
    dentist, viewer = clinic.dentists[0], clinic.patients[1]
    nine = clinic.at("09:00")
    assert nine in await clinic.free(viewer)

    booked = await clinic.book(clinic.patients[0], "09:00")

    taken = {clinic.at(clock) for clock in ("08:45", "09:00", "09:15")}
    assert not taken & await clinic.free(viewer), "30 minutes would overlap 09:00–09:30"
    assert {clinic.at("08:30"), clinic.at("09:30")} <= await clinic.free(viewer), "adjacent"
    query = clinic.day_of(dentist)
    del query["dentist_id"], query["limit"]
    detailed = await clinic.api(viewer).get(f"/api/availability/{dentist.id}", **query)
    assert {slot["start"] for slot in detailed.body["slots"]} == await clinic.free(viewer)
    screen = await clinic.screen(viewer)
    over_the_socket = await screen.ok("slots:list", _as_command(clinic.day_of(dentist)))
    assert {slot["start"] for slot in over_the_socket["data"]} == await clinic.free(viewer)

    await clinic.api(clinic.patients[0]).delete(f"/api/appointments/{booked['id']}")
    assert nine in await clinic.free(viewer), "a cancelled slot is free immediately"


async def test_r2_4_every_offered_slot_can_be_held(clinic: Clinic) -> None:
    """The first, the middle and the last of the offered slots can be held."""
    await clinic.book(clinic.patients[0], "12:00", kind="cleaning")
    offered = sorted(await clinic.free(clinic.patients[1], kind="surgery"))
    for start in (offered[0], offered[len(offered) // 2], offered[-1]):
        body = clinic.slot(kind="surgery") | {"start": start}
        held = await clinic.api(clinic.patients[1]).post("/api/reservations", body)
        assert held.status == 201, held.body


async def test_r2_4_a_new_or_changed_type_applies_to_active_calendars(
    clinic: Clinic,
) -> None:
    patient, api = clinic.patients[0], clinic.api(clinic.patients[0])
    await clinic.book(patient, "09:00")
    made = await clinic.admin.post(
        "/api/appointment-types", {"name": "inspection", "duration_minutes": 60}
    )
    body = clinic.slot("17:30") | {"appointment_type_id": made.body["id"]}
    too_long = await api.post("/api/reservations", body)
    assert (too_long.status, too_long.code) == (422, "OUTSIDE_AVAILABILITY")

    shorter = await clinic.admin.put(
        f"/api/appointment-types/{made.body['id']}", {"duration_minutes": 30}
    )

    assert shorter.status == 200, shorter.body
    query = clinic.day_of(clinic.dentists[0]) | {"appointment_type_id": made.body["id"]}
    offered = (await api.get("/api/slots", **query)).body["data"]
    assert offered[-1]["start"] == clinic.at("17:30")
    held = await api.post("/api/reservations", body)
    assert held.status == 201, "an offered slot can be held"
    assert held.body["end"] == clinic.at("18:00")


async def test_r2_5_other_clients_learn_of_a_held_slot_in_2_s(
    clinic: Clinic,
) -> None:
    dentist = clinic.dentists[0]
    channel = availability_of(dentist)
    others = [
        await clinic.screen(clinic.patients[1], channel),
        await clinic.screen(clinic.patients[2], channel),
        await clinic.chatbot_screen(clinic.patients[3], channel),
    ]
    held = await clinic.hold(clinic.patients[0], "10:00")

    for screen in others:
        event = await screen.event("slots.changed", 2.0, channel=channel)
        (taken,) = event.resource["taken"]
        assert (taken["start"], taken["end"]) == (held["start"], held["end"])
        assert event.resource["freed"] == []
        assert clinic.patients[0].id not in str(event.data), "the event names no patient"
    assert held["start"] not in await clinic.free(clinic.patients[1])
    assert held["start"] in await clinic.free(clinic.patients[0]), "free for the holder"


async def test_r2_5_a_released_slot_is_published_as_free(clinic: Clinic) -> None:
    watcher = await clinic.screen(clinic.patients[1], availability_of(clinic.dentists[0]))
    held = await clinic.hold(clinic.patients[0], "10:00")
    released = await clinic.api(clinic.patients[0]).delete(f"/api/reservations/{held['id']}")

    assert released.status == 204
    event = await watcher.until(
        lambda each: each.event == "slots.changed" and bool(each.resource["freed"]), 2.0
    )
    assert event.resource["freed"][0]["start"] == held["start"]
    assert held["start"] in await clinic.free(clinic.patients[1])


def _as_command(query: dict[str, object]) -> dict[str, object]:
    return query | {"dentist_id": [query["dentist_id"]]}
