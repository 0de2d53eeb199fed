"""All of Redis or all of PostgreSQL fails: bookings go on or are refused honestly, remote screens
are late at most, and all of it heals by itself.
"""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.cluster import (
    AT_ONCE_S,
    LATE_S,
    QUICK,
    all_know,
    book_when_possible,
    database_of,
    nodes,
    owner_of,
    stream_recovers,
)
from tests.support.eventually import eventually
from tests.support.histories import pending, problems_of
from tests.support.running import Template
from tests.support.valkey import ValkeyServer

pytestmark = pytest.mark.usefixtures("quiet")


def _say_nothing(_: ValkeyServer) -> None: ...


def _restart_empty(valkey: ValkeyServer) -> None:
    valkey.kill()
    valkey.start()


def _kill_clients(valkey: ValkeyServer) -> None:
    """As when a reader's output buffer is full: the server closes its connection."""
    valkey.execute("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")


def _set_its_clock_back(valkey: ValkeyServer) -> None:
    """As after a failover to a machine whose clock is behind: new entries have ids that come
    before those that were read."""
    valkey.execute("XADD", _stream(valkey), "9999999999999-0", "e", "of a clock that is ahead")
    time.sleep(0.2)  # all nodes read it
    valkey.execute("DEL", _stream(valkey))


def _stream(valkey: ValkeyServer) -> str:
    (name,) = valkey.names()
    return name


FAILURES: dict[str, tuple[Callable[[ValkeyServer], object], Callable[[ValkeyServer], object]]] = {
    "killed": (ValkeyServer.kill, ValkeyServer.start),
    "hung": (ValkeyServer.hang, ValkeyServer.wake),
    "flushed": (lambda valkey: valkey.execute("FLUSHALL"), _say_nothing),
    "restarted empty": (_restart_empty, _say_nothing),
    "its readers cut off": (_kill_clients, _say_nothing),
    "its clock set back": (_set_its_clock_back, _say_nothing),
}


@pytest.mark.parametrize("failure", FAILURES)
async def test_without_redis_bookings_work_and_remote_screens_are_late(
    postgres_template: Template, valkey: ValkeyServer, tmp_path: Path, failure: str
) -> None:
    begins, ends = FAILURES[failure]
    async with nodes(postgres_template, tmp_path, valkey) as made:
        clinic = made[0].clinic
        dentist = clinic.dentists[0]
        a = owner_of(made, dentist)
        b, c = (each for each in made if each is not a)
        screen = await b.clinic.screen(dentist)
        booked = [await c.clinic.book(clinic.patients[0], "08:00")]
        await screen.event("appointment.created", 1.0, id=booked[0]["id"])
        try:
            await asyncio.to_thread(begins, valkey)
            for number in range(1, 5):
                began = time.monotonic()
                row = await c.clinic.book(clinic.patients[number], f"{8 + number:02}:00")
                assert time.monotonic() - began < AT_ONCE_S, "Redis is not on the commit's path"
                booked.append(row)
                await screen.event("appointment.created", LATE_S, id=row["id"])
        finally:
            await asyncio.to_thread(ends, valkey)
        await stream_recovers(made, screen, c)
        for row in booked:
            await screen.event("appointment.created", LATE_S, id=row["id"])
        offsets = [
            each.data["offset"] for each in screen.events(f"appointments:dentist:{dentist.id}")
        ]
        assert offsets == sorted(set(offsets)), "in order, and none twice"
        assert await eventually(lambda: not pending(database_of(made[0])), 5.0)
        assert problems_of(database_of(made[0])) == []


async def test_a_profile_changed_without_redis_is_soon_shown_everywhere(
    postgres_template: Template, valkey: ValkeyServer, tmp_path: Path
) -> None:
    async with nodes(postgres_template, tmp_path, valkey, 2) as made:
        patient = made[0].clinic.patients[0]
        assert (await made[1].clinic.api(patient).get("/api/profiles/me")).status == 200
        await asyncio.to_thread(valkey.kill)
        changed = await made[0].clinic.api(patient).put("/api/profiles/me", {"name": "Changed"})
        assert changed.status == 200, changed.body

        async def shown() -> bool:
            me = await made[1].clinic.api(patient).get("/api/profiles/me")
            return bool(me.body["name"] == "Changed")

        assert await eventually(shown, 5.0)
        await asyncio.to_thread(valkey.start)


# --- all of PostgreSQL -----------------------------------------------------------------


@pytest.mark.timeout(120)
async def test_without_postgresql_all_nodes_answer_503_and_recover(
    postgres_template: Template, valkey: ValkeyServer, tmp_path: Path
) -> None:
    async with nodes(postgres_template, tmp_path, valkey) as made:
        clinic = made[0].clinic
        server = database_of(made[0]).server
        await clinic.book(clinic.patients[0], "08:00")
        await asyncio.to_thread(server.kill)
        try:
            for node in made:
                answer = await node.clinic.api(clinic.patients[1]).post(
                    "/api/appointments", clinic.slot("09:00")
                )
                assert (answer.status, answer.code) == (503, "UNAVAILABLE"), answer.body
                assert int(answer.headers["Retry-After"]) >= 1
            await asyncio.sleep(float(QUICK["lease_s"]) + 0.5)  # every lease ends
        finally:
            await asyncio.to_thread(server.start)
        for number, node in enumerate(made):
            slot = clinic.slot(f"{10 + number}:00")
            row = await book_when_possible(
                node, clinic.patients[number + 1], slot, key=f"after-{number}"
            )
            assert row["status"] == "confirmed"
        await all_know(made, 3)
        assert await eventually(lambda: not pending(database_of(made[0])), 10.0)
        assert problems_of(database_of(made[0])) == []
