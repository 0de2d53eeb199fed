"""SCHEDULING 1–13 through the running hub: what is listed, and that it can be booked.

The instants come from ``zoneinfo``. The hub's clock is set; nothing waits.
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
class Desk:
    """One dentist's calendar, looked at by one patient."""

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
        """A new type, which the following questions are about."""
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
        """The starts from a local date's midnight to the next, as instants."""
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

    async def local(self, day: str) -> list[str]:
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
async def desk(open_clinic: OpenClinic) -> AsyncIterator[Desk]:
    clock = FakeClock(NEW_YEAR)
    async with open_clinic(overrides={"clock": clock}) as clinic:
        yield Desk(clinic, clock)


async def test_s1_nine_in_new_york_is_13z_in_summer_and_14z_in_winter(desk: Desk) -> None:
    await desk.opens("09:00-17:00", zone=NEW_YORK)
    await desk.offers(30)
    assert (await desk.free("2026-03-08"))[0] == "2026-03-08T13:00:00Z"
    assert (await desk.free("2026-11-01"))[0] == "2026-11-01T14:00:00Z"


async def test_s2_a_night_window_has_five_slots_in_spring_and_seven_in_autumn(desk: Desk) -> None:
    await desk.opens("00:00-06:00", zone=NEW_YORK, slot_step_minutes=60)
    await desk.offers(60)
    spring = await desk.free("2026-03-08")
    assert spring == [f"2026-03-08T{hour:02}:00:00Z" for hour in range(5, 10)]
    assert not any(start.startswith("02") for start in await desk.local("2026-03-08"))
    assert len(await desk.free("2026-11-01")) == 7
    assert (await desk.book(spring[2])).status == 201


async def test_s3_a_day_may_begin_at_one_and_clocks_may_change_by_half_an_hour(desk: Desk) -> None:
    await desk.offers(60)
    await desk.opens("00:00-03:00", zone="America/Santiago", slot_step_minutes=60)
    assert await desk.local("2026-09-06") == ["01:00", "02:00"]
    await desk.opens("09:00-10:00", zone="Australia/Lord_Howe", slot_step_minutes=60)
    (before,), (after,) = await desk.free("2026-04-04"), await desk.free("2026-04-05")
    apart = datetime.fromisoformat(after) - datetime.fromisoformat(before)
    assert apart == timedelta(hours=24.5)


async def test_s4_windows_that_touch_across_midnight_are_one_open_time(desk: Desk) -> None:
    await desk.opens(
        rules=[
            {"weekday": "monday", "start": "23:00", "end": "24:00"},
            {"weekday": "tuesday", "start": "00:00", "end": "00:30"},
        ]
    )
    await desk.offers(60)
    assert await desk.local("2026-06-08") == ["23:00", "23:15", "23:30"]
    assert (await desk.book(desk.at("2026-06-08T23:30"))).status == 201


@pytest.mark.parametrize("window", ["17:00-09:00", "09:00-09:00"])
async def test_s4_a_window_that_ends_before_it_starts_or_is_empty_is_refused(
    desk: Desk, window: str
) -> None:
    dentist = desk.clinic.dentists[0]
    refused = await desk.clinic.api(dentist).put(
        f"/api/availability/{dentist.id}", schedule(rules=daily(window))
    )
    assert (refused.status, refused.code) == (400, "VALIDATION_ERROR")
    assert refused.error["details"][0]["field"] == "rules.0.end"


async def test_s4_each_date_has_its_own_grid_from_its_own_midnight(desk: Desk) -> None:
    await desk.opens("00:00-24:00", zone=NEW_YORK, slot_step_minutes=420)
    await desk.offers(30)
    assert await desk.local("2026-06-08") == ["00:00", "07:00", "14:00", "21:00"]
    assert await desk.local("2026-06-09") == ["00:00", "07:00", "14:00", "21:00"]


async def test_s5_patients_anywhere_see_the_same_instants(desk: Desk) -> None:
    await desk.opens("09:00-10:00", zone=NEW_YORK)
    await desk.offers(30)
    mine, theirs = await desk.free("2026-06-08"), await desk.free("2026-06-08", viewer=1)
    assert mine == theirs


