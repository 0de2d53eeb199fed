"""The day of a visit: nobody arrives before it, and steps are taken back on it."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.support.clinic import Clinic, Person, instant, schedule

FORWARD = ("arrived", "checked_in", "completed")
BACK = ("checked_in", "arrived", "confirmed")


def zone_of_noon() -> str:
    """A zone in which it is about noon now, so that no test sees the end of a day."""
    ahead = 12 - datetime.now(UTC).hour
    return f"Etc/GMT{-ahead:+d}"


async def at_noon(clinic: Clinic, dentist: Person) -> None:
    hours = schedule(zone_of_noon())
    saved = await clinic.api(dentist).put(f"/api/availability/{dentist.id}", hours)
    assert saved.status == 200, saved.body


async def booked_from_now(clinic: Clinic, by: Person, patient: Person, ahead: timedelta) -> str:
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    slot = {**clinic.slot(), "start": instant(now + ahead), "patient_id": patient.id}
    made = await clinic.api(by).post("/api/appointments", slot)
    assert made.status == 201, made.body
    return f"/api/appointments/{made.body['id']}"


@pytest.mark.parametrize("who", ["staff", "dentists"])
async def test_steps_are_taken_back_on_the_day_of_the_visit(clinic: Clinic, who: str) -> None:
    await at_noon(clinic, clinic.dentists[0])
    by: Person = getattr(clinic, who)[0]
    patient = clinic.patients[0]
    screen, page = await clinic.screen(by), await clinic.screen(patient)
    path = await booked_from_now(clinic, by, patient, timedelta(hours=1))
    visit = path.rpartition("/")[2]
    for status in FORWARD:
        assert (await clinic.api(by).put(path, {"status": status})).status == 200
    taken = clinic.slot() | {"start": (await clinic.api(by).get(path)).body["start"]}
    for version, status in enumerate(BACK, start=5):
        changed = await screen.ok("appointment:update", {"id": visit, "status": status})
        assert (changed["status"], changed["version"]) == (status, version)
        event = await page.event("appointment.updated", 1.0, id=visit, version=version)
        assert event.resource["status"] == status
    other = {**taken, "patient_id": clinic.patients[1].id}
    assert (await clinic.api(by).post("/api/appointments", other)).code == "SLOT_TAKEN"
    for status in FORWARD:
        assert (await clinic.api(patient).put(path, {"status": status})).code == "FORBIDDEN"


async def test_a_step_of_an_earlier_day_is_not_taken_back(clinic: Clinic) -> None:
    await at_noon(clinic, clinic.dentists[0])
    desk = clinic.staff[0]
    path = await booked_from_now(clinic, desk, clinic.patients[0], timedelta(days=-1))
    for status in FORWARD:
        assert (await clinic.api(desk).put(path, {"status": status})).status == 200
        before = {"arrived": "confirmed", "checked_in": "arrived", "completed": "checked_in"}
        refused = await clinic.api(desk).put(path, {"status": before[status]})
        assert (refused.status, refused.code) == (409, "INVALID_TRANSITION")
        assert "another day than its own" in refused.error["message"]


@pytest.mark.parametrize("who", ["staff", "dentists"])
async def test_nobody_comes_or_is_missed_before_the_day(clinic: Clinic, who: str) -> None:
    await at_noon(clinic, clinic.dentists[0])
    by: Person = getattr(clinic, who)[0]
    screen = await clinic.screen(by)
    path = await booked_from_now(clinic, by, clinic.patients[0], timedelta(days=1))
    before = (await clinic.api(by).get(path)).body
    for status in ("arrived", "no_show"):
        refused = await clinic.api(by).put(path, {"status": status})
        assert (refused.status, refused.code) == (409, "INVALID_TRANSITION")
        assert "before the day of the visit" in refused.error["message"]
        data = {"id": before["id"], "status": status}
        assert (await screen.refused("appointment:update", data))["code"] == "INVALID_TRANSITION"
    assert (await clinic.api(by).get(path)).body == before
    today = await booked_from_now(clinic, by, clinic.patients[1], timedelta(hours=1))
    assert (await clinic.api(by).put(today, {"status": "arrived"})).status == 200
    later = {"start": instant(datetime.fromisoformat(before["start"]) + timedelta(hours=1))}
    assert (await clinic.api(by).put(today, later)).code == "INVALID_TRANSITION"
