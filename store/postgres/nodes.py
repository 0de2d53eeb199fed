"""The nodes that share this database, and their leases (PostgreSQL only).

A node is alive as long as its row exists. When its lease has ended, another node may *bury*
it: delete the row under a lock. Only then are its calendars free. So two nodes never both have
a lease on a calendar, and a node whose renewal finds no row knows that it owns nothing more.
All times are those of the database's clock.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Float,
    bindparam,
    delete,
    func,
    insert,
    literal_column,
    select,
    update,
)

from actors.domain.ids import DentistId
from actors.ports.clock import Clock
from actors.ports.events import EventRecord
from store.postgres.connect import connector
from store.postgres.opening import asyncpg_dialect
from store.postgres.transaction import PostgresConnection
from store.postgres.writer import PostgresWriters
from store.settings import DatabaseSettings
from store.sql.prepared import Done, Plan, StatementSet, Step, once
from store.sql.schema import calendars, cluster, nodes
from store.sql.writer import Writer, WriterContext, single_job

_NOW: ColumnElement[datetime] = literal_column("clock_timestamp()")
_LEFT_S: ColumnElement[float] = literal_column(
    "extract(epoch FROM lease_until - clock_timestamp())::float8"
)
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
    buried: tuple[str, ...] = ()
    """The nodes that this transaction buried."""


class _NodeStatements(StatementSet):
    def __init__(self) -> None:
        super().__init__(asyncpg_dialect())
        n, k, c = nodes.c, cluster.c, calendars.c
        me: BindParameter[str] = bindparam("me")
        zeros: list[ColumnElement[int]] = [literal_column("0")] * 6
        lease = _NOW + func.make_interval(*zeros, bindparam("lease_s", type_=Float))
        longest = _NOW + func.make_interval(*zeros, bindparam("longest_s", type_=Float))
        founding = self._upsert(cluster).values(
            id=literal_column("1"), epoch=literal_column("0"), key=bindparam("key")
        )
        joining = insert(nodes).values(
            id=me,
            name=bindparam("name"),
            address=bindparam("address"),
            version=bindparam("version"),
            state=literal_column("'live'"),
            joined_at=_NOW,
            lease_until=lease,
        )
        lapsed = select(n.id).where(n.lease_until <= _NOW).with_for_update(skip_locked=True)
        leaving = update(nodes).where(n.id == me).values(state=literal_column("'leaving'"))
        giving_up = update(calendars).where(c.dentist_id == bindparam("dentist"), c.owner == me)
        freed = giving_up.values(owner=literal_column("NULL"), fence=c.fence + literal_column("1"))
        renewing = update(nodes).where(n.id == me).values(lease_until=lease)
        self.create_cluster = self._build(founding.on_conflict_do_nothing())
        self.join = self._build(joining)
        self.renew = self._build(renewing.returning(n.id))
        shortening = update(nodes).where(n.lease_until > longest).values(lease_until=lease)
        self.shorten = self._build(shortening)
        self.bury = self._build(delete(nodes).where(n.id.in_(lapsed)).returning(n.id))
        self.leave = self._build(leaving.returning(n.id))
        self.remove = self._build(delete(nodes).where(n.id == me).returning(n.id))
        self.raise_epoch = self._build(update(cluster).values(epoch=k.epoch + literal_column("1")))
        self.epoch = self._build(select(k.epoch))
        self.key = self._build(select(k.key))
        self.roster = self._build(
            select(n.id, n.name, n.address, n.version, n.state, _LEFT_S).order_by(n.id)
        )
        self.owned = self._build(select(c.dentist_id).where(c.owner == me))
        self.release = self._build(freed.returning(c.dentist_id))


class Nodes:
    """The table of nodes. Every method is one transaction and raises as ``Writer.run`` does."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._sql = _NodeStatements()

    async def join(self, node: Node, *, lease_s: float, fresh_key: str) -> tuple[Roster, str]:
        """Add a node. Also answers the key that all nodes sign with: ``fresh_key``, if there
        is none yet."""
        return await self._writer.run(
            single_job(lambda: _join(node, lease_s, fresh_key, self._sql))
        )

    async def renew(self, node_id: str, *, lease_s: float, bury: bool) -> Roster | None:
        """Renew the lease; ``None`` if the node was buried.

        ``bury`` buries other nodes whose lease has ended. It also shortens leases that are
        longer than any may be, because the clock was set back since.
        """
        return await self._writer.run(single_job(lambda: _renew(node_id, lease_s, bury, self._sql)))

    async def begin_to_leave(self, node_id: str) -> None:
        """No further calendar is placed on the node; it keeps those it owns."""
        await self._writer.run(
            single_job(lambda: _change(once(self._sql.leave, me=node_id), self._sql))
        )

    async def leave(self, node_id: str) -> None:
        """Remove the node; calendars that it still owned are free."""
        await self._writer.run(
            single_job(lambda: _change(once(self._sql.remove, me=node_id), self._sql))
        )

    async def owned_by(self, node_id: str) -> Sequence[DentistId]:
        return await self._writer.run(single_job(lambda: _owned(node_id, self._sql)))

    async def release(self, node_id: str, dentist_ids: Sequence[DentistId]) -> Sequence[DentistId]:
        """Give up calendars and raise their fences; answers those that the node owned."""
        return await self._writer.run(
            single_job(
                lambda: _release(node_id, dentist_ids, self._sql),
                declares=tuple(dentist_ids),
            )
        )


