"""Deadlines, cancel reasons, history and schedule rules of appointments."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from actors.domain.cancel_reason import CancelReason
from tests.acceptance.conftest import OpenClinic
from tests.support.api import Api
from tests.support.clinic import DAYS_AHEAD, Clinic, instant, schedule
from tests.support.clock import FakeClock
from tests.support.running import Template, config_for, running_hub

HOLD = timedelta(minutes=5)


@pytest.fixture
def clock() -> FakeClock:
    """A clock at today's midnight, because the clinic's helpers count days from today."""
    return FakeClock(datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0))


@pytest.fixture
async def timed(open_clinic: OpenClinic, clock: FakeClock) -> AsyncIterator[Clinic]:
    async with open_clinic(overrides={"clock": clock}) as clinic:
        yield clinic


async def replace_schedule(clinic: Clinic, **changes: Any) -> dict[str, Any]:
    dentist = clinic.dentists[0]
    saved = await clinic.api(dentist).put(
        f"/api/availability/{dentist.id}", schedule(dentist.time_zone, **changes)
    )
    assert saved.status == 200, saved.body
    shown: dict[str, Any] = saved.body
    return shown


async def history(clinic: Clinic, who: Any, appointment_id: str) -> list[dict[str, Any]]:
    answer = await clinic.api(who).get(f"/api/appointments/{appointment_id}/history")
    assert answer.status == 200, answer.body
    entries: list[dict[str, Any]] = answer.body["data"]
    return entries


# --- expiry of holds -----------------------------------------------------------------


async def test_s15_booking_exactly_at_expires_at_is_410(timed: Clinic, clock: FakeClock) -> None:
    held = await timed.hold(timed.patients[0])
    clock.advance(HOLD)
    late = await timed.api(timed.patients[0]).post(
        "/api/appointments", {"reservation_id": held["id"]}
    )
    assert (late.status, late.code) == (410, "RESERVATION_EXPIRED")
    assert held["start"] in await timed.free(timed.patients[1])


async def test_s23_a_hold_keeps_its_expiry_over_a_restart(
    template: Template, tmp_path: Path
) -> None:
    patient, dentist = template.people.patients[0], template.people.dentists[0]
    start = datetime.now(UTC).replace(hour=9, minute=0, second=0) + timedelta(days=DAYS_AHEAD)
    slot = {
        "dentist_id": dentist.id,
        "appointment_type_id": template.people.types["check-up"],
        "start": instant(start),
    }
    with template.copied_to(tmp_path) as database:
        async with aiohttp.ClientSession() as session:
            async with running_hub(config_for(database)) as first:
                api = Api(session, first.url, patient.token)
                held = (await api.post("/api/reservations", slot)).body
            async with running_hub(config_for(database)) as second:
                api = Api(session, second.url, patient.token)
                again = await api.get(f"/api/reservations/{held['id']}")
                assert again.status == 200
                assert again.body["expires_at"] == held["expires_at"]
                other = Api(session, second.url, template.people.patients[1].token)
                assert (await other.post("/api/appointments", slot)).code == "SLOT_TAKEN"


# --- cancel notice -------------------------------------------------------------------


async def test_the_cancel_notice_binds_patients_but_not_staff(
    timed: Clinic, clock: FakeClock
) -> None:
    await replace_schedule(timed, cancel_notice_minutes=24 * 60)
    patient, dentist = timed.patients[0], timed.dentists[0]
    first, second = await timed.book(patient, "09:00"), await timed.book(patient, "12:00")
    clock.advance(datetime.fromisoformat(first["start"]) - timedelta(days=1) - clock.now())
    mine = timed.api(patient)
    moved = await mine.put(f"/api/appointments/{first['id']}", {"start": timed.at("15:00")})
    assert moved.status == 200, moved.body
    clock.advance(timedelta(hours=3, seconds=1))
    late = await mine.delete(f"/api/appointments/{second['id']}")
    assert (late.status, late.code) == (422, "TOO_LATE")
    late = await mine.put(f"/api/appointments/{second['id']}", {"start": timed.at("16:00")})
    assert (late.status, late.code) == (422, "TOO_LATE")
    noted = await mine.put(f"/api/appointments/{second['id']}", {"notes": "left side"})
    assert noted.status == 200
    staff = await timed.api(dentist).delete(f"/api/appointments/{second['id']}")
    assert staff.status == 204


# --- cancel reasons ------------------------------------------------------------------


async def test_a_cancel_reason_must_be_on_the_documented_list(clinic: Clinic) -> None:
    booked = await clinic.book(clinic.patients[0])
    mine, path = clinic.api(clinic.patients[0]), f"/api/appointments/{booked['id']}"
    unknown = await mine.delete(path, reason="no idea")
    assert (unknown.status, unknown.code) == (400, "VALIDATION_ERROR")
    assert unknown.error["details"][0]["field"] == "reason"
    assert (await mine.delete(path, reason="patient_ill")).status == 204
    assert (await mine.get(path)).body["cancel_reason"] == "patient_ill"


async def test_a_dentist_cancels_by_changing_the_status_with_a_reason(clinic: Clinic) -> None:
    booked = await clinic.book(clinic.patients[0])
    changed = await clinic.api(clinic.dentists[0]).put(
        f"/api/appointments/{booked['id']}",
        {"status": "cancelled", "cancel_reason": "equipment"},
    )
    assert changed.status == 200
    assert (changed.body["status"], changed.body["cancel_reason"]) == ("cancelled", "equipment")


FHIR_R4 = frozenset(
    {
        *("pat", "pat-crs", "pat-cpp", "pat-dec", "pat-fb", "pat-lt", "pat-mt", "pat-mv"),
        *("pat-preg", "pat-swl", "pat-ucp", "prov", "prov-pers", "prov-dch", "prov-edu"),
        *("prov-hosp", "prov-labs", "prov-mss", "prov-onc", "maint", "meds-inc", "other"),
        *("oth-cms", "oth-err", "oth-fin", "oth-iv", "oth-int", "oth-mu", "oth-room"),
        *("oth-oerr", "oth-swie", "oth-weath"),
    }
)


def test_every_cancel_reason_maps_to_the_value_set_of_fhir() -> None:
    assert len(FHIR_R4) == 32
    assert {reason.fhir for reason in CancelReason} <= FHIR_R4


# --- history -------------------------------------------------------------------------


async def test_only_its_patient_and_dentist_see_an_appointments_history(clinic: Clinic) -> None:
    patient, dentist = clinic.patients[0], clinic.dentists[0]
    held = await clinic.hold(patient)
    await clinic.chatbot(patient).post("/api/appointments", {"reservation_id": held["id"]})
    path = f"/api/appointments/{held['id']}"
    await clinic.api(patient).put(path, {"start": clinic.at("11:00")})
    await clinic.api(dentist).put(path, {"notes": "once more"})
    await clinic.api(dentist).put(path, {"status": "cancelled"})
    for who in (patient, dentist):
        entries = await history(clinic, who, held["id"])
        assert [
            (
                entry["action"],
                entry["by"]["role"],
                entry["via"],
                entry["old_status"],
                entry["new_status"],
            )
            for entry in entries
        ] == [
            ("slot.held", "patient", "patient", None, "held"),
            ("appointment.booked", "patient", "chatbot", "held", "confirmed"),
            ("appointment.changed", "patient", "patient", "confirmed", "confirmed"),
            ("appointment.changed", "dentist", "dentist", "confirmed", "confirmed"),
            ("appointment.cancelled", "dentist", "dentist", "confirmed", "cancelled"),
        ]
        assert [entry["version"] for entry in entries] == [1, 2, 3, 4, 5]
        actors = [entry["by"] for entry in entries]
        by_patient = {"id": patient.id, "name": patient.name, "role": "patient"}
        by_dentist = {"id": dentist.id, "name": dentist.name, "role": "dentist"}
        whole = [by_patient] * 3 + [by_dentist] * 2
        roles = [{"role": actor["role"]} for actor in whole]
        assert actors == (whole if who is dentist else roles)
        moved = entries[2]
        assert (moved["old_start"], moved["new_start"]) == (held["start"], clinic.at("11:00"))
    for other_person in (clinic.patients[1], clinic.dentists[1]):
        answer = await clinic.api(other_person).get(f"{path}/history")
        assert (answer.status, answer.code) == (404, "NOT_FOUND")


# --- rules of the schedule -----------------------------------------------------------


async def test_time_off_closes_part_of_a_day_and_is_shown_as_sent(clinic: Clinic) -> None:
    day = clinic.at("00:00")[:10]
    off = {"start_date": day, "end_date": day, "start": "09:00", "end": "17:30"}
    shown = await replace_schedule(clinic, time_off=[off])
    assert shown["time_off"] == [off]
    free = await clinic.free(clinic.patients[0])
    assert {start[11:16] for start in free} == {"08:00", "08:15", "08:30", "17:30"}


async def test_a_reserved_block_opens_shortly_before_its_start(
    timed: Clinic, clock: FakeClock
) -> None:
    start = datetime.fromisoformat(timed.at("10:00"))
    block = {
        "weekday": start.strftime("%A").lower(),
        "start": "10:00",
        "end": "11:00",
        "opens_minutes_before": 60,
    }
    await replace_schedule(timed, reserved_blocks=[block])
    patient = timed.patients[0]
    assert timed.at("10:00") not in await timed.free(patient)
    early = await timed.api(patient).post("/api/appointments", timed.slot("10:00"))
    assert (early.status, early.code) == (422, "OUTSIDE_AVAILABILITY")
    clock.advance(start - timedelta(hours=1) - clock.now())
    assert timed.at("10:00") in await timed.free(patient)
    assert (await timed.book(patient, "10:00"))["status"] == "confirmed"


async def test_only_offered_types_have_slots_and_unknown_ones_are_refused(
    clinic: Clinic,
) -> None:
    await replace_schedule(clinic, appointment_type_ids=[clinic.types["cleaning"]])
    patient, dentist = clinic.patients[0], clinic.dentists[0]
    assert await clinic.free(patient) == set()
    assert len(await clinic.free(patient, kind="cleaning")) > 0
    refused = await clinic.api(patient).post("/api/appointments", clinic.slot())
    assert (refused.status, refused.code) == (422, "OUTSIDE_AVAILABILITY")
    unknown: dict[str, Any] = {
        "appointment_type_ids": [patient.id],
        "daily_limits": [{"appointment_type_id": patient.id, "per_day": 1}],
    }
    for field, value in unknown.items():
        answer = await clinic.api(dentist).put(
            f"/api/availability/{dentist.id}", schedule(**{field: value})
        )
        assert (answer.status, answer.code) == (400, "VALIDATION_ERROR")
        assert answer.error["details"][0]["field"] == field


# --- first available -----------------------------------------------------------------


async def test_first_available_slots_are_paged_and_have_positions(
    clinic: Clinic,
) -> None:
    wanted = {
        "appointment_type_id": clinic.types["cleaning"],
        "from": clinic.at("00:00"),
        "to": clinic.at("00:00", days=DAYS_AHEAD + 30),
        "time_from": "08:00",
        "time_to": "12:00",
        "limit": 40,
    }
    api, starts = clinic.api(clinic.patients[0]), []
    page = await api.get("/api/slots", **wanted)
    assert {position["channel"] for position in page.body["positions"]} == {
        f"availability:dentist:{dentist.id}" for dentist in clinic.dentists
    }
    while True:
        starts += [(slot["start"], slot["dentist_id"]) for slot in page.body["data"]]
        cursor = page.body["pagination"]["next_cursor"]
        if cursor is None or len(starts) > 150:
            break
        page = await api.get("/api/slots", **wanted, cursor=cursor)
    assert starts == sorted(set(starts)), "sorted and unique"
    zones = {dentist.id: dentist.time_zone for dentist in clinic.dentists}
    assert set(zones) == {dentist_id for _, dentist_id in starts}
    first_day = clinic.at("00:00")[:10]
    utc = [start[11:16] for start, who in starts if zones[who] == "UTC" and start[:10] == first_day]
    assert utc[0] == "08:00"
    assert max(utc) == "11:45"
