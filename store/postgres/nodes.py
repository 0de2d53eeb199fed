"""The nodes that share this database, and their leases (PostgreSQL only).

A node is alive as long as its row exists. When its lease has ended, another node may *evict*
it: delete the row under a lock. Only then are its calendars free. So two nodes never both have
a lease on a calendar, and a node whose renewal finds no row knows that it owns nothing more.
All times are those of the database's clock.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime

import sqlalchemy as sa

from actors.domain.ids import DentistId
from actors.ports.clock import Clock
from actors.ports.events import EventRecord
from store.postgres.connect import writing
from store.postgres.liveness import LOCKS_OF_NODES
from store.postgres.opening import asyncpg_dialect
from store.postgres.transaction import PostgresConnection
from store.postgres.writer import PostgresWriters
from store.settings import DatabaseSettings
from store.sql.prepared import ONE, Done, Plan, Statement, StatementSet, Step, execute, once
from store.sql.schema import calendars, cluster, nodes
from store.sql.writer import Writer, WriterContext, single_job

_NOW: sa.ColumnElement[datetime] = sa.literal_column("clock_timestamp()")
_LEFT_S: sa.ColumnElement[float] = sa.literal_column(
    "extract(epoch FROM lease_until - clock_timestamp())::float8"
)
_ME: sa.BindParameter[str] = sa.bindparam("me")
_QUEUED_MAX = 64

LONGEST_LEASE_S = 60.0
"""The longest lease that a node may have."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    """One life of one hub process."""

    id: str
    name: str
    address: str
    """Where the other nodes reach it, e.g. ``http://10.0.0.7:8090``."""
    version: str
    leaving: bool = False
    lease_left_s: float = 0.0
    """When this was read."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Roster:
    """All nodes, by id, as one transaction saw them."""

    epoch: int
    """Raised whenever a node joins, leaves, or begins to leave."""
    nodes: tuple[Node, ...]
    evicted: tuple[str, ...] = ()
    """The nodes that this transaction evicted."""


class _NodeStatements(StatementSet):
    def __init__(self) -> None:
        super().__init__(asyncpg_dialect())
        self._membership()
        self._calendars()

    def _membership(self) -> None:
        n, k = nodes.c, cluster.c
        this = n.id == _ME
        zeros: list[sa.ColumnElement[int]] = [sa.literal_column("0")] * 6
        lease = _NOW + sa.func.make_interval(*zeros, sa.bindparam("lease_s", type_=sa.Float))
        longest = _NOW + sa.func.make_interval(*zeros, sa.bindparam("longest_s", type_=sa.Float))
        founding = self._upsert(cluster).values(
            id=ONE, epoch=sa.literal_column("0"), key=sa.bindparam("key")
        )
        self.create_cluster = self._build(founding.on_conflict_do_nothing())
        joining = sa.insert(nodes).values(
            id=_ME,
            name=sa.bindparam("name"),
            address=sa.bindparam("address"),
            version=sa.bindparam("version"),
            state=sa.literal_column("'live'"),
            joined_at=_NOW,
            lease_until=lease,
        )
        self.join = self._build(joining)
        renewing = sa.update(nodes).values(lease_until=lease)
        self.renew = self._build(renewing.where(this).returning(n.id))
        self.shorten = self._build(renewing.where(n.lease_until > longest))
        lapsed = sa.select(n.id).where(n.lease_until <= _NOW).with_for_update(skip_locked=True)
        self.evict = self._build(sa.delete(nodes).where(n.id.in_(lapsed)).returning(n.id))
        lock = sa.func.pg_try_advisory_xact_lock_shared(
            sa.literal_column(str(LOCKS_OF_NODES)), sa.func.hashtext(n.id)
        )
        crashed = sa.delete(nodes).where(n.id == sa.bindparam("crashed"), lock)
        self.evict_crashed = self._build(crashed.returning(n.id))
        leaving = sa.update(nodes).where(this).values(state=sa.literal_column("'leaving'"))
        self.leave = self._build(leaving.returning(n.id))
        self.remove = self._build(sa.delete(nodes).where(this).returning(n.id))
        self.raise_epoch = self._build(sa.update(cluster).values(epoch=k.epoch + ONE))
        self.epoch = self._build(sa.select(k.epoch))
        self.key = self._build(sa.select(k.key))
        self.roster = self._build(
            sa.select(n.id, n.name, n.address, n.version, n.state, _LEFT_S).order_by(n.id)
        )

    def _calendars(self) -> None:
        c = calendars.c
        mine = c.owner == _ME
        self.owned = self._build(sa.select(c.dentist_id).where(mine))
        giving_up = sa.update(calendars).where(c.dentist_id == sa.bindparam("dentist"), mine)
        freed = giving_up.values(owner=sa.literal_column("NULL"), fence=c.fence + ONE)
        self.release = self._build(freed.returning(c.dentist_id))


class Nodes:
    """The table of nodes. Every method is one transaction and raises as ``Writer.run`` does."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._sql = _NodeStatements()

    async def join(self, node: Node, *, lease_s: float, fresh_key: str) -> tuple[Roster, str]:
        """Add a node. Also answers the key that all nodes sign with: ``fresh_key``, if there
        is none yet."""
        return await self._writer.run(single_job(lambda: self._join(node, lease_s, fresh_key)))

    async def renew(
        self, node_id: str, *, lease_s: float, evict: bool, crashed: Sequence[str] = ()
    ) -> Roster | None:
        """Renew the lease; ``None`` if the node was evicted.

        ``evict`` evicts other nodes whose lease has ended. It also shortens leases that are
        longer than any may be, because the clock was set back since. ``crashed`` nodes are
        evicted if the lock of their process is still free.
        """
        return await self._writer.run(
            single_job(lambda: self._renew(node_id, lease_s, evict, crashed))
        )

    async def begin_to_leave(self, node_id: str) -> None:
        """No further calendar is placed on the node; it keeps those it owns."""
        await self._change(self._sql.leave, node_id)

    async def leave(self, node_id: str) -> None:
        """Remove the node; calendars that it still owned are free."""
        await self._change(self._sql.remove, node_id)

    async def owned_by(self, node_id: str) -> Sequence[DentistId]:
        owned = once(self._sql.owned, me=node_id)
        return await self._writer.run(single_job(lambda: _dentists(owned)))

    async def release(self, node_id: str, dentist_ids: Sequence[DentistId]) -> Sequence[DentistId]:
        """Give up calendars and raise their fences; answers those that the node owned."""
        released = Step(self._sql.release, [{"me": node_id, "dentist": n} for n in dentist_ids])
        job = single_job(lambda: _dentists(released), declares=tuple(dentist_ids))
        return await self._writer.run(job)

    async def _change(self, statement: Statement, node_id: str) -> None:
        def plan() -> Plan[Done[None]]:
            if (yield from execute(statement, me=node_id)):
                yield from execute(self._sql.raise_epoch)
            return Done(None)

        await self._writer.run(single_job(plan))

    # --- plans -------------------------------------------------------------------------

    def _join(self, node: Node, lease_s: float, key: str) -> Plan[Done[tuple[Roster, str]]]:
        sql = self._sql
        yield from execute(sql.create_cluster, key=key)
        yield from execute(
            sql.join,
            me=node.id,
            name=node.name,
            address=node.address,
            version=node.version,
            lease_s=lease_s,
        )
        yield from execute(sql.raise_epoch)
        roster = yield from self._roster(())
        ((common,),) = yield from execute(sql.key)
        return Done((roster, common))

    def _renew(
        self, node_id: str, lease_s: float, evict: bool, crashed: Sequence[str]
    ) -> Plan[Done[Roster | None]]:
        sql = self._sql
        if not (yield from execute(sql.renew, me=node_id, lease_s=lease_s)):
            return Done(None)
        evicted: list[str] = []
        if crashed:
            gone = Step(sql.evict_crashed, [{"crashed": each} for each in crashed])
            evicted += [row[0] for row in (yield (gone,))[0]]
        if evict:
            evicted += [row[0] for row in (yield from execute(sql.evict))]
        if evicted:
            yield from execute(sql.raise_epoch)
        roster = yield from self._roster(tuple(evicted))
        if evict and any(node.lease_left_s > LONGEST_LEASE_S for node in roster.nodes):
            yield from execute(sql.shorten, longest_s=LONGEST_LEASE_S, lease_s=lease_s)
        return Done(roster)

    def _roster(self, evicted: tuple[str, ...]) -> Plan[Roster]:
        ((epoch,),), rows = yield (once(self._sql.epoch), once(self._sql.roster))
        found = tuple(
            Node(
                id=id_,
                name=name,
                address=address,
                version=version,
                leaving=state == "leaving",
                lease_left_s=left_s,
            )
            for id_, name, address, version, state, left_s in rows
        )
        return Roster(epoch=epoch, nodes=found, evicted=evicted)


def _dentists(step: Step) -> Plan[Done[Sequence[DentistId]]]:
    (rows,) = yield (step,)
    return Done(tuple(DentistId(row[0]) for row in rows))


@asynccontextmanager
async def open_nodes(
    settings: DatabaseSettings, clock: Clock, *, renew_s: float
) -> AsyncIterator[Nodes]:
    """The table of nodes, on a connection of its own: no renewal waits behind bookings.

    A transaction that hangs is given up before the next renewal is due, ``renew_s`` later.
    """
    within_ms = max(500, int(renew_s * 500))
    short = replace(settings, lock_timeout_ms=within_ms, statement_timeout_ms=within_ms)
    connect = writing(short, connect_timeout_s=max(1.0, renew_s / 2), silence_ms=within_ms // 2)
    writer = PostgresWriters(
        lambda: PostgresConnection(connect, short),
        WriterContext(publisher=_NoEvents(), clock=clock, queued_jobs_max=_QUEUED_MAX),
        workers=1,
    )
    try:
        yield Nodes(writer)
    finally:
        await writer.close()


class _NoEvents:
    def publish(self, records: Sequence[EventRecord]) -> None:
        assert not records, "membership has no events"
