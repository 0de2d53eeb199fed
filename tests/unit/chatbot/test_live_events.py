"""Which events become notices, and which dentists' events a conversation needs."""

from dataclasses import replace

import pytest

from chairside.chatbot.dialogue.state import HoldEnded, ScheduleChanged, Task
from chairside.chatbot.live_events import live_change, offering, searched
from tests.unit.chatbot.talking import Talk
from tests.unit.chatbot.world import FACTS

FEW = 10


async def task_after(*messages: str) -> Task:
    talk = Talk()
    await talk.all(*messages)
    task = talk.conversation.state.task
    assert task is not None
    return task


def test_events_of_holds_and_schedules_become_changes() -> None:
    assert live_change("reservation.expired", {"id": "h"}) == HoldEnded("h")
    assert live_change("availability.updated", {"dentist_id": "d"}) == ScheduleChanged("d")
    freed = {"dentist_id": "d", "taken": [], "freed": [{}]}
    assert live_change("slots.changed", freed) is None
    assert live_change("profile.updated", {}) is None


@pytest.mark.parametrize("event", ["slots.changed", "availability.updated", "reservation.expired"])
def test_event_without_its_data_is_refused(event: str) -> None:
    with pytest.raises(ValueError, match="not as the hub sends it"):
        live_change(event, {})


async def test_a_search_is_among_all_dentists_or_those_that_are_named() -> None:
    every = tuple(one.id for one in FACTS.dentists)
    assert searched(await task_after("I need a cleaning"), FACTS, FEW) == every
    assert searched(await task_after("cleaning with Mara"), FACTS, FEW) == ("mara",)


async def test_among_too_many_dentists_only_offers_are_followed() -> None:
    task = await task_after("cleaning next Tuesday after 3")
    assert offering(task) == searched(task, FACTS, dentists_max=1)
    assert searched(replace(task, offered=()), FACTS, dentists_max=1) == ()


async def test_a_cancellation_searches_nothing() -> None:
    talk = Talk()
    talk.has("mara", "2027-03-12 09:00")
    await talk.send("cancel my appointment")
    task = talk.conversation.state.task
    assert task is not None
    assert searched(task, FACTS, FEW) == ()
