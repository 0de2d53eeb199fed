"""Opens the store on SQLite or PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache

from sqlalchemy import select
from sqlalchemy.dialects import sqlite

from actors.domain.message import MessageChannel
from actors.ports.appointments import Appointments
from actors.ports.calendars import CalendarStore
from actors.ports.clock import Clock, NewId
from actors.ports.commits import RecordStore
from actors.ports.consents import ConsentReads
from actors.ports.events import EventLog, EventPublisher
from actors.ports.practices import PracticeReads
from actors.ports.profiles import Profiles
from actors.ports.rendering import Render
from actors.ports.sign_in import (
    AccountStore,
    InvitationStore,
    MailCodeStore,
    PasskeyStore,
    ProviderStore,
    RegistrationStore,
    SessionStore,
    SigningKeyStore,
)
from store.commit.event_rows import CommitContext
from store.migrations.migrate import check_schema
from store.postgres.opening import asyncpg_dialect, open_postgres
from store.repositories.appointments import AppointmentRepository
from store.repositories.calendars import CalendarRepository
from store.repositories.consents import ConsentRepository
from store.repositories.event_log import EventRepository
from store.repositories.messages import MessageRepository
from store.repositories.practices import PracticeRepository
from store.repositories.profiles import ProfileRepository
from store.repositories.records import RecordRepository
from store.repositories.registrations import RegistrationRepository
from store.repositories.reminders import ReminderRepository
from store.repositories.retention import RetentionRepository
from store.repositories.sign_in import (
    AccountRepository,
    SessionRepository,
    SigningKeyRepository,
)
from store.repositories.visit_links import VisitLinkRepository
from store.repositories.ways_in import (
    InvitationRepository,
    MailCodeRepository,
    PasskeyRepository,
    ProviderRepository,
)
from store.repositories.webhooks import WebhookRepository
from store.settings import DatabaseSettings
from store.sql.prepared import once
from store.sql.readers import Readers
from store.sql.schema import hub
from store.sql.write_statements import WriteStatements
from store.sql.writer import (
    QUEUED_JOBS_MAX,
    OnCommit,
    Writer,
    WriterContext,
    WriterStats,
    step_job,
)
from store.sqlite.opening import open_sqlite


@dataclass(frozen=True, kw_only=True, slots=True)
class Store:
    """The repositories of one database; made by :func:`open_store`."""

    calendars: CalendarStore
    records: RecordStore
    appointments: Appointments
    profiles: Profiles
    practices: PracticeReads
    events: EventLog
    webhooks: WebhookRepository
    consents: ConsentReads
    messages: MessageRepository
    reminders: ReminderRepository
    visit_links: VisitLinkRepository
    sessions: SessionStore
    accounts: AccountStore
    invitations: InvitationStore
    passkeys: PasskeyStore
    mail_codes: MailCodeStore
    registrations: RegistrationStore
    providers: ProviderStore
    signing_keys: SigningKeyStore
    retention: RetentionRepository
    stats: WriterStats
    _writer: Writer
    _readers: Readers
    _sql: WriteStatements

    async def ping(self) -> None:
        """Check that the database can be read and written. Raises StoreUnavailable."""
        async with self._readers.hub() as connection:
            await connection.execute(select(hub.c.first_epoch))
        await self._writer.run(step_job(once(self._sql.lock_hub)))


@cache
def _statements(engine: str) -> WriteStatements:
    """Statements depend on the dialect only, so they are built once in a process."""
    return WriteStatements(asyncpg_dialect() if engine == "postgresql" else sqlite.dialect())


@asynccontextmanager
async def open_store(
    settings: DatabaseSettings,
    *,
    render: Render,
    publisher: EventPublisher,
    new_id: NewId,
    clock: Clock,
    region: str = "",
    message_channels: frozenset[MessageChannel] = frozenset(),
    on_commit: OnCommit | None = None,
    queued_jobs_max: int = QUEUED_JOBS_MAX,
) -> AsyncIterator[Store]:
    """A store over a migrated database, until the block ends.

    ``render`` and ``new_id`` are called where the engine writes (on SQLite in the writer's
    thread), ``publisher`` and ``on_commit`` on the event loop. ``region`` is the country whose
    telephone numbers need no country code in a search. ``message_channels``: by which patients get
    messages about their visits. Leaving the block commits what
    waits, answers every caller and releases the lock.

    Raises UnusableDatabaseUrl, DatabaseInUse (a SQLite file; it names the holder),
    SchemaTooOld, SchemaTooNew, StoreUnavailable.
    """
    writing = WriterContext(
        publisher=publisher, clock=clock, on_commit=on_commit, queued_jobs_max=queued_jobs_max
    )
    schema_version = await asyncio.to_thread(check_schema, settings.url)
    sql = _statements(settings.engine)
    opening = (
        open_postgres(settings, writing)
        if settings.engine == "postgresql"
        else open_sqlite(settings, writing, schema_version)
    )
    async with opening as (writer, readers):
        # SQLite's writer goes first: it creates the files that readers cannot.
        await writer.run(step_job(once(sql.lock_hub)))
        commits = CommitContext(
            sql=sql, render=render, new_id=new_id, message_channels=message_channels
        )
        yield store_over(writer, readers, commits, clock=clock, stats=writing.stats, region=region)


def store_over(
    writer: Writer,
    readers: Readers,
    commits: CommitContext,
    *,
    clock: Clock,
    stats: WriterStats,
    region: str = "",
) -> Store:
    """The repositories over the writer and the readers of any engine."""
    sql, new_id = commits.sql, commits.new_id
    return Store(
        calendars=CalendarRepository(writer, readers, commits, clock),
        records=RecordRepository(writer, commits),
        appointments=AppointmentRepository(readers, clock),
        practices=PracticeRepository(readers),
        profiles=ProfileRepository(writer, readers, sql, clock, region=region),
        events=EventRepository(writer, readers, sql, clock),
        webhooks=WebhookRepository(writer, readers, sql, new_id),
        consents=ConsentRepository(readers),
        messages=MessageRepository(writer, readers, commits, clock),
        reminders=ReminderRepository(writer, readers, commits),
        visit_links=VisitLinkRepository(writer, readers, sql),
        sessions=SessionRepository(writer, readers, sql),
        accounts=AccountRepository(writer, readers, sql),
        invitations=InvitationRepository(writer, readers, sql),
        passkeys=PasskeyRepository(writer, sql),
        mail_codes=MailCodeRepository(writer, readers, sql),
        registrations=RegistrationRepository(writer, readers, commits),
        providers=ProviderRepository(writer, readers, sql),
        signing_keys=SigningKeyRepository(writer, sql),
        retention=RetentionRepository(writer, sql),
        stats=stats,
        _writer=writer,
        _readers=readers,
        _sql=sql,
    )
