"""Scheduling cases 1–13 on a running hub: slots are listed and can be booked.

Expected instants come from ``zoneinfo``. The hub's clock is set by the tests.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.acceptance.conftest import OpenClinic
from tests.support.api import Answer
from tests.support.clinic import WEEKDAYS, Clinic, instant, schedule
from tests.support.clock import FakeClock

NEW_YORK = "America/New_York"
NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


def daily(*windows: str) -> list[dict[str, str]]:
    return [
        {"weekday": day, "start": window[:5], "end": window[6:]}
        for window in windows
        for day in WEEKDAYS
    ]


def day_of(text: str, *windows: str) -> dict[str, Any]:
    """An override: ``day_of("2027-03-08", "10:00-12:00")``."""
    return {
        "date": text,
        "windows": [{"start": window[:5], "end": window[6:]} for window in windows],
    }


@dataclass
class DentistCalendar:
    """One dentist's calendar, as patients see it."""

    clinic: Clinic
    clock: FakeClock
    zone: str = "UTC"
    kind: str = ""

    async def opens(self, *windows: str, zone: str = "UTC", **changes: Any) -> Answer:
        """Replace the schedule: daily windows, unless ``rules`` are given."""
        self.zone = zone
        wanted = schedule(zone, **{"horizon_days": 1_095, "rules": daily(*windows), **changes})
        dentist = self.clinic.dentists[0]
        saved = await self.clinic.api(dentist).put(f"/api/availability/{dentist.id}", wanted)
        assert saved.status == 200, saved.body
        return saved

    async def offers(self, minutes: int, *, before: int = 0, after: int = 0) -> None:
        """Create an appointment type, which the following calls use."""
        made = await self.clinic.admin.post(
            "/api/appointment-types",
            {
                "name": f"{before}+{minutes}+{after}",
                "duration_minutes": minutes,
                "buffer_before_minutes": before,
                "buffer_after_minutes": after,
            },
        )
        assert made.status == 201, made.body
        self.kind = made.body["id"]

    def at(self, wall: str, *, fold: int = 0) -> str:
        local = datetime.fromisoformat(wall).replace(tzinfo=ZoneInfo(self.zone), fold=fold)
        return instant(local)

    async def free(self, day: str, *, viewer: int = 0) -> list[str]:
        """The free starts of a local date, as instants in UTC."""
        dentist = self.clinic.dentists[0]
        next_day = (date.fromisoformat(day) + timedelta(days=1)).isoformat()
        answer = await self.clinic.api(self.clinic.patients[viewer]).get(
            f"/api/availability/{dentist.id}",
            **{
                "from": self.at(f"{day}T00:00"),
                "to": self.at(f"{next_day}T00:00"),
                "appointment_type_id": self.kind,
            },
        )
        assert answer.status == 200, answer.body
        return [slot["start"] for slot in answer.body["slots"]]

    async def free_local(self, day: str) -> list[str]:
        zone = ZoneInfo(self.zone)
        starts = [datetime.fromisoformat(start) for start in await self.free(day)]
        return [f"{start.astimezone(zone):%H:%M}" for start in starts]

    async def book(self, start: str, *, patient: int = 0) -> Answer:
        return await self.clinic.api(self.clinic.patients[patient]).post(
            "/api/appointments",
            {
                "dentist_id": self.clinic.dentists[0].id,
                "appointment_type_id": self.kind,
                "start": start,
            },
        )


@pytest.fixture
async def calendar(open_clinic: OpenClinic) -> AsyncIterator[DentistCalendar]:
    clock = FakeClock(NEW_YEAR)
    async with open_clinic(overrides={"clock": clock}) as clinic:
        yield DentistCalendar(clinic, clock)


async def test_s1_nine_in_new_york_is_13z_in_summer_and_14z_in_winter(
    calendar: DentistCalendar,
) -> None:
    await calendar.opens("09:00-17:00", zone=NEW_YORK)
    await calendar.offers(30)
    assert (await calendar.free("2026-03-08"))[0] == "2026-03-08T13:00:00Z"
    assert (await calendar.free("2026-11-01"))[0] == "2026-11-01T14:00:00Z"