@asynccontextmanager
async def open_nodes(
    settings: DatabaseSettings, clock: Clock, *, renew_s: float
) -> AsyncIterator[Nodes]:
    """The table of nodes, on a connection of its own: no renewal waits behind bookings.

    A transaction that hangs is given up before the next renewal is due, ``renew_s`` later.
    """
    within_ms = max(500, int(renew_s * 500))
    short = replace(settings, lock_timeout_ms=within_ms, statement_timeout_ms=within_ms)
    connect = connector(short, connect_timeout_s=max(1.0, renew_s / 2), silence_ms=within_ms // 2)
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


# --- plans ---------------------------------------------------------------------------


def _join(
    node: Node, lease_s: float, key: str, sql: _NodeStatements
) -> Plan[Done[tuple[Roster, str]]]:
    yield once(sql.create_cluster, key=key)
    yield once(
        sql.join,
        me=node.id,
        name=node.name,
        address=node.address,
        version=node.version,
        lease_s=lease_s,
    )
    yield once(sql.raise_epoch)
    roster = yield from _roster(sql, ())
    ((common,),) = yield once(sql.key)
    return Done((roster, common))


def _renew(
    node_id: str, lease_s: float, bury: bool, sql: _NodeStatements
) -> Plan[Done[Roster | None]]:
    if not (yield once(sql.renew, me=node_id, lease_s=lease_s)):
        return Done(None)
    buried: tuple[str, ...] = ()
    if bury:
        buried = tuple(row[0] for row in (yield once(sql.bury)))
        if buried:
            yield once(sql.raise_epoch)
    roster = yield from _roster(sql, buried)
    if bury and any(node.lease_left_s > LONGEST_LEASE_S for node in roster.nodes):
        yield once(sql.shorten, longest_s=LONGEST_LEASE_S, lease_s=lease_s)
    return Done(roster)


def _change(step: Step, sql: _NodeStatements) -> Plan[Done[None]]:
    if (yield step):
        yield once(sql.raise_epoch)
    return Done(None)


def _roster(sql: _NodeStatements, buried: tuple[str, ...]) -> Plan[Roster]:
    ((epoch,),) = yield once(sql.epoch)
    rows = yield once(sql.roster)
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
    return Roster(epoch=epoch, nodes=found, buried=buried)


def _owned(node_id: str, sql: _NodeStatements) -> Plan[Done[Sequence[DentistId]]]:
    rows = yield once(sql.owned, me=node_id)
    return Done(tuple(DentistId(row[0]) for row in rows))


def _release(
    node_id: str, dentist_ids: Sequence[DentistId], sql: _NodeStatements
) -> Plan[Done[Sequence[DentistId]]]:
    rows = yield Step(sql.release, [{"me": node_id, "dentist": each} for each in dentist_ids])
    return Done(tuple(DentistId(row[0]) for row in rows))
