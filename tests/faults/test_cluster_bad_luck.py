"""Rare faults: dead connections that look alive, answers that are lost at the worst moment, clocks
that jump, locks that are not released, and a Redis that is slow or forgets too soon.
"""

import asyncio
import struct
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from actors.domain.ids import DentistId, ProfileId
from tests.support.clinic import schedule
from tests.support.cluster import (
    AT_ONCE_S,
    LATE_S,
    QUICK,
    ClusterNode,
    all_know,
    book_when_possible,
    database_of,
    make_owner,
    nodes,
    one_node,
    stream_recovers,
)
from tests.support.database import OnPostgres, execute, rows
from tests.support.eventually import eventually
from tests.support.histories import problems_of
from tests.support.proxy import Network, network_to
from tests.support.running import Template
from tests.support.valkey import ValkeyServer

pytestmark = [pytest.mark.usefixtures("quiet"), pytest.mark.timeout(120)]

LEASE_S = float(QUICK["lease_s"])
RENEWALS = struct.pack("!d", LEASE_S)
"""The length of a lease as sent to PostgreSQL; no other statement contains it."""
COMMIT = b"COMMIT\0"


@dataclass(frozen=True, kw_only=True)
class Pair:
    far: ClusterNode
    near: ClusterNode
    wire: Network
    """Between ``far`` and PostgreSQL, or Redis."""

    @property
    def both(self) -> list[ClusterNode]:
        return [self.far, self.near]


@asynccontextmanager
async def two(
    template: Template, folder: Path, valkey: ValkeyServer, *, to: str, **settings: Any
) -> AsyncIterator[Pair]:
    """Nodes; the first reaches ``postgres`` or ``redis`` over a network that can fail."""
    with template.copied_to(folder) as database:
        assert isinstance(database, OnPostgres)
        port = database.server.port if to == "postgres" else valkey.port
        async with network_to(f"http://127.0.0.1:{port}") as wire:
            url = f"postgresql://chairside@127.0.0.1:{wire.port}/{database.name}"
            limits = {"statement_timeout_ms": 1_000, "lock_timeout_ms": 1_000}
            far = one_node(
                template,
                database,
                valkey.url if to == "postgres" else f"redis://127.0.0.1:{wire.port}/0",
                url=url if to == "postgres" else "",
                limits=limits,
                **settings,
            )
            async with (
                far as one,
                one_node(template, database, valkey.url, limits=limits, **settings) as other,
            ):
                await all_know([one, other], 2)
                yield Pair(far=one, near=other, wire=wire)
                wire.flow()


# --- PostgreSQL ----------------------------------------------------------------------------


async def test_dead_connections_that_look_alive_are_given_up(
    postgres_template: Template, valkey: ValkeyServer, tmp_path: Path
) -> None:
    """As after a failover of PostgreSQL, or of what stands before it: nobody says goodbye, old
    connections are silent for ever, new ones are whole."""
    async with two(postgres_template, tmp_path, valkey, to="postgres") as pair:
        clinic = pair.far.clinic
        dentist = await make_owner(pair.both, pair.far)
        await clinic.book(clinic.patients[0], "08:00", dentist=dentist)
        pair.wire.freeze()
        slot = clinic.slot("09:00", dentist=dentist)
        await book_when_possible(pair.far, clinic.patients[1], slot, key="after")

        async def reads() -> bool:
            answers = await asyncio.gather(
                *(
                    clinic.api(each).get("/api/appointments", limit=50)
                    for each in clinic.patients[:8]
                )
            )
            return all(each.status == 200 for each in answers)

        assert await eventually(reads, 10.0)
        assert problems_of(database_of(pair.near)) == []


async def test_a_lost_answer_of_a_renewal_has_no_effect(
    postgres_template: Template, valkey: ValkeyServer, tmp_path: Path
) -> None:
    """PostgreSQL has renewed the lease, and the connection ends before its answer."""
    async with two(postgres_template, tmp_path, valkey, to="postgres") as pair:
        dentist = await make_owner(pair.both, pair.far)
        members, life = pair.far.cluster.membership, pair.far.id
        before = _lease_of(pair.near, life)
        pair.wire.lose_answer_to(COMMIT, of=RENEWALS)
        members.request_refresh()
        assert await eventually(lambda: _lease_of(pair.near, life) > before, 1.0)
        pair.wire.cut()
        pair.wire.flow()
        slot = pair.far.clinic.slot("09:00", dentist=dentist)
        patient = pair.far.clinic.patients[0]
        await book_when_possible(pair.far, patient, slot, key="one", within_s=LEASE_S)
        assert pair.far.id == life


