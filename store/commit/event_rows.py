"""Turns announcements into rows of events: ids, offsets, names, rendered bodies."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from actors.domain.announcements import Body, ScheduleBody
from actors.domain.appointment import Appointment
from actors.domain.author import Author
from actors.domain.channels import Channel
from actors.domain.ids import EventId, ProfileId
from actors.domain.message import MessageChannel
from actors.domain.position import Position
from actors.domain.principal import Principal
from actors.ports.clock import NewId
from actors.ports.commits import Reply, Turn
from actors.ports.events import EventRecord
from actors.ports.rendering import Names, Render
from store.sql.event_statements import EventStatements
from store.sql.prepared import Params, Rows, Step
from store.sql.write_statements import WriteStatements


@dataclass(frozen=True, kw_only=True, slots=True)
class CommitContext:
    """The statements of the engine, and how events are rendered and numbered."""

    sql: WriteStatements
    render: Render
    """Called inside the transaction, in the engine's thread; must be pure."""
    new_id: NewId
    message_channels: frozenset[MessageChannel] = frozenset()
    """By which patients get messages; none: no messages are written."""


@dataclass(frozen=True, slots=True)
class WrittenTurn:
    """What one turn is answered, and the events that it wrote."""

    reply: Reply
    records: Sequence[EventRecord]


def channels_of(turns: Iterable[Turn]) -> set[Channel]:
    """The channels in which something is announced."""
    return {
        channel
        for turn in turns
        for announcement in turn.announcements
        for channel in announcement.channels
    }


def lock_channels(channels: Iterable[Channel], sql: EventStatements) -> Step:
    """Locks the channels until COMMIT, in order of name, so that no two commits deadlock.

    On SQLite nothing is executed, because a write transaction locks the whole database.
    """
    if sql.lock_channels is None:
        return Step(sql.heads, ())
    return Step(sql.lock_channels, _list("channels", sorted(channels)))


def read_heads(channels: Iterable[Channel], sql: EventStatements) -> Step:
    """Reads the position of each channel, in their order."""
    return Step(sql.heads, _list("channels", list(channels)))


def take_event_ids(turns: Sequence[Turn], sql: EventStatements) -> Step:
    """Takes an id for each event, when its channels are locked: so ids rise as offsets do."""
    types = [each.type for turn in turns for each in turn.announcements if each.channels]
    return Step(sql.event_ids, _list("types", types))


def _list(name: str, values: Sequence[str]) -> Sequence[Params]:
    """The parameters of a step that is executed once for all values, and never for none."""
    return ({name: values},) if values else ()


def read_names(turns: Sequence[Turn], sql: WriteStatements) -> Step:
    """Reads the names of the people in bodies, and which of them were merged."""
    people = {person for body in _bodies(turns) for person in _people(body)}
    people |= {turn.by.person for turn in turns if turn.by.person}
    return Step(sql.name, [{"person": person} for person in sorted(people)])


def render_turns(
    turns: Sequence[Turn], heads: Rows, names: Rows, ctx: CommitContext
) -> list[WrittenTurn]:
    """Render the events and replies of all turns; the events continue the ``heads``.

    The events of one announcement share one event id. Each body is rendered once, even if
    several events and replies contain it.
    """
    known: Names = {ProfileId(person): name for person, name, _ in names}
    bodies = {id(body): body for body in _bodies(turns)}
    rendered = {key: ctx.render(body, known) for key, body in bodies.items()}
    records = _records(turns, heads, names_of=known, rendered=rendered, new_id=ctx.new_id)
    return [
        WrittenTurn(_reply(turn, rendered), own) for turn, own in zip(turns, records, strict=True)
    ]


def event_rows(written: Iterable[WrittenTurn], ids: Rows) -> tuple[list[Params], list[Params]]:
    """Each event once, and its offset in each of its channels."""
    numbers = iter(ids)
    events: list[Params] = []
    offsets: list[Params] = []
    last, number = EventId(""), 0
    for each in written:
        for record in each.records:
            if record.event_id != last:
                last, (number,) = record.event_id, next(numbers)
                by = record.by
                assert by, "an event that is written has an author"
                events.append(
                    {
                        "id": number,
                        "epoch": record.position.epoch,
                        "event_id": record.event_id,
                        "type": record.type,
                        "payload": record.payload,
                        "created_at": record.time,
                        "by_role": str(by.role),
                        "by_id": by.id,
                        "by_name": by.name,
                    }
                )
            channel, offset = record.channel, record.position.offset
            offsets.append({"event": number, "channel": channel, "offset": offset})
    return events, offsets


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


def _author(by: Principal, names: Names) -> Author:
    name = names.get(by.person) if by.person else None
    return Author(role=by.role, id=by.person if name is not None else None, name=name)


def _records(
    turns: Sequence[Turn],
    rows: Rows,
    *,
    names_of: Names,
    rendered: _Rendered,
    new_id: NewId,
) -> Iterator[list[EventRecord]]:
    """For each turn, in the order of its announcements; offsets continue the heads."""
    last = {Channel(channel): Position(epoch, offset) for channel, epoch, offset in rows}
    for turn in turns:
        author = _author(turn.by, names_of)
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
                    by=author,
                )
                records.append(record)
        yield records
