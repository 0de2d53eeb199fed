"""The way into the store: one function, whatever the engine."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.dialects import sqlite

from actors.ports.appointments import Appointments
from actors.ports.calendars import CalendarStore
from actors.ports.clock import Clock, NewId
from actors.ports.events import EventLog, Outbox
from actors.ports.profiles import Profiles
from actors.ports.records import RecordStore
from actors.ports.rendering import Render
from store.commit.committer import CommitContext
from store.postgres.connect import PostgresSettings
from store.postgres.opening import asyncpg_dialect, open_postgres
from store.repositories.appointments import AppointmentReads
from store.repositories.calendars import Calendars
from store.repositories.event_log import Events
from store.repositories.profiles import ProfileReads
from store.repositories.records import Records
from store.repositories.retention import Retention
from store.repositories.webhooks import Webhooks
from store.sql.lockfile import exclusive
from store.sql.prepared import Done, Plan, once
from store.sql.readers import Readers
from store.sql.schema import hub
from store.sql.url import is_postgresql, parse_url, sqlite_path
from store.sql.write_statements import Sql
from store.sql.writer import Job, OnCommit, Writer, WriterStats
from store.sqlite.errors import is_temporary
from store.sqlite.readers import become, callers_engine, reading_engine
from store.sqlite.writer import QUEUED_JOBS_MAX, Lane
from store.transfer.migrate import check_schema


@dataclass(frozen=True, kw_only=True, slots=True)
class Store:
    """The repositories over one database; made by :func:`open_store`."""

    calendars: CalendarStore
    records: RecordStore
    appointments: Appointments
    profiles: Profiles
    events: EventLog
    webhooks: Webhooks
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
    yield once(sql.lock_hub)
    return Done(None)


@cache
def _statements(*, on_postgresql: bool) -> Sql:
    """They know nothing of a database but its dialect: whoever opens many builds them once."""
    return Sql(asyncpg_dialect() if on_postgresql else sqlite.dialect())


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
    postgres: PostgresSettings | None = None,
) -> AsyncIterator[Store]:
    """A database that was migrated (``store.migrate``), open until the block ends.

    ``render`` and ``new_id`` are called where the engine writes (on SQLite in the writer's
    thread), ``outbox`` and ``on_commit`` on the loop. ``busy_timeout_ms`` bounds every wait
    for a lock. Leaving the block finishes what waits, answers everyone and gives the lock
    back.

    Raises UnusableDatabaseUrl, DatabaseInUse (a SQLite file; it names the holder),
    SchemaTooOld, SchemaTooNew, StoreUnavailable.
    """
    on_postgresql = is_postgresql(parse_url(url))
    async with AsyncExitStack() as stack:
        schema_version = await asyncio.to_thread(check_schema, url)
        if on_postgresql:
            settings = replace(
                postgres or PostgresSettings(),
                readers=read_pool_size,
                lock_timeout_ms=busy_timeout_ms,
            )
            opening = open_postgres(
                url,
                settings,
                outbox=outbox,
                clock=clock,
                queued_jobs_max=queued_jobs_max,
                on_commit=on_commit,
            )
            writer, readers = await stack.enter_async_context(opening)
        else:
            writer, readers = await stack.enter_async_context(
                _open_sqlite(
                    sqlite_path(parse_url(url)),
                    schema_version=schema_version,
                    outbox=outbox,
                    clock=clock,
                    read_pool_size=read_pool_size,
                    busy_timeout_ms=busy_timeout_ms,
                    queued_jobs_max=queued_jobs_max,
                    on_commit=on_commit,
                )
            )
        sql = _statements(on_postgresql=on_postgresql)
        context = CommitContext(sql=sql, render=render, new_id=new_id)
        store = _assemble(writer, readers, context, clock)
        # SQLite's writer opens first: it makes the files that readers cannot.
        await writer.run(Job(plan=lambda: _nothing(store._sql)))
        yield store


@asynccontextmanager
async def _open_sqlite(
    path: Path,
    *,
    schema_version: str,
    outbox: Outbox,
    clock: Clock,
    read_pool_size: int,
    busy_timeout_ms: int,
    queued_jobs_max: int,
    on_commit: OnCommit | None,
) -> AsyncIterator[tuple[Writer, Readers]]:
    async with AsyncExitStack() as stack:
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
        readers = Readers(callers=callers, hub=own, become=become, is_temporary=is_temporary)
        yield writer, readers


def _assemble(writer: Writer, readers: Readers, context: CommitContext, clock: Clock) -> Store:
    sql = context.sql
    return Store(
        calendars=Calendars(writer, readers, context, clock),
        records=Records(writer, context),
        appointments=AppointmentReads(readers, clock),
        profiles=ProfileReads(writer, readers, sql, clock),
        events=Events(writer, readers, sql),
        webhooks=Webhooks(writer, readers, sql, context.new_id),
        retention=Retention(writer, sql),
        _writer=writer,
        _readers=readers,
        _sql=sql,
    )
