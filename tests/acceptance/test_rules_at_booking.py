"""A hold keeps a slot free, not the rules: they are checked again when it is booked."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.support.clinic import Clinic, schedule

Book = Callable[[str], Awaitable[tuple[int, str | None]]]


async def change_schedule(clinic: Clinic, **changes: Any) -> None:
    dentist = clinic.dentists[0]
    saved = await clinic.api(dentist).put(
        f"/api/availability/{dentist.id}", schedule(dentist.time_zone, **changes)
    )
    assert saved.status == 200, saved.body


async def booking(clinic: Clinic, over: str) -> Book:
    """Books a hold of the first patient over one of the interfaces: status and code."""
    patient = clinic.patients[0]
    api = clinic.chatbot(patient) if over == "chatbot" else clinic.api(patient)
    screen = await clinic.screen(patient)

    async def by_command(reservation_id: str) -> tuple[int, str | None]:
        ack = await screen.call("appointment:book", {"reservation_id": reservation_id})
        return (201, None) if ack["ok"] else (422, ack["error"]["code"])

    async def by_request(reservation_id: str) -> tuple[int, str | None]:
        answer = await api.post("/api/appointments", {"reservation_id": reservation_id})
        return answer.status, answer.code

    return by_command if over == "Socket.IO" else by_request


@pytest.mark.parametrize("over", ["REST", "Socket.IO", "chatbot"])
async def test_of_three_holds_on_a_day_with_one_place_one_is_booked(
    clinic: Clinic, over: str
) -> None:
    limit = {"appointment_type_id": clinic.types["check-up"], "per_day": 1}
    await change_schedule(clinic, daily_limits=[limit])
    held = [await clinic.hold(clinic.patients[0], at) for at in ("09:00", "11:00", "14:00")]
    book = await booking(clinic, over)
    assert [await book(each["id"]) for each in held] == [
        (201, None),
        (422, "OUTSIDE_AVAILABILITY"),
        (422, "OUTSIDE_AVAILABILITY"),
    ]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"rules": []}, "OUTSIDE_AVAILABILITY"),
        ({"appointment_type_ids": []}, "OUTSIDE_AVAILABILITY"),
        ({"min_notice_minutes": 60 * 24 * 60}, "TOO_SOON"),
        ({"horizon_days": 1}, "TOO_FAR"),
    ],
    ids=["closed", "type", "notice", "horizon"],
)
async def test_a_hold_is_booked_by_the_schedule_of_the_moment(
    clinic: Clinic, changes: dict[str, Any], code: str
) -> None:
    patient = clinic.patients[0]
    held = await clinic.hold(patient)
    await change_schedule(clinic, **changes)
    for body in ({"reservation_id": held["id"]}, clinic.slot()):
        refused = await clinic.api(patient).post("/api/appointments", body)
        assert (refused.status, refused.code) == (422, code)
    await change_schedule(clinic)
    booked = await clinic.api(patient).post("/api/appointments", {"reservation_id": held["id"]})
    assert (booked.status, booked.body["id"]) == (201, held["id"])


async def test_a_booked_hold_has_the_present_length_of_its_type(clinic: Clinic) -> None:
    patient, kind = clinic.patients[0], clinic.types["check-up"]
    held = await clinic.hold(patient, "09:00")
    moved = await clinic.book(patient, "11:00")
    before = (await clinic.admin.get("/api/appointment-types")).body["data"]
    version = next(each["version"] for each in before if each["id"] == kind)
    changed = await clinic.admin.put(
        f"/api/appointment-types/{kind}", {"duration_minutes": 75}, if_match=f'"{version}"'
    )
    assert changed.status == 200, changed.body
    booked = await clinic.api(patient).post("/api/appointments", {"reservation_id": held["id"]})
    assert booked.body["end"] == clinic.at("10:15", dentist=clinic.dentists[0])
    start = clinic.at("13:00", dentist=clinic.dentists[0])
    later = await clinic.api(patient).put(f"/api/appointments/{moved['id']}", {"start": start})
    assert later.body["end"] == clinic.at("14:15", dentist=clinic.dentists[0])
