"""Messages: listed for the practice, and sent by the hub."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

import sqlalchemy as sa

from actors.domain.announcements import announcements
from actors.domain.events import MessageSaved
from actors.domain.message import OF_VISITS, SECRET, Message, MessageId
from actors.domain.outcome import Outcome
from actors.domain.principal import SYSTEM, Principal
from actors.domain.visit_link import VisitLink
from actors.ports.clock import Clock
from actors.ports.commits import IdempotencyKey, Turn
from actors.ports.messages import (
    DueMessage,
    MessagePage,
    MessageQuery,
    SentToday,
    VisitDetails,
)
from store.commit.event_rows import CommitContext
from store.commit.message_commit import commit_messages
from store.sql.codec import (
    APPOINTMENT,
    APPOINTMENT_TYPE,
    MESSAGE,
    PRACTICE,
    PROFILE,
)
from store.sql.readers import Lookup, Readers
from store.sql.schema import (
    IS_QUEUED,
    appointment_types,
    appointments,
    messages,
    practices,
    profiles,
)
from store.sql.writer import Writer, single_job

_m = messages.c
_IS_SECRET: Final = _m.kind.in_([str(kind) for kind in sorted(SECRET)])
"""Someone waits for these; they come first."""
_VISIT_KINDS: Final = [str(kind) for kind in sorted(OF_VISITS)]


class MessageRepository:
    """Implements MessageReads and QueuedMessages of :mod:`actors.ports.messages`."""

    def __init__(
        self, writer: Writer, readers: Readers, context: CommitContext, clock: Clock
    ) -> None:
        self._writer, self._readers = writer, readers
        self._context, self._clock = context, clock

    # --- as the caller -----------------------------------------------------------------

    async def page(self, by: Principal, query: MessageQuery) -> MessagePage:
        shown = sa.and_(_m.appointment_id.is_not(None), *_filters(query))
        newest = sa.select(*MESSAGE.columns).where(shown)
        newest = newest.order_by(_m.created_at.desc(), _m.id.desc()).limit(query.limit + 1)
        if query.after:
            newest = newest.where(sa.tuple_(_m.created_at, _m.id) < query.after)
        counting = sa.select(sa.func.count(_m.id)).where(shown)
        async with self._readers.caller(by) as connection:
            found = [MESSAGE.read(row) for row in await connection.execute(newest)]
            total = int((await connection.execute(counting)).scalar_one())
        rows = tuple(found[: query.limit])
        more = len(found) > len(rows)
        return MessagePage(
            messages=rows,
            total=total,
            next_after=(rows[-1].created_at, rows[-1].id) if more else None,
        )

    async def get(self, by: Principal, message_id: MessageId) -> Message | None:
        query = sa.select(*MESSAGE.columns).where(
            _m.id == message_id, _m.appointment_id.is_not(None)
        )
        async with self._readers.caller(by) as connection:
            row = (await connection.execute(query)).one_or_none()
        return MESSAGE.read(row) if row else None

    # --- as the hub --------------------------------------------------------------------

    async def due(
        self, now: datetime, *, claims_before: datetime, limit: int
    ) -> Sequence[DueMessage]:
        is_free = sa.or_(_m.claimed_until.is_(None), _m.claimed_until <= claims_before)
        is_replaced = _is_replaced()
        is_due = sa.or_(is_replaced, sa.and_(_m.next_attempt_at <= now, ~_waits()))
        query = (
            sa.select(*MESSAGE.columns, is_replaced)
            .where(IS_QUEUED, is_free, is_due)
            .order_by(_IS_SECRET.desc(), _m.next_attempt_at, _m.created_at, _m.id)
            .limit(limit)
        )
        async with self._readers.hub() as connection:
            return [
                DueMessage(message=MESSAGE.read(row), is_replaced=bool(row[-1]))
                for row in await connection.execute(query)
            ]

    async def details(self, message: Message) -> VisitDetails | None:
        assert message.dentist_id, "the message is about a visit"
        assert message.patient_id, "which has a patient"
        a, t = appointments.c, appointment_types.c
        visit = (
            sa.select(*APPOINTMENT.columns, *APPOINTMENT_TYPE.columns)
            .join_from(appointments, appointment_types, t.id == a.appointment_type_id)
            .where(a.id == message.appointment_id, a.dentist_id == message.dentist_id)
        )
        people = (message.patient_id, message.dentist_id)
        person = sa.select(*PROFILE.columns).where(profiles.c.id.in_(people))
        lookup = Lookup(calendars=(message.dentist_id,), people=people)
        async with self._readers.hub(lookup) as connection:
            found = (await connection.execute(visit)).one_or_none()
            if found is None:
                return None
            known = {row.id: row for row in map(PROFILE.read, await connection.execute(person))}
            dentist, width = known[message.dentist_id], len(APPOINTMENT.columns)
            place = sa.select(*PRACTICE.columns).where(practices.c.id == dentist.practice_id)
            practice = (await connection.execute(place)).one_or_none()
        return VisitDetails(
            row=APPOINTMENT.read(found),
            kind=APPOINTMENT_TYPE.read(found[width:]),
            patient=known[message.patient_id],
            dentist=dentist,
            practice=PRACTICE.read(practice) if practice else None,
        )

    async def sent_since(self, message: Message, since: datetime) -> SentToday:
        async with self._readers.hub() as connection:

            async def count(*conditions: sa.ColumnElement[bool]) -> int:
                counting = sa.select(sa.func.count(_m.id)).where(*conditions, _m.sent_at >= since)
                return int((await connection.execute(counting)).scalar_one())

            return SentToday(
                to_recipient=await count(_m.patient_id == message.patient_id),
                of_practice=await count(_m.practice_id == message.practice_id),
            )

    async def save(self, changes: Sequence[MessageSaved], links: Sequence[VisitLink] = ()) -> None:
        new_id, first = self._context.new_id, changes[0].after
        turn = Turn(
            by=SYSTEM,
            at=self._clock.now(),
            request_id=new_id(),
            key=IdempotencyKey(scope="", key=new_id(), fingerprint="", internal=True),
            events=tuple(changes),
            announcements=announcements(changes),
            outcome=Outcome.CHANGED,
            resource_id=first.id,
            version=first.version,
            reply=None,
        )
        declares = {each.after.dentist_id for each in changes if each.after.dentist_id}
        await self._writer.run(
            single_job(
                lambda: commit_messages(turn, links, self._context),
                declares=tuple(sorted(declares)),
            )
        )


def _filters(query: MessageQuery) -> Iterator[sa.ColumnElement[bool]]:
    if query.appointment_id:
        yield _m.appointment_id == query.appointment_id
    if query.patient_id:
        yield _m.patient_id == query.patient_id
    if query.kinds:
        yield _m.kind.in_([str(kind) for kind in query.kinds])
    if query.states:
        yield _m.state.in_([str(state) for state in query.states])


def _is_replaced() -> sa.ColumnElement[bool]:
    """A later message about the same visit was written."""
    newer = messages.alias("newer").c
    return sa.and_(
        _m.kind.in_(_VISIT_KINDS),
        sa.exists(
            sa.select(newer.id).where(
                newer.appointment_id == _m.appointment_id,
                newer.patient_id == _m.patient_id,  # the same, and what the index begins with
                newer.kind.in_(_VISIT_KINDS),
                sa.tuple_(newer.created_at, newer.id) > sa.tuple_(_m.created_at, _m.id),
            )
        ),
    )


def _waits() -> sa.ColumnElement[bool]:
    """An earlier message to the same patient is still to be sent."""
    earlier = messages.alias("earlier").c
    return sa.exists(
        sa.select(earlier.id).where(
            earlier.state == "queued",
            earlier.patient_id == _m.patient_id,
            sa.tuple_(earlier.created_at, earlier.id) < sa.tuple_(_m.created_at, _m.id),
        )
    )