def _address(node: ClusterNode) -> bytes:
    """Sent to PostgreSQL when the node joins."""
    (found,) = [each for each in node.cluster.membership.roster.nodes if each.id == node.id]
    return found.address.encode()


def _lease_of(node: ClusterNode, node_id: str) -> Any:
    (row,) = rows(database_of(node), "SELECT lease_until FROM nodes WHERE id = ?", node_id)
    return row["lease_until"]


async def test_a_lost_answer_of_a_join_leaves_a_row_that_is_evicted(
    postgres_template: Template, valkey: ValkeyServer, tmp_path: Path
) -> None:
    """An evicted node joins without getting the answer, so it joins again. Calendars that were
    placed on the first row can be booked when the lease of that row has ended."""
    async with two(postgres_template, tmp_path, valkey, to="postgres") as pair:
        database = database_of(pair.near)
        members, old = pair.far.cluster.membership, pair.far.id
        execute(database, f"DELETE FROM nodes WHERE id = '{old}'")  # noqa: S608  # an id of ours
        pair.wire.lose_answer_to(COMMIT, of=_address(pair.far))

        def stale_rows() -> set[str]:
            return {row["id"] for row in rows(database, "SELECT id FROM nodes")} - {pair.near.id}

        assert await eventually(stale_rows, 5.0)
        (stale_row,) = stale_rows()
        pair.wire.cut()
        pair.wire.flow()
        assert await eventually(lambda: members.lease_is_held, 5.0)
        assert pair.far.id not in (old, stale_row)
        for number, dentist in enumerate(pair.near.clinic.dentists):
            slot = pair.near.clinic.slot("09:00", dentist=dentist)
            await book_when_possible(
                pair.both[number % 2], pair.near.clinic.patients[number], slot, key=f"{number}"
            )
        assert await eventually(lambda: stale_rows() == {pair.far.id}, 5.0)
        assert problems_of(database) == []


async def test_a_dead_node_is_evicted_although_the_clock_was_set_back(
    postgres_template: Template, valkey: ValkeyServer, tmp_path: Path
) -> None:
    """PostgreSQL's clock goes back by an hour: a lease of before would last that long."""
    async with nodes(postgres_template, tmp_path, valkey, 2) as made:
        database, clinic = database_of(made[0]), made[0].clinic
        execute(
            database,
            "INSERT INTO nodes (id, name, address, version, state, joined_at, lease_until)"
            " VALUES ('dead', 'dead', 'http://127.0.0.1:9', '1', 'live',"
            " now() + interval '1 hour', now() + interval '1 hour')",
            "UPDATE calendars SET owner = 'dead', fence = fence + 1",
        )
        slots = [clinic.slot("09:00", dentist=each) for each in clinic.dentists]
        for number, slot in enumerate(slots):
            await book_when_possible(made[0], clinic.patients[number], slot, key=f"{number}")
        assert problems_of(database) == []


@pytest.mark.long
async def test_all_nodes_rejoin_when_the_clock_is_set_forward(
    postgres_template: Template, valkey: ValkeyServer, tmp_path: Path
) -> None:
    async with nodes(postgres_template, tmp_path, valkey) as made:
        database, clinic = database_of(made[0]), made[0].clinic
        for number, dentist in enumerate(clinic.dentists):
            await made[number].clinic.book(clinic.patients[number], "08:00", dentist=dentist)
        execute(database, "UPDATE nodes SET lease_until = lease_until - interval '1 hour'")
        slot = clinic.slot("09:00")
        answers = await asyncio.gather(
            *(
                node.clinic.api(patient).post("/api/appointments", slot)
                for node, patient in zip([*made, *made], clinic.patients[3:9], strict=True)
            )
        )
        assert {answer.status for answer in answers} <= {201, 409, 503}
        if not any(answer.status == 201 for answer in answers):
            await book_when_possible(made[0], clinic.patients[9], slot, key="later")
        await all_know(made, 3)
        sql = "SELECT count(*) AS n FROM appointments WHERE status = 'confirmed'"
        assert rows(database, sql)[0]["n"] == 4, "one slot, one booking"
        assert problems_of(database) == []


