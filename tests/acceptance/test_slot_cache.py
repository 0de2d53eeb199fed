"""The slot cache during cuts, an unreachable hub, and changes of any kind (criterion 2.3)."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import pytest

from chairside.client import ConnectionLost, HubClient, RetryPolicy, SlotCache
from chairside.client.shapes import DentistAvailability
from tests.acceptance.conftest import OpenClinic
from tests.support.clinic import CHATBOT, DAYS_AHEAD, Clinic, Person, instant, schedule
from tests.support.eventually import eventually
from tests.support.proxy import Network, network_to

QUICK = RetryPolicy(attempts=2, first_delay_s=0.01, longest_delay_s=0.05)


class CountingClient(HubClient):
    """Counts the requests for slots."""

    requests = 0

    async def availability(self, dentist_id: str, **options: Any) -> DentistAvailability:
        self.requests += 1
        return await super().availability(dentist_id, **options)


@asynccontextmanager
async def caching(
    clinic: Clinic, url: str | None = None, client: HubClient | None = None, **settings: Any
) -> AsyncIterator[SlotCache]:
    client = client or HubClient(
        url or clinic.url, token=CHATBOT, session=clinic.session, retry=QUICK, timeout_s=2.0
    )
    async with SlotCache(
        client,
        session=clinic.session,
        token=CHATBOT,
        **{"days": DAYS_AHEAD + 3, **settings},
    ) as cache:
        yield cache


async def offered(
    clinic: Clinic, cache: SlotCache, dentist: Person, kind: str = "check-up"
) -> tuple[set[str], bool]:
    day = clinic.day_of(dentist, kind)
    free = await cache.free(
        clinic.types[kind],
        starts_from=datetime.fromisoformat(day["from"]),
        starts_before=datetime.fromisoformat(day["to"]),
        dentist_ids=[dentist.id],
    )
    assert free.from_memory or free.age_s == 0
    return {instant(slot.start) for slot in free.slots}, free.from_memory


async def wait_until_right(
    clinic: Clinic, cache: SlotCache, dentist: Person, within_s: float
) -> None:
    """In time the cache answers from memory as the hub does, for every type."""
    until = time.monotonic() + within_s
    for kind in clinic.types:
        while True:
            shown = await clinic.free(clinic.patients[9], dentist=dentist, kind=kind)
            known, from_memory = await offered(clinic, cache, dentist, kind)
            if known == shown and from_memory:
                break
            assert time.monotonic() < until, (kind, known ^ shown, from_memory)
            await asyncio.sleep(0.02)


async def test_a_cache_answers_from_memory_and_reports_its_age(
    clinic: Clinic,
) -> None:
    client = CountingClient(clinic.url, token=CHATBOT, session=clinic.session, retry=QUICK)
    async with caching(clinic, client=client) as cache:
        for dentist in clinic.dentists:
            await wait_until_right(clinic, cache, dentist, 2.0)
        requests = client.requests
        for _ in range(50):
            await offered(clinic, cache, clinic.dentists[0])
        assert client.requests == requests
        free = await cache.free(clinic.types["cleaning"])
        assert free.from_memory
        assert 0 <= free.age_s < 11
        starts = [(slot.start, slot.dentist_id) for slot in free.slots]
        assert starts == sorted(starts)
        assert {slot.dentist_id for slot in free.slots} == {d.id for d in clinic.dentists}


@pytest.mark.parametrize("seed", range(2))
async def test_the_cache_is_right_again_after_changes_and_cuts(clinic: Clinic, seed: int) -> None:
    rng = random.Random(seed)
    dentist = clinic.dentists[0]
    async with network_to(clinic.url) as network, caching(clinic, network.url) as cache:
        booked: list[dict[str, Any]] = []
        for _ in range(25):
            patient = rng.choice(clinic.patients[:8])
            slot = clinic.slot(
                f"{rng.randint(8, 16):02}:{rng.choice(('00', '15', '30', '45'))}",
                kind=rng.choice(list(clinic.types)),
            )
            if booked and rng.random() < 0.4:
                row = booked.pop(rng.randrange(len(booked)))
                await clinic.admin.get("/api/dentists")
                owner = next(p for p in clinic.patients if p.id == row["patient_id"])
                await clinic.api(owner).delete(f"/api/appointments/{row['id']}")
            else:
                made = await clinic.api(patient).post("/api/appointments", slot)
                if made.status == 201:
                    booked.append(made.body)
            if rng.random() < 0.15:
                network.cut()
        await wait_until_right(clinic, cache, dentist, 8.0)


async def test_without_the_stream_the_cache_queries_the_hub(
    clinic: Clinic,
) -> None:
    dentist = clinic.dentists[0]
    async with network_to(clinic.url) as network:
        client_url = network.url
        async with caching(clinic, client_url) as cache:
            await wait_until_right(clinic, cache, dentist, 2.0)
            assert cache.age_s < 11
            await _streams_down(network, cache)
            assert cache.age_s == float("inf")
            with pytest.raises(ConnectionLost):
                await offered(clinic, cache, dentist)
            await clinic.book(clinic.patients[0], "09:00")
            network.down = False
            starts, _ = await offered(clinic, cache, dentist)
            assert clinic.at("09:00") not in starts, "queried or caught up, but never outdated"
            await wait_until_right(clinic, cache, dentist, 8.0)


async def _streams_down(network: Network, cache: SlotCache) -> None:
    network.down = True
    network.cut()
    async with asyncio.timeout(3):
        while cache.age_s != float("inf"):  # noqa: ASYNC110  # the cache has no event for that
            await asyncio.sleep(0.01)


async def test_memory_is_not_used_after_a_silence(open_clinic: OpenClinic) -> None:
    async with open_clinic() as clinic, caching(clinic, max_age_s=0.05) as cache:
        assert await eventually(lambda: 0.05 < cache.age_s < 10, 5.0), "connected, and silent since"
        _, from_memory = await offered(clinic, cache, clinic.dentists[0])
        assert not from_memory


async def test_new_types_and_new_limits_are_loaded(clinic: Clinic) -> None:
    async with caching(clinic) as cache:
        made = await clinic.admin.post(
            "/api/appointment-types", {"name": "whitening", "duration_minutes": 90}
        )
        assert made.status == 201
        dentist = clinic.dentists[0]
        limited = schedule(
            daily_limits=[{"appointment_type_id": clinic.types["check-up"], "per_day": 1}]
        )
        saved = await clinic.api(dentist).put(f"/api/availability/{dentist.id}", limited)
        assert saved.status == 200, saved.body
        until = time.monotonic() + 3.0
        while True:
            free = await cache.free(made.body["id"])
            if free.from_memory and free.slots:
                break
            assert time.monotonic() < until
            await asyncio.sleep(0.02)
        await wait_until_right(clinic, cache, dentist, 2.0)
        assert (await offered(clinic, cache, dentist))[0]
        await clinic.book(clinic.patients[0], "09:00")
        await wait_until_right(clinic, cache, dentist, 1.5)
        assert (await offered(clinic, cache, dentist))[0] == set(), "at most one a day"


async def test_times_beyond_memory_are_queried_from_the_hub(clinic: Clinic) -> None:
    async with caching(clinic, days=1) as cache:
        starts, from_memory = await offered(clinic, cache, clinic.dentists[0])
        assert not from_memory
        assert starts == await clinic.free(clinic.patients[9], dentist=clinic.dentists[0])