async def test_s2_a_night_has_five_slots_in_spring_and_seven_in_autumn(
    calendar: DentistCalendar,
) -> None:
    await calendar.opens("00:00-06:00", zone=NEW_YORK, slot_step_minutes=60)
    await calendar.offers(60)
    spring = await calendar.free("2026-03-08")
    assert spring == [f"2026-03-08T{hour:02}:00:00Z" for hour in range(5, 10)]
    assert not any(start.startswith("02") for start in await calendar.free_local("2026-03-08"))
    assert len(await calendar.free("2026-11-01")) == 7
    assert (await calendar.book(spring[2])).status == 201


async def test_s3_a_day_may_begin_at_one_or_clocks_change_by_half_an_hour(
    calendar: DentistCalendar,
) -> None:
    await calendar.offers(60)
    await calendar.opens("00:00-03:00", zone="America/Santiago", slot_step_minutes=60)
    assert await calendar.free_local("2026-09-06") == ["01:00", "02:00"]
    await calendar.opens("09:00-10:00", zone="Australia/Lord_Howe", slot_step_minutes=60)
    (before,), (after,) = await calendar.free("2026-04-04"), await calendar.free("2026-04-05")
    apart = datetime.fromisoformat(after) - datetime.fromisoformat(before)
    assert apart == timedelta(hours=24.5)


async def test_s4_windows_that_touch_at_midnight_are_one_window(calendar: DentistCalendar) -> None:
    await calendar.opens(
        rules=[
            {"weekday": "monday", "start": "23:00", "end": "24:00"},
            {"weekday": "tuesday", "start": "00:00", "end": "00:30"},
        ]
    )
    await calendar.offers(60)
    assert await calendar.free_local("2026-06-08") == ["23:00", "23:15", "23:30"]
    assert (await calendar.book(calendar.at("2026-06-08T23:30"))).status == 201


@pytest.mark.parametrize("window", ["17:00-09:00", "09:00-09:00"])
async def test_s4_an_empty_or_reversed_window_is_refused(
    calendar: DentistCalendar, window: str
) -> None:
    dentist = calendar.clinic.dentists[0]
    refused = await calendar.clinic.api(dentist).put(
        f"/api/availability/{dentist.id}", schedule(rules=daily(window))
    )
    assert (refused.status, refused.code) == (400, "VALIDATION_ERROR")
    assert refused.error["details"][0]["field"] == "rules.0.end"


async def test_s4_the_grid_of_each_date_begins_at_its_midnight(calendar: DentistCalendar) -> None:
    await calendar.opens("00:00-24:00", zone=NEW_YORK, slot_step_minutes=420)
    await calendar.offers(30)
    assert await calendar.free_local("2026-06-08") == ["00:00", "07:00", "14:00", "21:00"]
    assert await calendar.free_local("2026-06-09") == ["00:00", "07:00", "14:00", "21:00"]


async def test_s5_all_patients_see_the_same_instants(calendar: DentistCalendar) -> None:
    await calendar.opens("09:00-10:00", zone=NEW_YORK)
    await calendar.offers(30)
    mine, theirs = await calendar.free("2026-06-08"), await calendar.free("2026-06-08", viewer=1)
    assert mine == theirs


async def test_s5_daily_limits_and_horizons_use_the_dentists_dates(
    calendar: DentistCalendar,
) -> None:
    await calendar.offers(30)
    limit = {"appointment_type_id": calendar.kind, "per_day": 1}
    await calendar.opens(
        "00:00-24:00", zone="Pacific/Auckland", daily_limits=[limit], horizon_days=180
    )
    late = calendar.at("2026-06-08T23:30")  # in UTC another date than that day's morning
    assert (await calendar.book(late)).status == 201
    assert await calendar.free_local("2026-06-08") == []
    assert len(await calendar.free_local("2026-06-09")) > 0
    refused = await calendar.book(calendar.at("2026-06-08T09:00"), patient=1)
    assert (refused.status, refused.code) == (422, "OUTSIDE_AVAILABILITY")
    last = (
        calendar.clock.now().astimezone(ZoneInfo(calendar.zone)).date() + timedelta(180)
    ).isoformat()
    assert (await calendar.free_local(last))[-1] == "23:45"


