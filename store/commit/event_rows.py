"""Turns announcements into rows of ``realtime_events``: offsets, names, rendered bodies."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from actors.domain.announcements import Body, ScheduleBody
from actors.domain.appointment import Appointment
from actors.domain.channels import Channel
from actors.domain.ids import EventId, ProfileId
from actors.domain.position import Position
from actors.ports.clock import NewId
from actors.ports.commits import Reply, Turn
from actors.ports.events import EventRecord
from actors.ports.rendering import Names, Render
from store.sql.codec import event_params
from store.sql.prepared import Plan, Step
from store.sql.write_statements import WriteStatements


@dataclass(frozen=True, kw_only=True, slots=True)
class CommitContext:
    """The statements of the engine, and how events are rendered and numbered."""

    sql: WriteStatements
    render: Render
    """Called inside the transaction, in the engine's thread; must be pure."""
    new_id: NewId


@dataclass(frozen=True, slots=True)
class WrittenTurn:
    """What one turn is answered, and the events that it wrote."""

    reply: Reply
    records: Sequence[EventRecord]


def advance_channels(
    turns: Sequence[Turn], touched: Iterable[Channel], sql: WriteStatements
) -> Plan[Mapping[Channel, Position]]:
    """Lock the channels of all announcements and those ``touched``; answer the new heads.

    A channel advances by the number of its announcements. The locks are taken in order of
    name, so that no two commits deadlock.
    """
    counts = _counts(turns)
    for channel in touched:
        counts.setdefault(channel, 0)
    if not counts:
        return {}
    rows = yield Step(
        sql.advance_channel,
        [{"channel": channel, "count": counts[channel]} for channel in sorted(counts)],
    )
    return {
        Channel(channel): Position(epoch, offset)
        for channel, epoch, offset in rows
        if counts[channel]
    }


def _counts(turns: Sequence[Turn]) -> Counter[Channel]:
    """The number of events for each channel."""
    return Counter(
        channel
        for turn in turns
        for announcement in turn.announcements
        for channel in announcement.channels
    )


def write_events(
    turns: Sequence[Turn], heads: Mapping[Channel, Position], ctx: CommitContext
) -> Plan[list[WrittenTurn]]:
    """Write the events of all turns, and render the replies.

    The events of one announcement share one event id. Each body is rendered once, even if
    several events and replies contain it.
    """
    names = yield from _names(turns, ctx.sql)
    rendering: Callable[[Body], bytes] = cache(lambda body: ctx.render(body, names))
    records = _records(turns, heads, rendering, ctx.new_id)
    written = [
        WrittenTurn(_reply(turn, rendering), own) for turn, own in zip(turns, records, strict=True)
    ]
    params = [event_params(record) for each in written for record in each.records]
    if params:
        yield Step(ctx.sql.insert_event, params)
    return written


def _reply(turn: Turn, rendering: Callable[[Body], bytes]) -> Reply:
    return Reply(
        outcome=turn.outcome,
        resource_id=turn.resource_id,
        version=turn.version,
        body=rendering(turn.reply) if turn.reply else b"",
    )


def _names(turns: Sequence[Turn], sql: WriteStatements) -> Plan[Names]:
    """The names of the people in bodies."""
    people = sorted({person for body in _bodies(turns) for person in _people(body)})
    if not people:
        return {}
    rows = yield Step(sql.name, [{"person": person} for person in people])
    return {ProfileId(person): name for person, name in rows}


def _bodies(turns: Sequence[Turn]) -> Iterator[Body]:
    for turn in turns:
        if turn.reply:
            yield turn.reply
        for announcement in turn.announcements:
            yield announcement.body


def _people(body: Body) -> Iterator[ProfileId]:
    rows: Sequence[Appointment] = ()
    match body:
        case Appointment():
            rows = (body,)
        case ScheduleBody(affected=affected):
            rows = affected or ()
    for row in rows:
        yield row.dentist_id
        yield row.patient_id


def _records(
    turns: Sequence[Turn],
    heads: Mapping[Channel, Position],
    rendering: Callable[[Body], bytes],
    new_id: NewId,
) -> Iterator[list[EventRecord]]:
    """For each turn, in the order of its announcements; offsets continue the old heads."""
    last = {channel: heads[channel].before(count) for channel, count in _counts(turns).items()}
    for turn in turns:
        records = []
        for announcement in turn.announcements:
            event_id = EventId(new_id())
            for channel in announcement.channels:
                last[channel] = last[channel].next
                record = EventRecord(
                    channel=channel,
                    position=last[channel],
                    event_id=event_id,
                    type=announcement.type,
                    time=turn.at,
                    payload=rendering(announcement.body),
                )
                records.append(record)
        yield records
    assert last == heads, "every channel ends at its new head"
