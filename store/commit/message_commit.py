"""Messages in commits: those that events cause, and what becomes of them."""

from collections.abc import Sequence

from actors.domain.events import MessageSaved
from actors.domain.message import MessageId
from actors.domain.notices import VisitNotice, new_message, notices
from actors.domain.refusals import VersionConflict
from actors.domain.visit_link import VisitLink
from actors.ports.commits import Turn
from store.commit.event_rows import (
    CommitContext,
    channels_of,
    event_rows,
    lock_channels,
    read_heads,
    render_turns,
    take_event_ids,
)
from store.commit.webhook_commit import refusal_of
from store.sql.codec import MESSAGE, VISIT_LINK, recipient_of
from store.sql.message_statements import MessageStatements
from store.sql.prepared import Done, Plan, Rows, Step, execute

DueNotice = tuple[Turn, VisitNotice]


def due_notices(turns: Sequence[Turn]) -> list[DueNotice]:
    return [(turn, notice) for turn in turns for notice in notices(turn.events, turn.at)]


def read_people(due: Sequence[DueNotice], sql: MessageStatements) -> Step:
    """Reads the addresses of the patients, and the practices of the dentists."""
    rows = [notice.row for _, notice in due]
    people = {person for row in rows for person in (row.patient_id, row.dentist_id)}
    return Step(sql.people, [{"person": person} for person in sorted(people)])


def write_messages(due: Sequence[DueNotice], people: Rows, ctx: CommitContext) -> Step:
    """Writes a message for each patient who can be reached."""
    recipients = {person: recipient_of(*rest) for person, *rest, _ in people}
    practices = {person: practice for person, *_, practice in people}
    written = []
    for turn, notice in due:
        recipient = recipients.get(notice.row.patient_id)
        channel = recipient.channel(ctx.message_channels) if recipient else None
        if channel:
            message = new_message(
                notice,
                MessageId(ctx.new_id()),
                channel,
                practice_id=practices.get(notice.row.dentist_id),
                at=turn.at,
            )
            written.append(MESSAGE.params(message))
    return Step(ctx.sql.messages.insert, written)


def save_message(event: MessageSaved, sql: MessageStatements) -> Plan[None]:
    """Raises VersionConflict if the message is not as it was read, and NotFound."""
    message, before = event.after, event.before
    if before is None:
        yield from execute(sql.insert, **MESSAGE.params(message))
        return
    guard = {"row_id": before.id, "before_version": before.version}
    if not (yield from execute(sql.update, **MESSAGE.params(message), **guard)):
        raise (yield from refusal_of(sql.version, "message", before.id))


def commit_messages(turn: Turn, links: Sequence[VisitLink], ctx: CommitContext) -> Plan[Done[None]]:
    """Saves what the hub did with messages, and their links: all of it, or nothing.

    It is not audited.

    Raises VersionConflict if one of them changed meanwhile.
    """
    sql, channels = ctx.sql, channels_of((turn,))
    _, heads, ids = yield (
        lock_channels(channels, sql.events),
        read_heads(channels, sql.events),
        take_event_ids((turn,), sql.events),
    )
    (written,) = render_turns((turn,), heads, (), ctx)
    events, offsets = event_rows((written,), ids)
    saved = []
    for event in turn.events:
        assert isinstance(event, MessageSaved), "nothing else is committed here"
        assert event.before is not None, "it is in the table"
        guard = {"row_id": event.before.id, "before_version": event.before.version}
        saved.append(MESSAGE.params(event.after) | guard)
    found, *_ = yield (
        Step(sql.messages.update, saved),
        Step(sql.messages.insert_link, [VISIT_LINK.params(link) for link in links]),
        Step(sql.events.insert_event, events),
        Step(sql.events.insert_offset, offsets),
    )
    if len(found) != len(saved):
        raise VersionConflict(0)
    return Done(None, written.records)
