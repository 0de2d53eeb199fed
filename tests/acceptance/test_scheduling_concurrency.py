"""Scheduling cases 14–26: concurrent commands over REST and Socket.IO."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from actors.calendar.settings import ActorSettings, ReservationSettings
from api.settings import ApiSettings
from tests.acceptance.conftest import OpenClinic
from tests.acceptance.test_race import CLIENTS, racers
from tests.support.api import Answer
from tests.support.clinic import Clinic, appointments_of, availability_of

UNLIMITED = ApiSettings(rate_per_s=10_000, rate_burst=10_000)


async def run(*requests: Any) -> list[Answer]:
    return list(await asyncio.gather(*requests))


# --- 14: many bookings of one slot ---------------------------------------------------


@pytest.mark.parametrize("what", ["hold", "book"])
async def test_s14_of_fifty_bookings_of_one_slot_exactly_one_wins(
    open_clinic: OpenClinic, what: str
) -> None:
    async with open_clinic(api=UNLIMITED) as clinic:
        attempts = await racers(clinic)
        outcomes = await asyncio.gather(*(attempt(what, clinic.slot()) for attempt in attempts))
        assert Counter(code for code, _ in outcomes) == {"ok": 1, "SLOT_TAKEN": CLIENTS - 1}


# --- 15: expiry of a hold ------------------------------------------------------------


async def test_s15_the_timer_of_a_booked_hold_does_nothing(
    open_clinic: OpenClinic,
) -> None:
    async with open_clinic(reservations=ReservationSettings(hold_seconds=0.6)) as clinic:
        patient = clinic.patients[0]
        dashboard = await clinic.screen(clinic.dentists[0])
        held = await clinic.hold(patient)
        booked = await clinic.api(patient).post("/api/appointments", {"reservation_id": held["id"]})
        assert booked.status == 201, booked.body
        await asyncio.sleep(1.2)  # the timer has fired, by the real clock
        await clinic.book(clinic.patients[1], "15:00")
        await dashboard.event("appointment.created", patient_id=clinic.patients[1].id)
        kinds = [each.event for each in dashboard.events(appointments_of(clinic.dentists[0]))]
        assert kinds == ["reservation.created", "appointment.created", "appointment.created"]


# --- 16: own holds and holds of others ------------------------------------------------


async def test_s16_another_patients_reservation_is_404_and_unchanged(clinic: Clinic) -> None:
    held = await clinic.hold(clinic.patients[0])
    other = clinic.api(clinic.patients[1])
    assert (await other.delete(f"/api/reservations/{held['id']}")).status == 404
    assert (await other.post("/api/appointments", {"reservation_id": held["id"]})).status == 404
    shown = await clinic.api(clinic.patients[0]).get(f"/api/reservations/{held['id']}")
    assert shown.body["expires_at"] == held["expires_at"]


async def test_s16_holding_the_same_slot_again_returns_the_same_hold(clinic: Clinic) -> None:
    held = await clinic.hold(clinic.patients[0])
    again = await clinic.api(clinic.patients[0]).post("/api/reservations", clinic.slot())
    assert (again.status, again.body["id"]) == (200, held["id"])
    assert again.body["expires_at"] == held["expires_at"]


async def test_s16_booking_a_reservation_again_returns_its_appointment(
    clinic: Clinic,
) -> None:
    api = clinic.api(clinic.patients[0])
    held = await clinic.hold(clinic.patients[0])
    first = await api.post("/api/appointments", {"reservation_id": held["id"]})
    again = await api.post("/api/appointments", {"reservation_id": held["id"]})
    assert (first.status, again.status) == (201, 200)
    assert again.body == first.body


async def test_s16_a_booking_that_overlaps_another_patients_hold_is_refused(clinic: Clinic) -> None:
    await clinic.hold(clinic.patients[0], "09:00")
    answer = await clinic.api(clinic.patients[1]).post("/api/appointments", clinic.slot("09:15"))
    assert (answer.status, answer.code) == (409, "SLOT_TAKEN")


async def test_s16_a_direct_booking_of_the_own_held_slot_converts_the_hold(
    clinic: Clinic,
) -> None:
    held = await clinic.hold(clinic.patients[0])
    booked = await clinic.api(clinic.patients[0]).post("/api/appointments", clinic.slot())
    assert (booked.status, booked.body["id"]) == (201, held["id"])


async def test_s16_a_direct_booking_that_overlaps_the_own_hold_releases_it(
    clinic: Clinic,
) -> None:
    patient, api = clinic.patients[0], clinic.api(clinic.patients[0])
    screen = await clinic.screen(patient)
    held = await clinic.hold(patient, "09:00")
    booked = await api.post("/api/appointments", clinic.slot("09:15"))
    assert booked.status == 201, booked.body
    assert booked.body["id"] != held["id"]
    await screen.event("reservation.released", id=held["id"])
    gone = await api.post("/api/appointments", {"reservation_id": held["id"]})
    assert (gone.status, gone.code) == (410, "RESERVATION_EXPIRED")


async def test_s16_releasing_a_booked_reservation_keeps_the_appointment(
    clinic: Clinic,
) -> None:
    api = clinic.api(clinic.patients[0])
    held = await clinic.hold(clinic.patients[0])
    booked = (await api.post("/api/appointments", {"reservation_id": held["id"]})).body
    assert (await api.delete(f"/api/reservations/{held['id']}")).status == 204
    assert (await api.get(f"/api/appointments/{held['id']}")).body == booked


# --- 17: slots as the holder sees them ------------------------------------------------


async def test_s17_only_the_holder_sees_the_held_slot_as_free(clinic: Clinic) -> None:
    held = await clinic.hold(clinic.patients[0], "09:00")
    assert held["start"] in await clinic.free(clinic.patients[0])
    for other in (clinic.patients[1], clinic.dentists[0]):
        for kind in ("check-up", "cleaning", "surgery"):
            assert held["start"] not in await clinic.free(other, kind=kind)


# --- 18: rescheduling ----------------------------------------------------------------


async def test_s18_rescheduling_to_the_same_time_is_200_and_changes_nothing(
    clinic: Clinic,
) -> None:
    booked = await clinic.book(clinic.patients[0])
    same = await clinic.api(clinic.patients[0]).put(
        f"/api/appointments/{booked['id']}", {"start": booked["start"]}
    )
    assert (same.status, same.body) == (200, booked)


async def test_s18_an_appointment_may_move_to_a_time_that_overlaps_itself(clinic: Clinic) -> None:
    booked = await clinic.book(clinic.patients[0], "09:00", kind="cleaning")
    moved = await clinic.api(clinic.patients[0]).put(
        f"/api/appointments/{booked['id']}", {"start": clinic.at("09:30")}
    )
    assert (moved.status, moved.body["start"]) == (200, clinic.at("09:30"))


async def test_s18_moving_to_a_taken_slot_is_409_and_changes_nothing(clinic: Clinic) -> None:
    mine = await clinic.book(clinic.patients[0], "09:00")
    await clinic.book(clinic.patients[1], "10:00")
    api = clinic.api(clinic.patients[0])
    refused = await api.put(f"/api/appointments/{mine['id']}", {"start": clinic.at("10:00")})
    assert (refused.status, refused.code) == (409, "SLOT_TAKEN")
    assert (await api.get(f"/api/appointments/{mine['id']}")).body == mine


async def test_s18_of_two_moves_to_the_same_slot_one_wins(clinic: Clinic) -> None:
    rows = [
        await clinic.book(person, clock)
        for person, clock in zip(clinic.patients[:2], ("09:00", "10:00"), strict=True)
    ]
    target = {"start": clinic.at("12:00")}
    answers = await run(
        *(
            clinic.api(person).put(f"/api/appointments/{row['id']}", target)
            for person, row in zip(clinic.patients[:2], rows, strict=True)
        )
    )
    assert sorted(answer.status for answer in answers) == [200, 409]


# --- 19: cancellation and rebooking --------------------------------------------------


async def test_s19_cancellation_and_rebooking_are_published_in_order(clinic: Clinic) -> None:
    dentist = clinic.dentists[0]
    dashboard = await clinic.screen(dentist)
    booked = await clinic.book(clinic.patients[0])
    cancel = clinic.api(clinic.patients[0]).delete(f"/api/appointments/{booked['id']}")
    cancelled = await cancel
    answers = await run(
        *(clinic.api(p).post("/api/appointments", clinic.slot()) for p in clinic.patients[1:3])
    )
    assert cancelled.status == 204
    assert sorted(answer.status for answer in answers) == [201, 409]
    (winner,) = [answer.body["id"] for answer in answers if answer.status == 201]
    await dashboard.event("appointment.created", id=winner)
    events = [
        (each.event, each.resource["id"]) for each in dashboard.events(appointments_of(dentist))
    ]
    assert events == [
        ("appointment.created", booked["id"]),
        ("appointment.cancelled", booked["id"]),
        ("appointment.created", winner),
    ]


async def test_s19_repeated_cancellations_are_204_and_one_event(clinic: Clinic) -> None:
    dentist = clinic.dentists[0]
    dashboard = await clinic.screen(dentist)
    booked = await clinic.book(clinic.patients[0])
    path = f"/api/appointments/{booked['id']}"
    api = clinic.api(clinic.patients[0])
    answers = await run(api.delete(path), api.delete(path), api.delete(path))
    assert [answer.status for answer in answers] == [204] * 3
    later = await clinic.book(clinic.patients[1], "15:00")
    await dashboard.event("appointment.created", id=later["id"])
    kinds = [each.event for each in dashboard.events(appointments_of(dentist))]
    assert kinds.count("appointment.cancelled") == 1


# --- 20: idempotency -----------------------------------------------------------------


async def test_s20_the_same_key_and_body_returns_the_first_reply(clinic: Clinic) -> None:
    api = clinic.api(clinic.patients[0])
    first = await api.post("/api/appointments", clinic.slot(), idempotency_key="k1")
    again = await api.post("/api/appointments", clinic.slot(), idempotency_key="k1")
    assert first.status == again.status == 201
    assert again.body == first.body
    assert len((await api.get("/api/appointments")).body["data"]) == 1


async def test_s20_the_same_key_with_another_body_is_422(clinic: Clinic) -> None:
    api = clinic.api(clinic.patients[0])
    await api.post("/api/appointments", clinic.slot("09:00"), idempotency_key="k1")
    other = await api.post("/api/appointments", clinic.slot("10:00"), idempotency_key="k1")
    assert (other.status, other.code) == (422, "IDEMPOTENCY_MISMATCH")


async def test_s20_concurrent_repeats_get_the_same_reply(clinic: Clinic) -> None:
    api, screen = clinic.api(clinic.patients[0]), await clinic.screen(clinic.patients[0])
    body = clinic.slot()
    requests = [api.post("/api/appointments", body, idempotency_key="k1") for _ in range(6)]
    acks = [screen.call("appointment:book", {**body, "idempotency_key": "k1"}) for _ in range(6)]
    answers, acked = await asyncio.gather(asyncio.gather(*requests), asyncio.gather(*acks))
    assert {answer.status for answer in answers} == {201}
    shown = [answer.body for answer in answers] + [ack["data"] for ack in acked]
    assert all(each == shown[0] for each in shown), "one reply over both protocols"
    assert len((await api.get("/api/appointments")).body["data"]) == 1


async def test_s20_two_patients_may_use_the_same_key(clinic: Clinic) -> None:
    answers = await run(
        *(
            clinic.api(person).post("/api/appointments", clinic.slot(clock), idempotency_key="k1")
            for person, clock in zip(clinic.patients[:2], ("09:00", "10:00"), strict=True)
        )
    )
    assert [answer.status for answer in answers] == [201, 201]


# --- 21: one patient, two dentists ---------------------------------------------------


async def test_s21_a_patient_cannot_be_at_two_dentists_at_once(clinic: Clinic) -> None:
    """Pairs of concurrent bookings, one over REST and one over Socket.IO: one wins."""
    for patient in clinic.patients[:8]:
        screen, api = await clinic.screen(patient), clinic.api(patient)
        clock = f"{8 + clinic.patients.index(patient)}:00".zfill(5)
        rest, ack = await asyncio.gather(
            api.post("/api/appointments", clinic.slot(clock)),
            screen.call("appointment:book", clinic.slot(clock, dentist=clinic.dentists[2])),
        )
        codes = [rest.code, None if ack["ok"] else ack["error"]["code"]]
        assert sorted(codes, key=str) == [None, "PATIENT_CONFLICT"]
        assert len((await api.get("/api/appointments")).body["data"]) == 1


async def test_s21_an_overlapping_hold_at_another_dentist_cannot_be_booked(clinic: Clinic) -> None:
    patient, api = clinic.patients[0], clinic.api(clinic.patients[0])
    await clinic.book(patient, "09:00")
    held = await clinic.hold(patient, "09:15", dentist=clinic.dentists[2])
    refused = await api.post("/api/appointments", {"reservation_id": held["id"]})
    assert (refused.status, refused.code) == (409, "PATIENT_CONFLICT")


# --- 22: stale changes ---------------------------------------------------------------


async def test_s22_undoing_a_no_show_after_the_slot_was_taken_is_409(clinic: Clinic) -> None:
    dentist = clinic.api(clinic.dentists[0])
    booked = await clinic.visit(clinic.patients[0])
    path = f"/api/appointments/{booked['id']}"
    assert (await dentist.put(path, {"status": "no_show"})).status == 200
    await clinic.visit(clinic.patients[1])
    undone = await dentist.put(path, {"status": "confirmed"})
    assert (undone.status, undone.code) == (409, "SLOT_TAKEN")
    assert (await dentist.get(path)).body["status"] == "no_show"


async def test_s22_of_many_changes_with_the_same_if_match_one_wins(clinic: Clinic) -> None:
    booked = await clinic.book(clinic.patients[0])
    api, path = clinic.api(clinic.patients[0]), f"/api/appointments/{booked['id']}"
    answers = await run(*(api.put(path, {"notes": str(n)}, if_match='"1"') for n in range(10)))
    assert Counter(answer.status for answer in answers) == {200: 1, 412: 9}
    assert (await api.get(path)).body["version"] == 2


# --- 24: too many holds --------------------------------------------------------------


async def test_s24_only_three_of_many_concurrent_holds_succeed(clinic: Clinic) -> None:
    api = clinic.api(clinic.patients[0])
    answers = await run(
        *(
            api.post("/api/reservations", clinic.slot(clock, dentist=dentist))
            for clock, dentist in (
                ("09:00", clinic.dentists[0]),
                ("11:00", clinic.dentists[0]),
                ("09:00", clinic.dentists[1]),
                ("11:00", clinic.dentists[1]),
                ("13:00", clinic.dentists[2]),
                ("15:00", clinic.dentists[2]),
            )
        )
    )
    assert Counter(answer.status for answer in answers) == {201: 3, 429: 3}
    assert {answer.code for answer in answers if answer.status == 429} == {"TOO_MANY_RESERVATIONS"}


# --- 25: overbooking -----------------------------------------------------------------


async def test_s25_only_the_dentist_may_overbook_and_only_that_row(clinic: Clinic) -> None:
    first = await clinic.book(clinic.patients[0], "09:00")
    body = clinic.slot("09:00")
    patient = await clinic.api(clinic.patients[1]).post(
        "/api/appointments", {**body, "overbook": True}
    )
    assert (patient.status, patient.code) == (403, "FORBIDDEN")
    dentist = clinic.api(clinic.dentists[0])
    for_one = {**body, "patient_id": clinic.patients[1].id}
    plain = await dentist.post("/api/appointments", for_one)
    assert (plain.status, plain.code) == (409, "SLOT_TAKEN"), "without the flag"
    over = await dentist.post("/api/appointments", {**for_one, "overbook": True})
    assert (over.status, over.body["overbooked"]) == (201, True)
    shown = await clinic.api(clinic.patients[0]).get(f"/api/appointments/{first['id']}")
    assert shown.body["overbooked"] is False
    again = await clinic.api(clinic.patients[2]).post("/api/appointments", body)
    assert (again.status, again.code) == (409, "SLOT_TAKEN")


# --- 26: a full mailbox --------------------------------------------------------------


async def test_s26_a_full_mailbox_is_503_and_retries_book_exactly_once(
    open_clinic: OpenClinic,
) -> None:
    """The mailbox holds one command, so most concurrent commands must be retried."""
    async with open_clinic(
        api=UNLIMITED, actors=ActorSettings(mailbox_size=1, batch_size=1)
    ) as clinic:
        watcher = await clinic.screen(clinic.dentists[0])
        await clinic.free(clinic.patients[0])
        refused: Counter[str] = Counter()

        async def book_with_retries(number: int) -> str:
            """Book one of forty slots with one key, and retry while the calendar is busy."""
            body = clinic.slot() | {
                "start": clinic.at(f"{8 + number // 4 % 10:02}:{15 * (number % 4):02}", days=3),
                "appointment_type_id": short,
            }
            for _ in range(200):
                answer = await clinic.api(clinic.patients[number]).post(
                    "/api/appointments", body, idempotency_key=f"key-{number}"
                )
                if answer.status == 201:
                    return str(answer.body["id"])
                assert (answer.status, answer.code) == (503, "CALENDAR_BUSY"), answer.body
                assert int(answer.headers["Retry-After"]) >= 1
                refused["CALENDAR_BUSY"] += 1
                await asyncio.sleep(0.01 * (1 + number % 7))
            raise AssertionError("always busy")

        made = await clinic.admin.post(
            "/api/appointment-types", {"name": "inspection", "duration_minutes": 15}
        )
        short = made.body["id"]
        ids = await asyncio.gather(*(book_with_retries(number) for number in range(40)))

        assert refused["CALENDAR_BUSY"] > 0, "the mailbox was full at times"
        assert len(set(ids)) == 40, "each was booked once"
        page = await clinic.api(clinic.dentists[0]).get("/api/appointments", limit=200)
        assert {row["id"] for row in page.body["data"]} == set(ids)
        last = await watcher.until(
            lambda _: len(watcher.events(availability_of(clinic.dentists[0]))) >= 40, 3.0
        )
        assert last
