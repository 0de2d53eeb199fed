"""The actors' side of the store: :class:`~actors.ports.calendars.CalendarStore`."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial

from sqlalchemy import select, tuple_

from actors.domain.appointment import Appointment, AppointmentType
from actors.domain.ids import AppointmentId, DentistId
from actors.ports.calendars import DueHold, LoadedCalendar, StoredReply
from actors.ports.clock import Clock
from actors.ports.commits import CalendarCommit, Committed, IdempotencyKey
from store.commit.committer import commit_calendars
from store.commit.event_rows import CommitContext
from store.commit.opening import open_calendar, view_calendar
from store.sql.codec import APPOINTMENT, APPOINTMENT_TYPE, STORED_REPLY
from store.sql.readers import Lookup, Readers
from store.sql.schema import IS_HELD, appointment_types, appointments, idempotency_keys
from store.sql.writer import Job, Writer, single_job


class CalendarRepository:
    def __init__(
        self, writer: Writer, readers: Readers, context: CommitContext, clock: Clock
    ) -> None:
        self._writer = writer
        self._readers = readers
        self._context = context
        self._clock = clock
        # One object for all jobs, so that writers combine them.
        self._commit_all = partial(commit_calendars, ctx=context)

    async def open(
        self, dentist_id: DentistId, *, live_after: datetime, owner: str | None = None
    ) -> LoadedCalendar | None:
        now, sql = self._clock.now(), self._context.sql
        plan = partial(
            open_calendar, dentist_id, live_after=live_after, now=now, sql=sql, owner=owner
        )
        return await self._writer.run(single_job(plan, declares=(dentist_id,)))

    async def view(self, dentist_id: DentistId, *, live_after: datetime) -> LoadedCalendar | None:
        now, sql = self._clock.now(), self._context.sql
        plan = partial(view_calendar, dentist_id, live_after=live_after, now=now, sql=sql)
        return await self._writer.run(single_job(plan, declares=(dentist_id,)))

    async def commit(self, commit: CalendarCommit) -> Committed:
        return await self._writer.run(
            Job(
                plan=self._commit_all,
                input=commit,
                turns=len(commit.turns),
                declares=(commit.dentist_id,),
            )
        )

    async def load_rows(
        self, dentist_id: DentistId, ids: Sequence[AppointmentId]
    ) -> Sequence[Appointment]:
        a = appointments.c
        query = (
            select(*APPOINTMENT.columns)
            .where(a.id.in_(ids), a.dentist_id == dentist_id)
            .order_by(a.starts_at, a.id)
        )
        async with self._readers.hub(Lookup(calendars=(dentist_id,))) as connection:
            return [APPOINTMENT.read(row) for row in await connection.execute(query)]

    async def load_types(self) -> Sequence[AppointmentType]:
        t = appointment_types.c
        query = select(*APPOINTMENT_TYPE.columns).order_by(t.name, t.id)
        async with self._readers.hub() as connection:
            return [APPOINTMENT_TYPE.read(row) for row in await connection.execute(query)]

    async def replies(self, keys: Sequence[IdempotencyKey]) -> Sequence[StoredReply]:
        k = idempotency_keys.c
        query = select(*STORED_REPLY.columns).where(
            tuple_(k.scope, k.key).in_([(key.scope, key.key) for key in keys])
        )
        scopes = tuple(sorted({key.scope for key in keys}))
        async with self._readers.hub(Lookup(scopes=scopes)) as connection:
            return [STORED_REPLY.read(row) for row in await connection.execute(query)]

    async def live_holds(self) -> Sequence[DueHold]:
        a = appointments.c
        query = select(a.expires_at, a.dentist_id, a.id).where(IS_HELD).order_by(a.expires_at)
        async with self._readers.hub() as connection:
            rows = await connection.execute(query)
            return [
                DueHold(expires_at=at, dentist_id=dentist_id, appointment_id=row_id)
                for at, dentist_id, row_id in rows
            ]