async def test_s5_daily_limits_and_horizons_count_the_dentists_days(desk: Desk) -> None:
    await desk.offers(30)
    limit = {"appointment_type_id": desk.kind, "per_day": 1}
    await desk.opens("00:00-24:00", zone="Pacific/Auckland", daily_limits=[limit], horizon_days=180)
    late = desk.at("2026-06-08T23:30")  # another date in UTC than that day's morning
    assert (await desk.book(late)).status == 201
    assert await desk.local("2026-06-08") == []
    assert len(await desk.local("2026-06-09")) > 0
    refused = await desk.book(desk.at("2026-06-08T09:00"), patient=1)
    assert (refused.status, refused.code) == (422, "OUTSIDE_AVAILABILITY")
    last = (desk.clock.now().astimezone(ZoneInfo(desk.zone)).date() + timedelta(180)).isoformat()
    assert (await desk.local(last))[-1] == "23:45"


async def test_s6_with_half_a_minute_gone_the_first_slot_is_the_next_on_the_grid(
    desk: Desk,
) -> None:
    await desk.opens("09:00-17:00", slot_step_minutes=5)
    await desk.offers(5)
    desk.clock.advance(datetime(2026, 6, 8, 12, 0, 30, tzinfo=UTC) - desk.clock.now())
    assert (await desk.local("2026-06-08"))[0] == "12:05"
    assert (await desk.book("2026-06-08T12:00:00Z")).code == "TOO_SOON"


async def test_s6_a_start_exactly_at_now_plus_notice_is_allowed(desk: Desk) -> None:
    await desk.opens("09:00-17:00", min_notice_minutes=60, horizon_days=7)
    await desk.offers(30)
    desk.clock.advance(datetime(2026, 6, 8, 9, tzinfo=UTC) - desk.clock.now())
    assert (await desk.local("2026-06-08"))[0] == "10:00"
    inside, beyond = await desk.book("2026-06-08T09:45:00Z"), desk.at("2026-06-16T09:00")
    assert (inside.status, inside.code) == (422, "TOO_SOON")
    assert await desk.local("2026-06-16") == []
    assert (await desk.book(beyond)).code == "TOO_FAR"
    assert (await desk.book("2026-06-08T10:00:00Z")).status == 201


async def test_s7_leap_days_exist_only_in_leap_years(desk: Desk) -> None:
    await desk.opens("09:00-10:00", slot_step_minutes=30, overrides=[day_of("2028-02-29")])
    await desk.offers(30)
    assert await desk.local("2028-02-29") == []
    assert await desk.local("2028-02-28") == ["09:00", "09:30"]
    refused = await desk.book("2027-02-29T09:00:00Z")
    assert (refused.status, refused.code) == (400, "VALIDATION_ERROR")
    dentist = desk.clinic.dentists[0]
    overrides = [day_of("2027-02-29", "09:00-10:00")]
    answer = await desk.clinic.api(dentist).put(
        f"/api/availability/{dentist.id}", schedule(overrides=overrides)
    )
    assert answer.error["details"] == [
        {"field": "overrides.0.date", "message": "there is no such date"}
    ]


async def test_s8_windows_of_a_date_are_a_union_in_any_order(desk: Desk) -> None:
    await desk.offers(20)
    for windows in (("11:00-12:00", "11:20-12:40"), ("11:20-12:40", "11:00-12:00")):
        await desk.opens(*windows, slot_step_minutes=20)
        assert await desk.local("2026-06-08") == ["11:00", "11:20", "11:40", "12:00", "12:20"]
    await desk.offers(45)
    await desk.opens("11:00-13:00", "11:15-13:00", slot_step_minutes=45)
    assert await desk.local("2026-06-08") == ["11:00", "11:45"]


