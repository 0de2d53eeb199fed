"""From announcements to rows of ``realtime_events``: offsets, names, rendered bytes."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from actors.domain.announcements import (
    Announcement,
    AppointmentBody,
    Body,
    ReservationBody,
    ScheduleBody,
)
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


@dataclass(frozen=True, slots=True)
class Telling:
    """What one turn tells, its channels resolved."""

    turn: Turn
    announcements: Sequence[tuple[Announcement, Sequence[Channel]]]


def take_offsets(
    tellings: Sequence[Telling], touched: Iterable[Channel], sql: WriteStatements
) -> Plan[Mapping[Channel, Position]]:
    """Lock every channel touched, in order of name, and advance those that are told to.

    Sorted, so that no two commits can deadlock; a patient's channel, once locked, also
    serialises all that concerns this patient. Answers the new heads.
    """
    counts = _told(tellings)
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


def _told(tellings: Sequence[Telling]) -> Counter[Channel]:
    """How many events each channel gets."""
    return Counter(
        channel
        for telling in tellings
        for _, channels in telling.announcements
        for channel in channels
    )


@dataclass(frozen=True, slots=True)
class Told:
    """What one turn is answered, and what it told."""

    reply: Reply
    records: tuple[EventRecord, ...]


def tell(
    tellings: Sequence[Telling],
    heads: Mapping[Channel, Position],
    *,
    sql: WriteStatements,
    render: Render,
    new_id: NewId,
) -> Plan[list[Told]]:
    """Write the events, one id an announcement, and render the replies; turn by turn.

    A body is rendered once, however many channels and replies it goes to.
    """
    names = yield from _names(_bodies(tellings), sql)
    rendered: dict[Body, bytes] = {}

    def bytes_of(body: Body) -> bytes:
        if (known := rendered.get(body)) is None:
            known = rendered[body] = render(body, names)
        return known

    told = [
        Told(_reply(telling.turn, bytes_of), tuple(records))
        for telling, records in zip(
            tellings, _records(tellings, heads, bytes_of, new_id), strict=True
        )
    ]
    params = [event_params(record) for each in told for record in each.records]
    if params:
        yield Step(sql.insert_event, params)
    return told


def _reply(turn: Turn, bytes_of: Callable[[Body], bytes]) -> Reply:
    return Reply(
        outcome=turn.outcome,
        resource_id=turn.resource_id,
        version=turn.version,
        body=bytes_of(turn.reply) if turn.reply else b"",
    )


def _bodies(tellings: Sequence[Telling]) -> Iterator[Body]:
    for telling in tellings:
        if telling.turn.reply:
            yield telling.turn.reply
        for announcement, _ in telling.announcements:
            yield announcement.body


def _names(bodies: Iterable[Body], sql: WriteStatements) -> Plan[Names]:
    people = sorted({person for body in bodies for person in _people(body)})
    if not people:
        return {}
    rows = yield Step(sql.name, [{"person": person} for person in people])
    return {ProfileId(person): name for person, name in rows}


def _people(body: Body) -> Iterator[ProfileId]:
    rows: Sequence[Appointment] = ()
    match body:
        case AppointmentBody(appointment=row) | ReservationBody(appointment=row):
            rows = (row,)
        case ScheduleBody(affected=affected):
            rows = affected or ()
    for row in rows:
        yield row.dentist_id
        yield row.patient_id


def _records(
    tellings: Sequence[Telling],
    heads: Mapping[Channel, Position],
    bytes_of: Callable[[Body], bytes],
    new_id: NewId,
) -> Iterator[list[EventRecord]]:
    """Of each turn in the order of the announcements; a channel's offsets follow its old head."""
    last = {channel: heads[channel].offset - count for channel, count in _told(tellings).items()}
    for telling in tellings:
        records = []
        for announcement, channels in telling.announcements:
            event_id = EventId(new_id())
            for channel in channels:
                last[channel] += 1
                record = EventRecord(
                    channel=channel,
                    position=Position(heads[channel].epoch, last[channel]),
                    event_id=event_id,
                    type=announcement.type,
                    time=telling.turn.at,
                    payload=bytes_of(announcement.body),
                )
                records.append(record)
        yield records
    assert all(heads[channel].offset == offset for channel, offset in last.items())
