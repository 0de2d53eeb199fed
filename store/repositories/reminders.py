"""Reminders: derived from the visits to come, and queued once each."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from actors.domain.appointment import Appointment, Status
from actors.domain.ids import AppointmentTypeId, PatientId, PracticeId
from actors.domain.message import OF_VISITS, REMINDERS, MessageChannel, MessageId, Recipient
from actors.domain.notices import is_worth_reminding, new_reminder
from actors.domain.principal import Role
from store.commit.event_rows import CommitContext
from store.sql.codec import APPOINTMENT, MESSAGE, recipient_of
from store.sql.prepared import Done, Plan, Step
from store.sql.readers import Lookup, Readers
from store.sql.schema import appointments, messages, practices, profiles
from store.sql.writer import Writer, single_job

_m = messages.c
_NOTICES: Final = [str(kind) for kind in sorted(OF_VISITS)]
_REMINDERS: Final = [str(kind) for kind in sorted(REMINDERS)]
_DENTISTS_AT_ONCE: Final = 200
_VISITS_AT_ONCE: Final = 500


class _Visit(NamedTuple):
    """A visit whose patient may be to be reminded."""

    row: Appointment
    noticed_at: datetime | None
    practice_id: PracticeId
    channel: MessageChannel | None


class ReminderRepository:
    """Implements ReminderQueue of :mod:`actors.ports.messages`."""

    def __init__(self, writer: Writer, readers: Readers, context: CommitContext) -> None:
        self._writer, self._readers, self._context = writer, readers, context

    async def remind(
        self,
        lead: timedelta,
        types: Collection[AppointmentTypeId],
        since: datetime,
        now: datetime,
        *,
        asks: bool = False,
    ) -> int:
        queued, after = 0, (since + lead, "")
        while page := await self._unreminded(lead, types, after, now + lead):
            due = [
                each
                for each in page
                if each.channel and is_worth_reminding(each.row, lead, each.noticed_at)
            ]
            queued += await self._queue_reminders(due, lead, now, asks=asks)
            after = (page[-1].row.start, page[-1].row.id)
        return queued

    async def _unreminded(
        self,
        lead: timedelta,
        types: Collection[AppointmentTypeId],
        after: tuple[datetime, str],
        until: datetime,
    ) -> Sequence[_Visit]:
        """A page of visits without this reminder, by start and id."""
        practices_of = await self._practices_of()
        found: list[tuple[Appointment, datetime | None]] = []
        every = sorted(practices_of)
        for first in range(0, len(every), _DENTISTS_AT_ONCE):
            dentists = tuple(every[first : first + _DENTISTS_AT_ONCE])
            async with self._readers.hub(Lookup(calendars=dentists)) as connection:
                rows = await connection.execute(_visits(dentists, types, lead, after, until))
                found += [(APPOINTMENT.read(row), row[-1]) for row in rows]
        found = sorted(found, key=lambda each: (each[0].start, each[0].id))[:_VISITS_AT_ONCE]
        patients = tuple(sorted({row.patient_id for row, _ in found}))
        recipients = await self._recipients(patients)
        offered = self._context.message_channels
        return [
            _Visit(
                row=row,
                noticed_at=noticed_at,
                practice_id=practices_of[row.dentist_id],
                channel=recipients[row.patient_id].channel(offered),
            )
            for row, noticed_at in found
        ]

    async def _practices_of(self) -> Mapping[str, PracticeId]:
        """Of all dentists who work at one."""
        d = profiles.c
        async with self._readers.hub() as connection:
            known = (await connection.execute(sa.select(practices.c.id))).scalars().all()
        working = sa.select(d.id, d.practice_id).where(
            d.role == Role.DENTIST.value, d.practice_id.in_(known)
        )
        async with self._readers.hub(Lookup(practices=tuple(known))) as connection:
            return {row.id: row.practice_id for row in await connection.execute(working)}

    async def _recipients(self, patients: tuple[PatientId, ...]) -> Mapping[str, Recipient]:
        p = profiles.c
        query = sa.select(p.id, p.email, p.phone, p.consent).where(p.id.in_(patients))
        async with self._readers.hub(Lookup(people=patients)) as connection:
            rows = await connection.execute(query)
            return {person: recipient_of(*rest) for person, *rest in rows}

    async def _queue_reminders(
        self, visits: Sequence[_Visit], lead: timedelta, now: datetime, *, asks: bool
    ) -> int:
        rows = []
        for visit in visits:
            assert visit.channel, "only visits of patients who can be reached"
            message_id = MessageId(self._context.new_id())
            reminder = new_reminder(
                visit.row,
                message_id,
                visit.channel,
                practice_id=visit.practice_id,
                lead=lead,
                at=now,
                asks=asks,
            )
            rows.append(MESSAGE.params(reminder))
        if not rows:
            return 0

        def plan() -> Plan[Done[int]]:
            (made,) = yield (Step(self._context.sql.messages.insert_once, rows),)
            return Done(len(made))

        declares = tuple(sorted({visit.row.dentist_id for visit in visits}))
        return await self._writer.run(single_job(plan, declares=declares))


def _visits(
    dentists: Sequence[str],
    types: Collection[AppointmentTypeId],
    lead: timedelta,
    after: tuple[datetime, str],
    until: datetime,
) -> sa.Select[Any]:
    """Confirmed visits of these dentists without the reminder, and the last other message."""
    a, noticed = appointments.c, messages.alias("noticed").c
    lead_minutes = round(lead / timedelta(minutes=1))
    reminded = sa.exists(
        sa.select(_m.id).where(
            _m.appointment_id == a.id,
            _m.kind.in_(_REMINDERS),
            _m.lead_minutes == lead_minutes,
            _m.visit_start == a.starts_at,
        )
    )
    last = sa.select(sa.func.max(noticed.created_at)).where(
        noticed.appointment_id == a.id, noticed.kind.in_(_NOTICES)
    )
    return (
        sa.select(*APPOINTMENT.columns, last.scalar_subquery())
        .where(
            a.dentist_id.in_(dentists),
            a.status == Status.CONFIRMED.value,
            a.appointment_type_id.in_(types),
            sa.tuple_(a.starts_at, a.id) > after,
            a.starts_at <= until,
            ~reminded,
        )
        .order_by(a.starts_at, a.id)
        .limit(_VISITS_AT_ONCE)
    )