async def test_a_handover_that_waits_for_a_lock_keeps_the_lease(
    postgres_template: Template, valkey: ValkeyServer, tmp_path: Path
) -> None:
    """A half-dead transaction holds the calendar; who is to give it away goes on renewing."""
    async with nodes(postgres_template, tmp_path, valkey, 2) as made:
        database = database_of(made[0])
        dentist = await make_owner(made, made[0])
        life, incarnations = made[0].id, made[0].cluster.membership.incarnations
        with database.server.transaction(database.name) as execute_there:
            execute_there(f"SELECT 1 FROM calendars WHERE dentist_id = '{dentist.id}' FOR UPDATE")  # noqa: S608  # an id of ours
            giving = asyncio.create_task(
                made[0].cluster.ownership.hand_over([DentistId(ProfileId(dentist.id))])
            )
            until = time.monotonic() + 2 * LEASE_S
            while time.monotonic() < until:
                assert made[0].cluster.membership.lease_is_held
                await asyncio.sleep(0.05)
        await asyncio.gather(giving, return_exceptions=True)
        assert (made[0].id, made[0].cluster.membership.incarnations) == (life, incarnations)
        slot = made[1].clinic.slot("09:00", dentist=dentist)
        await book_when_possible(made[1], made[1].clinic.patients[0], slot, key="after")


# --- Redis -----------------------------------------------------------------------------------


@pytest.mark.long
async def test_a_slow_redis_only_delays_remote_screens(
    postgres_template: Template, valkey: ValkeyServer, tmp_path: Path
) -> None:
    async with two(postgres_template, tmp_path, valkey, to="redis") as pair:
        clinic = pair.near.clinic
        dentist = clinic.dentists[0]
        here, there = await pair.far.clinic.screen(dentist), await clinic.screen(dentist)
        pair.wire.delay_s = 0.8
        for turn, node in enumerate((pair.near, pair.far) * 2):
            began_s = time.monotonic()
            row = await node.clinic.book(clinic.patients[turn], f"{8 + turn:02}:00")
            assert time.monotonic() - began_s < AT_ONCE_S
            for screen in (here, there):
                await screen.event("appointment.created", LATE_S, id=row["id"])
        pair.wire.delay_s = 0.0
        await stream_recovers(pair.both, here, pair.near)


async def test_entries_that_redis_dropped_are_read_from_the_log(
    postgres_template: Template, valkey: ValkeyServer, tmp_path: Path
) -> None:
    """More comes than the stream keeps, while one node reads slowly."""
    async with two(postgres_template, tmp_path, valkey, to="redis") as pair:
        clinic = pair.near.clinic
        dentist = await make_owner(pair.both, pair.near)
        screen = await pair.far.clinic.screen(dentist)
        stream = pair.near.running.hub.core.base.config.redis.stream
        pair.wire.stall(up=False)
        booked = []
        for turn in range(4):
            row = await clinic.book(clinic.patients[turn], f"{8 + turn:02}:00", dentist=dentist)
            booked.append(row["id"])
        await pair.near.cluster.node.writer.flush()
        assert valkey.execute("XTRIM", stream, "MAXLEN", "0")
        pair.wire.flow()
        for each in booked:
            await screen.event("appointment.created", LATE_S, id=each)
        await stream_recovers(pair.both, screen, pair.near, dentist)


async def test_a_very_large_event_is_as_fast_as_a_small_one(
    postgres_template: Template, valkey: ValkeyServer, tmp_path: Path
) -> None:
    """A dentist's schedule with an exception for each day of a year."""
    patient = {"lease_s": 6.0, "renew_s": 2.0}  # a thousand windows are checked in one go
    async with nodes(postgres_template, tmp_path, valkey, 2, **patient) as made:
        dentist = made[0].clinic.dentists[0]
        screen = await made[1].clinic.screen(dentist)
        windows = [{"start": f"{h:02}:00", "end": f"{h:02}:50"} for h in range(6, 20)]
        overrides = [
            {"date": f"{year}-{month:02}-{day:02}", "windows": windows}
            for year in (2031,)
            for month in range(1, 13)
            for day in range(1, 29)
        ]
        saved = (
            await made[0]
            .clinic.api(dentist)
            .put(f"/api/availability/{dentist.id}", schedule("UTC", overrides=overrides))
        )
        assert saved.status == 200, saved.body
        await screen.event("availability.updated", 2.0)