async def test_s6_after_half_a_minute_the_first_slot_is_the_next_on_the_grid(
    calendar: DentistCalendar,
) -> None:
    await calendar.opens("09:00-17:00", slot_step_minutes=5)
    await calendar.offers(5)
    calendar.clock.advance(datetime(2026, 6, 8, 12, 0, 30, tzinfo=UTC) - calendar.clock.now())
    assert (await calendar.free_local("2026-06-08"))[0] == "12:05"
    assert (await calendar.book("2026-06-08T12:00:00Z")).code == "TOO_SOON"


async def test_s6_a_start_exactly_at_now_plus_notice_is_allowed(calendar: DentistCalendar) -> None:
    await calendar.opens("09:00-17:00", min_notice_minutes=60, horizon_days=7)
    await calendar.offers(30)
    calendar.clock.advance(datetime(2026, 6, 8, 9, tzinfo=UTC) - calendar.clock.now())
    assert (await calendar.free_local("2026-06-08"))[0] == "10:00"
    inside, beyond = await calendar.book("2026-06-08T09:45:00Z"), calendar.at("2026-06-16T09:00")
    assert (inside.status, inside.code) == (422, "TOO_SOON")
    assert await calendar.free_local("2026-06-16") == []
    assert (await calendar.book(beyond)).code == "TOO_FAR"
    assert (await calendar.book("2026-06-08T10:00:00Z")).status == 201


async def test_s7_leap_days_exist_only_in_leap_years(calendar: DentistCalendar) -> None:
    await calendar.opens("09:00-10:00", slot_step_minutes=30, overrides=[day_of("2028-02-29")])
    await calendar.offers(30)
    assert await calendar.free_local("2028-02-29") == []
    assert await calendar.free_local("2028-02-28") == ["09:00", "09:30"]
    refused = await calendar.book("2027-02-29T09:00:00Z")
    assert (refused.status, refused.code) == (400, "VALIDATION_ERROR")
    dentist = calendar.clinic.dentists[0]
    overrides = [day_of("2027-02-29", "09:00-10:00")]
    answer = await calendar.clinic.api(dentist).put(
        f"/api/availability/{dentist.id}", schedule(overrides=overrides)
    )
    assert answer.error["details"] == [
        {"field": "overrides.0.date", "message": "there is no such date"}
    ]


async def test_s8_overlapping_windows_of_a_date_are_merged_in_any_order(
    calendar: DentistCalendar,
) -> None:
    await calendar.offers(20)
    for windows in (("11:00-12:00", "11:20-12:40"), ("11:20-12:40", "11:00-12:00")):
        await calendar.opens(*windows, slot_step_minutes=20)
        assert await calendar.free_local("2026-06-08") == [
            "11:00",
            "11:20",
            "11:40",
            "12:00",
            "12:20",
        ]
    await calendar.offers(45)
    await calendar.opens("11:00-13:00", "11:15-13:00", slot_step_minutes=45)
    assert await calendar.free_local("2026-06-08") == ["11:00", "11:45"]


async def test_s9_an_override_replaces_closes_or_opens_a_day(calendar: DentistCalendar) -> None:
    await calendar.offers(60)
    await calendar.opens(
        rules=[{"weekday": "monday", "start": "09:00", "end": "11:00"}],
        slot_step_minutes=60,
        overrides=[
            day_of("2026-06-08", "14:00-15:00"),
            day_of("2026-06-15"),
            day_of("2026-06-14", "08:00-09:00"),
            day_of("2026-06-14", "09:00-10:00"),
        ],
    )
    assert await calendar.free_local("2026-06-01") == ["09:00", "10:00"]
    assert await calendar.free_local("2026-06-08") == ["14:00"]
    assert await calendar.free_local("2026-06-15") == []
    assert await calendar.free_local("2026-06-14") == ["08:00", "09:00"]


