"""Opens a calendar: raises its fence, then loads it, in one transaction."""

from datetime import datetime, timedelta

from actors.domain.appointment import LONGEST
from actors.domain.channels import availability_channel
from actors.domain.ids import DentistId
from actors.domain.position import Position
from actors.ports.calendars import LoadedCalendar
from actors.ports.commits import OwnedElsewhere
from store.sql.codec import APPOINTMENT, APPOINTMENT_TYPE, STORED_REPLY, schedule_of
from store.sql.prepared import Done, Plan, Rows, execute, once
from store.sql.write_statements import WriteStatements

REPLIES_KEPT = timedelta(days=1)
REPLIES_LOADED_MAX = 1_000


def open_calendar(
    dentist_id: DentistId,
    *,
    live_after: datetime,
    now: datetime,
    sql: WriteStatements,
    owner: str | None = None,
) -> Plan[Done[LoadedCalendar | None]]:
    """``None`` if there is no such calendar. Raises OwnedElsewhere if ``owner`` may not have it."""
    raised = yield from _raise_fence(dentist_id, owner, sql)
    return Done((yield from _load(dentist_id, raised, live_after=live_after, now=now, sql=sql)))


def view_calendar(
    dentist_id: DentistId, *, live_after: datetime, now: datetime, sql: WriteStatements
) -> Plan[Done[LoadedCalendar | None]]:
    """The same without raising the fence; waits for a commit in progress."""
    seen = yield from execute(sql.see_calendar, dentist=dentist_id)
    return Done((yield from _load(dentist_id, seen, live_after=live_after, now=now, sql=sql)))


def _load(
    dentist_id: DentistId, found: Rows, *, live_after: datetime, now: datetime, sql: WriteStatements
) -> Plan[LoadedCalendar | None]:
    if not found:
        return None
    ((fence, schedule, version),) = found
    since = {"live_after": live_after, "started_after": live_after - LONGEST}
    types, live, completed, replies, head = yield (
        once(sql.types),
        once(sql.live_rows, dentist=dentist_id, **since),
        once(sql.completed_rows, dentist=dentist_id, **since),
        once(
            sql.recent_replies,
            dentist=dentist_id,
            since=now - REPLIES_KEPT,
            at_most=REPLIES_LOADED_MAX,
        ),
        once(sql.head, channel=availability_channel(dentist_id)),
    )
    ((first_epoch, epoch, offset),) = head
    return LoadedCalendar(
        dentist_id=dentist_id,
        fence=fence,
        schedule=schedule_of(schedule, version),
        types=tuple(map(APPOINTMENT_TYPE.read, types)),
        rows=tuple(map(APPOINTMENT.read, [*live, *completed])),
        replies=tuple(map(STORED_REPLY.read, reversed(replies))),
        position=Position(first_epoch if epoch is None else epoch, offset or 0),
    )


def _raise_fence(dentist_id: DentistId, owner: str | None, sql: WriteStatements) -> Plan[Rows]:
    """The row is locked first, so that the next statement sees the nodes as they are after
    the wait."""
    if owner is None:
        return (yield from execute(sql.raise_fence, dentist=dentist_id))
    found, claimed = yield (
        once(sql.owner, dentist=dentist_id),
        once(sql.claim, dentist=dentist_id, owner=owner),
    )
    if found and not claimed:
        raise OwnedElsewhere(dentist_id, found[0][0])
    return claimed
