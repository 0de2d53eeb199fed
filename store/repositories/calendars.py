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
from store.commit.moves import declared_by
from store.commit.opening import Opening, open_calendars, view_calendars
from store.sql.codec import APPOINTMENT, APPOINTMENT_TYPE, STORED_REPLY
from store.sql.readers import Lookup, Readers
from store.sql.schema import IS_HELD, appointment_types, appointments, idempotency_keys
from store.sql.writer import Job, Writer


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
        self._open_all = partial(open_calendars, sql=context.sql)
        self._view_all = partial(view_calendars, sql=context.sql)

    async def open(
        self, dentist_id: DentistId, *, live_after: datetime, owner: str | None = None
    ) -> LoadedCalendar | None:
        opening = Opening(dentist_id, live_after, self._clock.now(), owner)
        return await self._writer.run(
            Job(plan=self._open_all, input=opening, declares=(dentist_id,))
        )

    async def view(self, dentist_id: DentistId, *, live_after: datetime) -> LoadedCalendar | None:
        opening = Opening(dentist_id, live_after, self._clock.now())
        return await self._writer.run(
            Job(plan=self._view_all, input=opening, declares=(dentist_id,))
        )

    async def commit(self, commit: CalendarCommit) -> Committed:
        return await self._writer.run(
            Job(
                plan=self._commit_all,
                input=commit,
                turns=len(commit.turns),
                declares=(commit.dentist_id, *declared_by(commit)),
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