async def test_s9_an_override_replaces_closes_or_opens_a_day(desk: Desk) -> None:
    await desk.offers(60)
    await desk.opens(
        rules=[{"weekday": "monday", "start": "09:00", "end": "11:00"}],
        slot_step_minutes=60,
        overrides=[
            day_of("2026-06-08", "14:00-15:00"),
            day_of("2026-06-15"),
            day_of("2026-06-14", "08:00-09:00"),
            day_of("2026-06-14", "09:00-10:00"),
        ],
    )
    assert await desk.local("2026-06-01") == ["09:00", "10:00"]
    assert await desk.local("2026-06-08") == ["14:00"]
    assert await desk.local("2026-06-15") == []
    assert await desk.local("2026-06-14") == ["08:00", "09:00"]


async def test_s9_an_override_that_leaves_into_the_next_utc_day_keeps_that_days_rules(
    desk: Desk,
) -> None:
    await desk.offers(60)
    await desk.opens(
        "10:00-11:00",
        zone=NEW_YORK,
        slot_step_minutes=60,
        overrides=[day_of("2026-06-08", "21:00-23:00")],  # 01Z and 02Z of the ninth
    )
    assert await desk.local("2026-06-08") == ["21:00", "22:00"]
    assert await desk.local("2026-06-09") == ["10:00"]


async def test_s10_what_a_smaller_day_leaves_outside_stays_and_is_listed(desk: Desk) -> None:
    await desk.opens("09:00-12:00")
    await desk.offers(30)
    patient, dentist = desk.clinic.patients[0], desk.clinic.dentists[0]
    booked = (await desk.book(desk.at("2026-06-08T11:00"))).body
    screen = await desk.clinic.screen(patient, f"availability:dentist:{dentist.id}")
    saved = await desk.opens("09:00-12:00", overrides=[day_of("2026-06-08", "09:00-10:00")])
    assert [row["id"] for row in saved.body["affected_appointments"]] == [booked["id"]]
    event = await screen.event("availability.updated", dentist_id=dentist.id)
    assert "affected_appointments" not in event.data
    assert await desk.local("2026-06-08") == ["09:00", "09:15", "09:30"]
    kept = await desk.clinic.api(patient).get(f"/api/appointments/{booked['id']}")
    assert kept.body["status"] == "confirmed"


async def test_s11_the_whole_appointment_must_fit_and_may_end_at_closing(desk: Desk) -> None:
    await desk.opens("09:00-10:30", slot_step_minutes=30)
    await desk.offers(60)
    assert await desk.local("2026-06-08") == ["09:00", "09:30"]
    assert (await desk.book(desk.at("2026-06-08T10:00"))).code == "OUTSIDE_AVAILABILITY"
    assert (await desk.book(desk.at("2026-06-08T09:30"))).status == 201


async def test_s11_back_to_back_is_allowed(desk: Desk) -> None:
    await desk.opens("09:00-10:00", slot_step_minutes=30)
    await desk.offers(30)
    assert (await desk.book(desk.at("2026-06-08T09:00"))).status == 201
    assert (await desk.book(desk.at("2026-06-08T09:30"), patient=1)).status == 201


async def test_s12_the_gap_is_the_larger_of_two_facing_buffers(desk: Desk) -> None:
    await desk.opens("09:00-12:00", slot_step_minutes=5)
    await desk.offers(30, after=10)
    assert (await desk.book(desk.at("2026-06-08T09:00"))).status == 201
    await desk.offers(30, before=5)
    assert (await desk.local("2026-06-08"))[0] == "09:40"
    assert (await desk.book(desk.at("2026-06-08T09:35"), patient=1)).code == "SLOT_TAKEN"
    assert (await desk.book(desk.at("2026-06-08T09:40"), patient=1)).status == 201


async def test_s12_a_trailing_buffer_may_pass_closing(desk: Desk) -> None:
    await desk.opens("09:00-10:00", slot_step_minutes=30)
    await desk.offers(30, after=45)
    assert (await desk.local("2026-06-08"))[-1] == "09:30"


async def test_s13_booking_a_slot_moves_no_other_slot(desk: Desk) -> None:
    await desk.opens("09:00-12:00", slot_step_minutes=20)
    await desk.offers(30)
    before = await desk.local("2026-06-08")
    assert (await desk.book(desk.at("2026-06-08T10:00"))).status == 201
    after = await desk.local("2026-06-08")
    assert set(before) - set(after) == {"09:40", "10:00", "10:20"}
    assert set(after) < set(before)