async def test_s9_an_override_in_the_next_utc_day_keeps_that_days_rules(
    calendar: DentistCalendar,
) -> None:
    await calendar.offers(60)
    await calendar.opens(
        "10:00-11:00",
        zone=NEW_YORK,
        slot_step_minutes=60,
        overrides=[day_of("2026-06-08", "21:00-23:00")],  # 01Z and 02Z of 9 June
    )
    assert await calendar.free_local("2026-06-08") == ["21:00", "22:00"]
    assert await calendar.free_local("2026-06-09") == ["10:00"]


async def test_s10_appointments_outside_new_hours_stay_and_are_listed(
    calendar: DentistCalendar,
) -> None:
    await calendar.opens("09:00-12:00")
    await calendar.offers(30)
    patient, dentist = calendar.clinic.patients[0], calendar.clinic.dentists[0]
    booked = (await calendar.book(calendar.at("2026-06-08T11:00"))).body
    screen = await calendar.clinic.screen(patient, f"availability:dentist:{dentist.id}")
    saved = await calendar.opens("09:00-12:00", overrides=[day_of("2026-06-08", "09:00-10:00")])
    assert [row["id"] for row in saved.body["affected_appointments"]] == [booked["id"]]
    event = await screen.event("availability.updated", dentist_id=dentist.id)
    assert "affected_appointments" not in event.data
    assert await calendar.free_local("2026-06-08") == ["09:00", "09:15", "09:30"]
    kept = await calendar.clinic.api(patient).get(f"/api/appointments/{booked['id']}")
    assert kept.body["status"] == "confirmed"


async def test_s11_an_appointment_must_fit_and_may_end_at_closing(
    calendar: DentistCalendar,
) -> None:
    await calendar.opens("09:00-10:30", slot_step_minutes=30)
    await calendar.offers(60)
    assert await calendar.free_local("2026-06-08") == ["09:00", "09:30"]
    assert (await calendar.book(calendar.at("2026-06-08T10:00"))).code == "OUTSIDE_AVAILABILITY"
    assert (await calendar.book(calendar.at("2026-06-08T09:30"))).status == 201


async def test_s11_adjacent_appointments_are_allowed(calendar: DentistCalendar) -> None:
    await calendar.opens("09:00-10:00", slot_step_minutes=30)
    await calendar.offers(30)
    assert (await calendar.book(calendar.at("2026-06-08T09:00"))).status == 201
    assert (await calendar.book(calendar.at("2026-06-08T09:30"), patient=1)).status == 201


async def test_s12_the_gap_is_the_larger_of_two_facing_buffers(calendar: DentistCalendar) -> None:
    await calendar.opens("09:00-12:00", slot_step_minutes=5)
    await calendar.offers(30, after=10)
    assert (await calendar.book(calendar.at("2026-06-08T09:00"))).status == 201
    await calendar.offers(30, before=5)
    assert (await calendar.free_local("2026-06-08"))[0] == "09:40"
    assert (await calendar.book(calendar.at("2026-06-08T09:35"), patient=1)).code == "SLOT_TAKEN"
    assert (await calendar.book(calendar.at("2026-06-08T09:40"), patient=1)).status == 201


async def test_s12_a_buffer_may_extend_past_closing(calendar: DentistCalendar) -> None:
    await calendar.opens("09:00-10:00", slot_step_minutes=30)
    await calendar.offers(30, after=45)
    assert (await calendar.free_local("2026-06-08"))[-1] == "09:30"


async def test_s13_booking_a_slot_moves_no_other_slot(calendar: DentistCalendar) -> None:
    await calendar.opens("09:00-12:00", slot_step_minutes=20)
    await calendar.offers(30)
    before = await calendar.free_local("2026-06-08")
    assert (await calendar.book(calendar.at("2026-06-08T10:00"))).status == 201
    after = await calendar.free_local("2026-06-08")
    assert set(before) - set(after) == {"09:40", "10:00", "10:20"}
    assert set(after) < set(before)
