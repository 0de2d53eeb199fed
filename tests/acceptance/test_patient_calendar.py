"""The contract of every hub behind the chatbot: over REST, in process, and in memory."""

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from actors.domain.ids import ProfileId
from actors.domain.principal import Principal, Role
from api.rest.chat.in_process import InProcessHub
from chairside.chatbot.clinic import SlotQuery
from chairside.chatbot.patient_calendar import PatientCalendar
from chairside.client import FreeSlot, HubClient, HubError
from tests.support.clinic import CHATBOT
from tests.support.memory_hub import Calendars, HandClock
from tests.support.running import Template, clinic_on, config_for, running_hub
from tests.unit.chatbot.world import FACTS, WEDNESDAY

Two = tuple[PatientCalendar, PatientCalendar, datetime]
"""The calendars of two patients of the same clinic, and the time there."""


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture(params=["memory", "rest", "in the hub"])
async def two(
    request: pytest.FixtureRequest, template: Template, tmp_path: Path
) -> AsyncIterator[Two]:
    async with AsyncExitStack() as stack:
        if request.param == "memory":
            calendars = Calendars(FACTS, HandClock(WEDNESDAY))
            yield calendars.patient("ada").calendar, calendars.patient("bob").calendar, WEDNESDAY
        elif request.param == "rest":
            clinic = await stack.enter_async_context(clinic_on(template, tmp_path))
            ada, bob = (
                PatientCalendar(
                    HubClient(
                        clinic.url, token=CHATBOT, on_behalf_of=one.id, session=clinic.session
                    ),
                    now,
                    time.monotonic,
                )
                for one in clinic.patients[:2]
            )
            yield ada, bob, now()
        else:
            database = stack.enter_context(template.copied_to(tmp_path))
            hub = (await stack.enter_async_context(running_hub(config_for(database)))).hub
            people = [
                Principal(role=Role.PATIENT, subject=f"patient-{n}", person=ProfileId(one.id))
                for n, one in enumerate(template.people.patients[:2])
            ]
            ada, bob = (
                PatientCalendar(InProcessHub.acting(hub.services, who, "r"), now, time.monotonic)
                for who in people
            )
            yield ada, bob, now()


async def free(calendar: PatientCalendar, at: datetime) -> tuple[FreeSlot, ...]:
    """The first dentist's free slots of the first type, on three days from tomorrow."""
    facts = await calendar.facts()
    first = at + timedelta(days=1)
    return await calendar.slots(
        SlotQuery(
            appointment_type_id=facts.treatments[0].id,
            dentist_ids=(facts.dentists[0].id,),
            first=first,
            before=first + timedelta(days=3),
        )
    )


async def code_of(refused: object) -> str:
    with pytest.raises(HubError) as refusal:
        await refused  # type: ignore[misc]  # it is an awaitable
    return refusal.value.code


async def test_a_time_is_held_booked_moved_and_cancelled(two: Two) -> None:
    ada, _, at = two
    slots = await free(ada, at)
    assert slots == tuple(sorted(slots, key=lambda slot: slot.start))
    hold = await ada.hold(slots[0], "k1")
    assert hold.slot == slots[0]
    assert await ada.hold(slots[0], "k2") == hold, "the same hold"
    assert await ada.own_appointments() == (), "holds are no appointments"
    booked = await ada.book(hold.id, "k3")
    assert (booked.start, booked.status) == (slots[0].start, "confirmed")
    assert (await ada.book(hold.id, "k4")).id == booked.id, "booked once"
    assert await ada.own_appointments() == (booked,)
    later = await free(ada, at)
    moved = await ada.move(booked, later[-1], "k5")
    assert (moved.id, moved.start) == (booked.id, later[-1].start)
    assert moved.version > booked.version
    assert await code_of(ada.cancel(booked, "k6")) == "VERSION_CONFLICT"
    await ada.cancel(moved, "k7")
    await ada.cancel(moved, "k8")
    assert [row.status for row in await ada.own_appointments()] == ["cancelled"]


async def test_one_patient_wins_and_the_other_is_refused(two: Two) -> None:
    ada, bob, at = two
    slots = await free(ada, at)
    hold = await ada.hold(slots[0], "a")
    assert slots[0] in await free(ada, at), "a held slot is free for its holder"
    assert slots[0] not in await free(bob, at)
    assert await code_of(bob.hold(slots[0], "b")) == "SLOT_TAKEN"
    await ada.release(hold.id, "c")
    await ada.release(hold.id, "d")
    held = await bob.hold(slots[0], "e")
    assert await code_of(ada.book(held.id, "f")) == "NOT_FOUND", "another's hold"
    booked = await bob.book(held.id, "g")
    assert await code_of(ada.cancel(booked, "h")) == "NOT_FOUND"
    assert await code_of(ada.move(booked, slots[-1], "i")) == "NOT_FOUND"
    assert await ada.own_appointments() == ()


async def test_impossible_commands_are_refused_with_the_hubs_codes(two: Two) -> None:
    ada, _, at = two
    slots = await free(ada, at)
    night = FreeSlot(
        dentist_id=slots[0].dentist_id,
        appointment_type_id=slots[0].appointment_type_id,
        start=slots[0].start.replace(hour=2),
        end=slots[0].end.replace(hour=2, minute=30),
    )
    assert await code_of(ada.hold(night, "a")) == "OUTSIDE_AVAILABILITY"
    apart = [slots[0], slots[8], slots[16], slots[24]]
    for number, slot in enumerate(apart[:3]):
        await ada.hold(slot, f"h{number}")
    assert await code_of(ada.hold(apart[3], "h3")) == "TOO_MANY_RESERVATIONS"
    facts = await ada.facts()
    first = await ada.book((await ada.hold(apart[0], "h4")).id, "b1")
    elsewhere = FreeSlot(
        dentist_id=facts.dentists[-1].id
        if facts.dentists[-1].time_zone == "UTC"
        else facts.dentists[1].id,
        appointment_type_id=first.appointment_type_id,
        start=first.start,
        end=first.end,
    )
    held = await ada.hold(elsewhere, "h5")
    assert await code_of(ada.book(held.id, "b2")) == "PATIENT_CONFLICT"
