"""The hub ends under traffic, again and again, by ``kill -9`` or politely: what was
acknowledged is there, what was committed is published, no screen misses or doubles anything.
"""

import asyncio
import random
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from chairside.traffic.context import SimulationPlan
from chairside.traffic.links import LinkedPerson, Links
from chairside.traffic.simulation import Simulation
from tests.support.api import Api
from tests.support.clinic import CHATBOT, DAYS_AHEAD, Clinic, Person
from tests.support.database import Database
from tests.support.eventually import eventually
from tests.support.histories import pending, problems_of
from tests.support.process import UNLIMITED, HubProcess, hub_process
from tests.support.running import Template

KILLS, KILLS_LONG = 3, 40
STOPS = 2
TRAFFIC_PATIENTS = 30
"""The others are witnesses: they act right before a kill and look right after it."""
TRAFFIC_DENTISTS = 2
"""The last one is the witnesses': a dentist of traffic may write a note on what they booked
before they have looked."""
LIFE_S = (0.2, 1.0)
"""How long the hub lives between two kills, once traffic flows again."""
LONGEST_S = 600.0
FLOWING = 10
"""Bookings that traffic must have made since the last kill."""


@dataclass
class Witness:
    """What one pair of patients was promised just before a kill."""

    held: dict[str, Any]
    booked: dict[str, Any]
    holder: Api
    booker: Api


@dataclass
class Story:
    """What happened in a whole test, for its report."""

    pending_at_end: list[int] = field(default_factory=list)
    down_s: list[float] = field(default_factory=list)


@pytest.mark.timeout(240)
async def test_kills_under_traffic_lose_nothing(template: Template, tmp_path: Path) -> None:
    story = await end_again_and_again(template, tmp_path, KILLS, seed=1)
    assert sum(story.pending_at_end) > 0, "kills met events on their way"


@pytest.mark.timeout(120)
async def test_clean_stops_under_traffic_leave_nothing_pending(
    template: Template, tmp_path: Path
) -> None:
    story = await end_again_and_again(template, tmp_path, STOPS, seed=4, politely=True)
    assert story.pending_at_end == [0] * STOPS, "all committed events were broadcast and marked"


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", [2, 3])
async def test_many_kills_under_traffic_lose_nothing(
    template: Template, tmp_path: Path, seed: int
) -> None:
    await end_again_and_again(template, tmp_path, KILLS_LONG, seed)


async def end_again_and_again(
    template: Template, folder: Path, times: int, seed: int, *, politely: bool = False
) -> Story:
    chance, story, began = random.Random(seed), Story(), time.monotonic()
    database = template.copy_to(folder)
    async with (
        hub_process(database, folder, **UNLIMITED) as hub,
        aiohttp.ClientSession() as session,
    ):
        simulation = Simulation(
            SimulationPlan(
                url=hub.url,
                links=links_of(template, TRAFFIC_DENTISTS),
                seconds=LONGEST_S,
                patients=TRAFFIC_PATIENTS,
                seed=seed,
            )
        )
        async with asyncio.TaskGroup() as tasks:
            traffic = tasks.create_task(simulation.run())
            clinic = clinic_of(template, hub, session, database)
            for turn in range(times):
                await traffic_flows(simulation)
                await asyncio.sleep(chance.uniform(*LIFE_S))  # anywhere in its work
                witness = await promises(clinic, turn)
                await _end_and_start(hub, database, story, politely=politely)
                await kept(witness)
            simulation.finish()
        result = traffic.result()
        left = await eventually(lambda: not pending(database), 5.0)
        assert await hub.stop() == 0

    assert result.problems == []
    assert result.reconnections >= times, "the screens lived through all of it"
    assert left, "what a crash left pending was broadcast"
    assert problems_of(database) == []
    assert len(story.down_s) == times
    took_s = time.monotonic() - began
    print(
        f"\n{times} ends in {took_s:.0f} s: {result.ledger.bookings} bookings and"
        f" {result.ledger.cancellations} cancellations acknowledged,"
        f" {result.findings.events} events shown on {result.sockets} sockets,"
        f" {result.reconnections} reconnections, {result.gaps_healed} gaps healed,"
        f" {result.duplicates_dropped} duplicates dropped; pending at the ends:"
        f" {story.pending_at_end}; down {max(story.down_s):.1f} s at most"
    )
    return story


def links_of(template: Template, dentists: int | None = None) -> Links:
    """Of the first so many dentists, or all."""

    def linked(people: tuple[Person, ...]) -> tuple[LinkedPerson, ...]:
        return tuple(LinkedPerson(id=one.id, token=one.token) for one in people)

    people = template.people
    return Links(
        dentists=linked(people.dentists[:dentists]),
        patients=linked(people.patients[:TRAFFIC_PATIENTS]),
        chatbot_token=CHATBOT,
        appointment_type_ids=(
            people.types["check-up"],
            people.types["cleaning"],
        ),
    )


def clinic_of(
    template: Template, hub: HubProcess, session: aiohttp.ClientSession, database: Database
) -> Clinic:
    return Clinic(hub.url, template.people, session, AsyncExitStack(), database)


async def traffic_flows(simulation: Simulation) -> None:
    """Since the last kill, bookings are acknowledged again."""
    before = simulation.ledger.bookings
    assert await eventually(lambda: simulation.ledger.bookings >= before + FLOWING, 30.0)


async def promises(clinic: Clinic, turn: int) -> Witness:
    """A hold and a booking, acknowledged at the last moment, where traffic touches nothing."""
    pairs = len(clinic.patients[TRAFFIC_PATIENTS:]) // 2
    first = TRAFFIC_PATIENTS + 2 * (turn % pairs)
    holder, booker = (clinic.api(each) for each in clinic.patients[first : first + 2])
    day, dentist = DAYS_AHEAD + turn, clinic.dentists[TRAFFIC_DENTISTS]
    body = clinic.slot(dentist=dentist)
    held, booked = await asyncio.gather(
        holder.post("/api/reservations", body | {"start": clinic.at("09:00", days=day)}),
        booker.post("/api/appointments", body | {"start": clinic.at("10:00", days=day)}),
    )
    assert (held.status, booked.status) == (201, 201), (held.body, booked.body)
    return Witness(held=held.body, booked=booked.body, holder=holder, booker=booker)


async def _end_and_start(
    hub: HubProcess, database: Database, story: Story, *, politely: bool
) -> None:
    if politely:
        assert await hub.stop() == 0
    else:
        await hub.kill()
    down = time.monotonic()
    story.pending_at_end.append(len(pending(database)))
    assert problems_of(database) == [], "a commit is whole or not at all"
    await hub.start()
    story.down_s.append(time.monotonic() - down)


async def kept(witness: Witness) -> None:
    """The booking word for word, the hold with its old expiry and still to be had."""
    held, booked = witness.held, witness.booked
    hold = await witness.holder.get(f"/api/reservations/{held['id']}")
    assert (hold.status, hold.body["expires_at"]) == (200, held["expires_at"])
    row = await witness.booker.get(f"/api/appointments/{booked['id']}")
    assert (row.status, row.body) == (200, booked)
    converted = await witness.holder.post("/api/appointments", {"reservation_id": held["id"]})
    assert (converted.status, converted.body["id"]) == (201, held["id"])
