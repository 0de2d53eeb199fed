"""Turns announcements into rows of ``realtime_events``: offsets, names, rendered bodies."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

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
from store.sql.prepared import Params, Rows, Step
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


def channel_counts(turns: Sequence[Turn], touched: Iterable[Channel] = ()) -> Counter[Channel]:
    """The number of events for each channel; 0 for those ``touched`` without an event."""
    counts = Counter(
        channel
        for turn in turns
        for announcement in turn.announcements
        for channel in announcement.channels
    )
    for channel in touched:
        counts.setdefault(channel, 0)
    return counts


def advance_channels(counts: Mapping[Channel, int], sql: WriteStatements) -> Step:
    """Locks the channels and advances them; answers the new heads.

    The locks are taken in order of name, so that no two commits deadlock.
    """
    params = [{"channel": channel, "count": counts[channel]} for channel in sorted(counts)]
    return Step(sql.advance_channel, params)


def read_names(turns: Sequence[Turn], sql: WriteStatements) -> Step:
    """Reads the names of the people in bodies."""
    people = sorted({person for body in _bodies(turns) for person in _people(body)})
    return Step(sql.name, [{"person": person} for person in people])


def render_turns(
    turns: Sequence[Turn], heads: Rows, names: Rows, ctx: CommitContext
) -> list[WrittenTurn]:
    """Render the events and replies of all turns; the events continue the ``heads``.

    The events of one announcement share one event id. Each body is rendered once, even if
    several events and replies contain it.
    """
    known: Names = {ProfileId(person): name for person, name in names}
    bodies = {id(body): body for body in _bodies(turns)}
    rendered = {key: ctx.render(body, known) for key, body in bodies.items()}
    records = _records(turns, heads, rendered, ctx.new_id)
    return [
        WrittenTurn(_reply(turn, rendered), own) for turn, own in zip(turns, records, strict=True)
    ]


def event_rows(written: Iterable[WrittenTurn]) -> list[Params]:
    return [event_params(record) for each in written for record in each.records]


_Rendered = Mapping[int, bytes]
"""The JSON of each body, by the body's identity."""


def _reply(turn: Turn, rendered: _Rendered) -> Reply:
    return Reply(
        outcome=turn.outcome,
        resource_id=turn.resource_id,
        version=turn.version,
        body=rendered[id(turn.reply)] if turn.reply else b"",
    )


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
    rows: Rows,
    rendered: _Rendered,
    new_id: NewId,
) -> Iterator[list[EventRecord]]:
    """For each turn, in the order of its announcements; offsets continue the old heads."""
    heads = {Channel(channel): Position(epoch, offset) for channel, epoch, offset in rows}
    counts = channel_counts(turns)
    last = {channel: head.before(counts[channel]) for channel, head in heads.items()}
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
                    payload=rendered[id(announcement.body)],
                )
                records.append(record)
        yield records
    assert last == heads, "every channel ends at its new head"
