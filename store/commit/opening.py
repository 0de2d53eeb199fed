"""Opens calendars: raises their fences, then loads them, in one transaction."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

from actors.domain.appointment import LONGEST, Appointment
from actors.domain.channels import availability_channel
from actors.domain.ids import DentistId
from actors.domain.position import Position
from actors.ports.calendars import LoadedCalendar, StoredReply
from actors.ports.commits import ConstraintViolated, OwnedElsewhere
from store.commit.event_rows import read_heads
from store.sql.codec import APPOINTMENT, APPOINTMENT_TYPE, STORED_REPLY, closures_of, schedule_of
from store.sql.prepared import Done, Params, Plan, Rows, Step, once
from store.sql.write_statements import WriteStatements

REPLIES_KEPT = timedelta(days=1)
REPLIES_LOADED_MAX = 1_000


class Opening(NamedTuple):
    """A calendar to be opened or viewed; sorted by dentist."""

    dentist_id: DentistId
    live_after: datetime
    now: datetime
    owner: str | None = None

    @property
    def params(self) -> Params:
        """Of every statement that loads the calendar."""
        return {
            "dentist": self.dentist_id,
            "live_after": self.live_after,
            "started_after": self.live_after - LONGEST,
            "since": self.now - REPLIES_KEPT,
            "at_most": REPLIES_LOADED_MAX,
            "owner": self.owner,
        }


Loaded = Sequence[LoadedCalendar | None]
"""``None`` where there is no such calendar."""


def open_calendars(openings: Sequence[Opening], sql: WriteStatements) -> Plan[Done[Loaded]]:
    """Opens all or none. Raises OwnedElsewhere if ``owner`` may not have one of them."""
    if len({each.dentist_id for each in openings}) < len(openings):
        raise ConstraintViolated("a calendar is opened twice")  # each needs a fence of its own
    in_order = sorted(openings)  # so that no two transactions deadlock
    raised = yield from _raise_fences(in_order, sql)
    return Done((yield from _load(openings, raised, sql)))


def view_calendars(openings: Sequence[Opening], sql: WriteStatements) -> Plan[Done[Loaded]]:
    """The same without raising fences; waits for a commit in progress."""
    (seen,) = yield (Step(sql.see_calendar, [each.params for each in sorted(openings)]),)
    return Done((yield from _load(openings, seen, sql)))


def _load(openings: Sequence[Opening], found: Rows, sql: WriteStatements) -> Plan[Loaded]:
    stored = {dentist_id: columns for dentist_id, *columns in found}
    known = {each.dentist_id: each for each in openings if each.dentist_id in stored}
    params = [each.params for each in known.values()]
    # After the fences were locked: a practice that changes later raises them again.
    types, workplaces, live, completed, recent, heads = yield (
        once(sql.types),
        Step(sql.workplace, params),
        Step(sql.live_rows, params),
        Step(sql.completed_rows, params),
        Step(sql.recent_replies, params),
        read_heads(map(availability_channel, known), sql.events),
    )
    kinds = tuple(map(APPOINTMENT_TYPE.read, types))
    rows = defaultdict[str, list[Appointment]](list)
    for row in map(APPOINTMENT.read, [*live, *completed]):
        rows[row.dentist_id].append(row)
    replies = defaultdict[str, list[StoredReply]](list)
    for *reply, dentist_id in reversed(recent):
        replies[dentist_id].append(STORED_REPLY.read(reply))
    loaded: dict[str, LoadedCalendar] = {}
    for dentist_id, (_, epoch, offset), workplace in zip(known, heads, workplaces, strict=True):
        practice_id, active, closures = workplace
        fence, written, version = stored[dentist_id]
        schedule = schedule_of(written, version)
        if closures is not None:
            schedule = replace(schedule, closures=closures_of(closures))
        loaded[dentist_id] = LoadedCalendar(
            dentist_id=dentist_id,
            fence=fence,
            schedule=schedule,
            practice_id=practice_id,
            active=bool(active),
            types=kinds,
            rows=tuple(rows[dentist_id]),
            replies=tuple(replies[dentist_id]),
            position=Position(epoch, offset),
        )
    return [loaded.get(each.dentist_id) for each in openings]


def _raise_fences(openings: Sequence[Opening], sql: WriteStatements) -> Plan[Rows]:
    """With owners, the rows are locked first, so that the next statement sees the nodes as
    they are after the wait."""
    params = [each.params for each in openings]
    if openings[0].owner is None:
        (raised,) = yield (Step(sql.raise_fence, params),)
        return raised
    found, claimed = yield (Step(sql.owner, params), Step(sql.claim, params))
    mine = {dentist_id for dentist_id, *_ in claimed}
    for dentist_id, owner in found:
        if dentist_id not in mine:
            raise OwnedElsewhere(dentist_id, owner)
    return claimed
