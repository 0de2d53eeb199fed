"""Health: one verdict from its parts, with few pings of the database (criterion 10.3)."""

import asyncio
from datetime import timedelta

import pytest

from hub import __version__
from hub.telemetry.health import Health
from tests.support.clock import FakeClock


class Database:
    """A database whose pings succeed, fail or hang; it counts them."""

    def __init__(self) -> None:
        self.pings = 0
        self.error: Exception | None = None
        self.silent = False

    async def ping(self) -> None:
        self.pings += 1
        if self.silent:
            await asyncio.Event().wait()
        if self.error:
            raise self.error


def health_of(database: Database, clock: FakeClock, keys: str = "ok") -> Health:
    return Health(
        clock=clock,
        ping=database.ping,
        ping_timeout_s=0.01,
        connections=lambda: {"/dentist": 1, "/patient": 2},
        keys=lambda: keys,
    )


async def test_a_healthy_hub_reports_every_part_as_ok() -> None:
    clock = FakeClock()
    health = health_of(Database(), clock)
    clock.advance(timedelta(seconds=90))
    assert await health.report() == {
        "status": "ok",
        "version": __version__,
        "uptime_s": 90,
        "hub": {"status": "ok"},
        "database": {"status": "ok"},
        "tokens": {"status": "ok"},
        "realtime": {"status": "ok", "connections": 3},
    }
    assert await health.ready()


async def test_the_detailed_report_adds_figures() -> None:
    report = await health_of(Database(), FakeClock()).report(detailed=True)
    assert report["realtime"]["namespaces"] == {"/dentist": 1, "/patient": 2}
    assert report["database"]["ping_ms"] >= 0


@pytest.mark.parametrize("keys", ["degraded", "down"])
async def test_keys_that_cannot_be_read_degrade_the_hub(keys: str) -> None:
    health = health_of(Database(), FakeClock(), keys)
    report = await health.report()
    assert (report["status"], report["tokens"]) == ("degraded", {"status": keys})
    assert await health.ready(), "other keys may still verify tokens"


async def test_a_database_that_fails_takes_the_hub_down() -> None:
    database = Database()
    database.error = OSError("disk gone")
    health = health_of(database, FakeClock())
    report = await health.report()
    assert (report["status"], report["database"]["status"]) == ("down", "down")
    assert report["hub"]["status"] == "ok"
    assert not await health.ready()


async def test_a_database_that_does_not_answer_in_time_is_down() -> None:
    database = Database()
    database.silent = True
    report = await health_of(database, FakeClock()).report()
    assert report["database"]["status"] == "down"


async def test_the_hub_recovers_with_the_database() -> None:
    database, clock = Database(), FakeClock()
    database.error = OSError("disk gone")
    health = health_of(database, clock)
    assert (await health.report())["status"] == "down"
    database.error = None
    clock.advance(timedelta(seconds=1))
    assert (await health.report())["status"] == "ok"


async def test_the_database_is_pinged_at_most_once_a_second() -> None:
    database, clock = Database(), FakeClock()
    health = health_of(database, clock)
    await asyncio.gather(*(health.report() for _ in range(50)))
    assert database.pings == 1
    clock.advance(timedelta(seconds=1))
    await health.report()
    assert database.pings == 2


async def test_a_stopping_hub_is_degraded_and_not_ready() -> None:
    health = health_of(Database(), FakeClock())
    health.accepting(accepts=False)
    assert (await health.report())["status"] == "degraded"
    assert not await health.ready()
