"""Who shares this database: leases, by the database's own time (DESIGN §9; PostgreSQL only).

A node is alive for as long as its row is there. Its lease may have ended unnoticed; only
when another node *buries* it, which takes the row away under a lock, may anybody take what
it owned. So there is no moment in which two nodes both have a lease on a calendar, and a
node whose renewal finds no row knows that it has nothing left.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import (
    BindParameter,
    Float,
    bindparam,
    delete,
    func,
    insert,
    literal_column,
    select,
    update,
)
from sqlalchemy.dialects import postgresql

from actors.domain.ids import DentistId
from actors.ports.clock import Clock
from actors.ports.events import EventRecord
from store.postgres.connect import connector
from store.postgres.opening import asyncpg_dialect
from store.postgres.transaction import PostgresConnection
from store.postgres.writer import PostgresWriters
from store.settings import DatabaseSettings
from store.sql.prepared import Done, Plan, Statement, Step, once
from store.sql.schema import calendars, cluster, nodes
from store.sql.writer import Writer, WriterContext, single_job

_NOW: Any = literal_column("clock_timestamp()")
_LEFT: Any = literal_column("extract(epoch FROM lease_until - clock_timestamp())::float8")
_QUEUED_MAX = 64

LONGEST_LEASE_S = 60.0
"""No node may ask for more."""


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
    """By the database's clock, when this was read."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Roster:
    """All nodes, by id, as one transaction saw them."""

    epoch: int
    """Raised whenever a node comes, goes, or begins to leave."""
    nodes: tuple[Node, ...]
    buried: tuple[str, ...] = ()
    """Whom this transaction found dead."""


class Nodes:
    """Every method is one transaction; raises what :meth:`~store.sql.writer.Writer.run` raises."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._sql = _NodeStatements()

    async def join(self, node: Node, *, lease_s: float, fresh_key: str) -> tuple[Roster, str]:
        """Be one of them; also answers the key they sign with (``fresh_key``, if none is yet)."""
        return await self._writer.run(
            single_job(lambda: _join(node, lease_s, fresh_key, self._sql))
        )

    async def renew(self, node_id: str, *, lease_s: float, bury: bool) -> Roster | None:
        """``None``: the node was buried. ``bury`` takes the rows of others whose lease ended, and
        shortens those that last longer than any may: the clock was set back since."""
        return await self._writer.run(single_job(lambda: _renew(node_id, lease_s, bury, self._sql)))

    async def begin_to_leave(self, node_id: str) -> None:
        """Nothing is placed there any more; what it owns it still owns."""
        await self._writer.run(
            single_job(lambda: _change(once(self._sql.leave, me=node_id), self._sql))
        )

    async def leave(self, node_id: str) -> None:
        """Whatever it still owned is anybody's from now on."""
        await self._writer.run(
            single_job(lambda: _change(once(self._sql.remove, me=node_id), self._sql))
        )

    async def owned_by(self, node_id: str) -> Sequence[DentistId]:
        return await self._writer.run(single_job(lambda: _owned(node_id, self._sql)))

    async def release(self, node_id: str, dentist_ids: Sequence[DentistId]) -> Sequence[DentistId]:
        """Give calendars up, raising their fences; answers those that were the node's."""
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
    node: Node, lease_s: float, key: str, sql: "_NodeStatements"
) -> Plan[Done[tuple[Roster, str]]]:
    yield once(sql.found, key=key)
    yield once(
        sql.join,
        me=node.id,
        name=node.name,
        address=node.address,
        version=node.version,
        lease_s=lease_s,
    )
    yield once(sql.turn_page)
    roster = yield from _roster(sql, ())
    ((common,),) = yield once(sql.key)
    return Done((roster, common))


def _renew(
    node_id: str, lease_s: float, bury: bool, sql: "_NodeStatements"
) -> Plan[Done[Roster | None]]:
    if not (yield once(sql.renew, me=node_id, lease_s=lease_s)):
        return Done(None)
    buried: tuple[str, ...] = ()
    if bury:
        buried = tuple(row[0] for row in (yield once(sql.bury)))
        if buried:
            yield once(sql.turn_page)
    roster = yield from _roster(sql, buried)
    if bury and any(node.lease_left_s > LONGEST_LEASE_S for node in roster.nodes):
        yield once(sql.shorten, longest_s=LONGEST_LEASE_S, lease_s=lease_s)
    return Done(roster)


def _change(step: Step, sql: "_NodeStatements") -> Plan[Done[None]]:
    if (yield step):
        yield once(sql.turn_page)
    return Done(None)


def _roster(sql: "_NodeStatements", buried: tuple[str, ...]) -> Plan[Roster]:
    ((epoch,),) = yield once(sql.epoch)
    rows = yield once(sql.roster)
    found = tuple(
        Node(
            id=row[0],
            name=row[1],
            address=row[2],
            version=row[3],
            leaving=row[4] == "leaving",
            lease_left_s=row[5],
        )
        for row in rows
    )
    return Roster(epoch=epoch, nodes=found, buried=buried)


def _owned(node_id: str, sql: "_NodeStatements") -> Plan[Done[Sequence[DentistId]]]:
    rows = yield once(sql.owned, me=node_id)
    return Done(tuple(DentistId(row[0]) for row in rows))


def _release(
    node_id: str, dentist_ids: Sequence[DentistId], sql: "_NodeStatements"
) -> Plan[Done[Sequence[DentistId]]]:
    rows = yield Step(sql.release, [{"me": node_id, "dentist": each} for each in dentist_ids])
    return Done(tuple(DentistId(row[0]) for row in rows))


class _NodeStatements:
    def __init__(self) -> None:
        n, k, c = nodes.c, cluster.c, calendars.c
        dialect = asyncpg_dialect()
        me: BindParameter[str] = bindparam("me")
        zeros: list[Any] = [literal_column("0")] * 6
        lease = _NOW + func.make_interval(*zeros, bindparam("lease_s", type_=Float))
        longest = _NOW + func.make_interval(*zeros, bindparam("longest_s", type_=Float))
        founding = postgresql.insert(cluster).values(
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
        self.found = Statement(founding.on_conflict_do_nothing(), dialect)
        self.join = Statement(joining, dialect)
        self.renew = Statement(renewing.returning(n.id), dialect)
        shortening = update(nodes).where(n.lease_until > longest).values(lease_until=lease)
        self.shorten = Statement(shortening, dialect)
        self.bury = Statement(delete(nodes).where(n.id.in_(lapsed)).returning(n.id), dialect)
        self.leave = Statement(leaving.returning(n.id), dialect)
        self.remove = Statement(delete(nodes).where(n.id == me).returning(n.id), dialect)
        self.turn_page = Statement(
            update(cluster).values(epoch=k.epoch + literal_column("1")), dialect
        )
        self.epoch = Statement(select(k.epoch), dialect)
        self.key = Statement(select(k.key), dialect)
        self.roster = Statement(
            select(n.id, n.name, n.address, n.version, n.state, _LEFT).order_by(n.id), dialect
        )
        self.owned = Statement(select(c.dentist_id).where(c.owner == me), dialect)
        self.release = Statement(freed.returning(c.dentist_id), dialect)
