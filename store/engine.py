"""The way into the store: one function, whatever the engine."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.dialects import sqlite

from actors.ports import (
    Appointments,
    CalendarStore,
    Clock,
    EventLog,
    NewId,
    Outbox,
    Profiles,
    RecordStore,
    Render,
)
from store.appointments import AppointmentReads
from store.calendars import Calendars
from store.committer import CommitContext
from store.event_log import Events
from store.lane import QUEUED_JOBS_MAX, Lane
from store.lockfile import exclusive
from store.migrate import check_schema
from store.profiles import ProfileReads
from store.readers import Readers
from store.records import Records
from store.retention import Retention
from store.schema import hub
from store.sql import Sql
from store.sqlite_errors import is_temporary
from store.sqlite_readers import become, callers_engine, reading_engine
from store.statements import Done, Plan, once
from store.url import parse_url, sqlite_path
from store.writer import Job, OnCommit, Writer, WriterStats


@dataclass(frozen=True, kw_only=True, slots=True)
class Store:
    """The repositories over one database; made by :func:`open_store`."""

    calendars: CalendarStore
    records: RecordStore
    appointments: Appointments
    profiles: Profiles
    events: EventLog
    retention: Retention
    _writer: Writer
    _readers: Readers
    _sql: Sql

    @property
    def stats(self) -> WriterStats:
        return self._writer.stats

    async def ping(self) -> None:
        """Read, and take the write lock once. Raises StoreUnavailable."""
        async with self._readers.hub() as connection:
            await connection.execute(select(hub.c.first_epoch))
        await self._writer.run(Job(plan=lambda: _nothing(self._sql)))


def _nothing(sql: Sql) -> Plan[Done[None]]:
    yield once(sql.types)
    return Done(None)


@asynccontextmanager
async def open_store(
    url: str,
    *,
    render: Render,
    outbox: Outbox,
    new_id: NewId,
    clock: Clock,
    read_pool_size: int = 4,
    busy_timeout_ms: int = 5_000,
    queued_jobs_max: int = QUEUED_JOBS_MAX,
    on_commit: OnCommit | None = None,
) -> AsyncIterator[Store]:
    """A database that was migrated (``store.migrate``), open until the block ends.

    ``render`` and ``new_id`` are called in the writer's thread, ``outbox`` and
    ``on_commit`` on the loop. Leaving the block finishes what waits, answers everyone
    and gives the lock back.

    Raises UnusableDatabaseUrl, DatabaseInUse (it names the holder), SchemaTooOld,
    SchemaTooNew, StoreUnavailable.
    """
    path = sqlite_path(parse_url(url))
    async with AsyncExitStack() as stack:
        schema_version = await asyncio.to_thread(check_schema, url)
        stack.enter_context(exclusive(path))
        writer = Lane(
            path,
            schema_version=schema_version,
            outbox=outbox,
            clock=clock,
            busy_timeout_ms=busy_timeout_ms,
            queued_jobs_max=queued_jobs_max,
            on_commit=on_commit,
        )
        stack.push_async_callback(writer.close)
        writer.start()
        own = reading_engine(path, pool_size=read_pool_size, busy_timeout_ms=busy_timeout_ms)
        stack.push_async_callback(own.dispose)
        callers = callers_engine(path, pool_size=read_pool_size, busy_timeout_ms=busy_timeout_ms)
        stack.push_async_callback(callers.dispose)
        store = _assemble(
            writer,
            Readers(callers=callers, hub=own, become=become, is_temporary=is_temporary),
            CommitContext(sql=Sql(sqlite.dialect()), render=render, new_id=new_id),
            clock,
        )
        # The writer opens first (it makes the files that readers cannot), and says so now.
        await writer.run(Job(plan=lambda: _nothing(store._sql)))
        yield store


def _assemble(writer: Writer, readers: Readers, context: CommitContext, clock: Clock) -> Store:
    sql = context.sql
    return Store(
        calendars=Calendars(writer, readers, context, clock),
        records=Records(writer, context),
        appointments=AppointmentReads(readers, clock),
        profiles=ProfileReads(writer, readers, sql, clock),
        events=Events(writer, readers, sql),
        retention=Retention(writer, sql),
        _writer=writer,
        _readers=readers,
        _sql=sql,
    )
