"""Commits calendars: one plan for every engine.

A commit is two groups of steps. The order inside them is fixed, so that two commits cannot
deadlock and every check sees what the commit depends on.

Locks and checks:

1. Fences: lock the rows of the calendars, in order of dentist; also of those that
   appointments leave (:mod:`store.commit.moves`).
2. Channels: lock them in order of name, then read their heads and take ids for the events.
   A locked patient's channel serialises all commits that concern this patient.
3. Appointment types: lock their rows and compare the versions.
4. Idempotency keys: no client's key may have a stored reply.
5. The patients' other appointments, and the names in events and replies. A patient who was
   merged is refused.

Writes, after all checks:

6. Rows, in the order of the turns; then the messages to their patients, if there are any.
7. Events, replies and the audit log.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby, islice
from operator import itemgetter

from actors.domain.channels import Channel, patient_channel
from actors.domain.events import (
    AppointmentMoved,
    Event,
    HoldExpired,
    RowEvent,
    ScheduleReplaced,
)
from actors.domain.principal import SYSTEM, Principal
from actors.ports.commits import (
    CalendarCommit,
    Committed,
    ConstraintViolated,
    Fenced,
    StaleTypes,
    Turn,
)
from store.commit.audit import audit_rows
from store.commit.checks import check_patients, read_live_rows, refuse_merged
from store.commit.event_rows import (
    CommitContext,
    WrittenTurn,
    channels_of,
    event_rows,
    lock_channels,
    read_heads,
    read_names,
    render_turns,
    take_event_ids,
)
from store.commit.idempotency import (
    read_replies,
    refuse_known_keys,
    refuse_raced_keys,
    reply_rows,
)
from store.commit.message_commit import due_notices, read_people, write_messages
from store.commit.moves import PlannedMove, check_places, left_calendars, moves_in, settle_left
from store.sql.codec import appointment_params, schedule_json
from store.sql.prepared import Done, Params, Plan, Rows, Statement, Step
from store.sql.write_statements import WriteStatements


def commit_calendars(
    commits: Sequence[CalendarCommit], ctx: CommitContext
) -> Plan[Done[Sequence[Committed]]]:
    """Commits all calendars or none; each statement is executed once for all of them.

    Raises what a single commit raises (see CalendarStore). If one of several fails, the error
    does not say which; the writer then retries each calendar on its own.
    """
    sql = ctx.sql
    turns = [turn for commit in commits for turn in commit.turns]
    moves, channels = moves_in(turns), channels_of(turns)
    due = due_notices(turns) if ctx.message_channels else ()
    recipients = (read_people(due, sql.messages),) if due else ()
    fences, _, heads, ids, types, replies, live_rows, names, *people = yield (
        _lock_fences(commits, moves, sql),
        lock_channels(channels.union(_patients_channels(turns)), sql.events),
        read_heads(channels, sql.events),
        take_event_ids(turns, sql.events),
        _lock_types(commits, sql),
        read_replies(turns, sql),
        read_live_rows(commits, sql),
        read_names(turns, sql),
        *recipients,
    )
    _check_fences(commits, fences)
    _check_types(commits, types)
    refuse_known_keys(turns, replies)
    refuse_merged(turns, names)
    if moves:
        yield from check_places(moves, sql)
    check_patients(commits, live_rows)

    written = render_turns(turns, heads, names, ctx)
    dentists = [commit.dentist_id for commit in commits for _ in commit.turns]
    stored = reply_rows(turns, [each.reply for each in written], dentists)
    rows, (events, offsets) = _write_rows(commits, sql), event_rows(written, ids)
    if due:
        rows.append(write_messages(due, people[0], ctx))
    *changed, _, _, inserted, _ = yield (
        *rows,
        Step(sql.events.insert_event, events),
        Step(sql.events.insert_offset, offsets),
        Step(sql.insert_reply, stored),
        Step(sql.insert_audit, audit_rows(turns)),
    )
    _check_changed(commits, rows, changed)
    if moves:
        yield from settle_left(moves, sql)
    if len(inserted) != len(stored):
        yield from refuse_raced_keys(turns, sql)
    records = [record for each in written for record in each.records]
    return Done(list(_committed(commits, written)), records)


def _lock_fences(
    commits: Sequence[CalendarCommit], moves: Sequence[PlannedMove], sql: WriteStatements
) -> Step:
    """One statement, which locks them in order."""
    locked: list[Params] = [{"dentist": commit.dentist_id} for commit in commits]
    if moves:
        locked.extend(left_calendars(moves, commits))
    return Step(sql.lock_fence, locked)


def _check_fences(commits: Sequence[CalendarCommit], found: Rows) -> None:
    fences: dict[str, int] = dict(found)
    for commit in commits:
        if fences.get(commit.dentist_id) != commit.fence:
            raise Fenced(commit.dentist_id)


def _patients_channels(turns: Sequence[Turn]) -> Iterator[Channel]:
    for turn in turns:
        for event in turn.events:
            if isinstance(event, RowEvent):
                yield patient_channel(event.after.patient_id)


def _lock_types(commits: Sequence[CalendarCommit], sql: WriteStatements) -> Step:
    used = sorted({type_id for commit in commits for type_id in commit.types})
    return Step(sql.type_version, [{"type_id": type_id} for type_id in used])


def _check_types(commits: Sequence[CalendarCommit], found: Rows) -> None:
    versions: dict[str, int] = dict(found)
    for commit in commits:
        if any(versions.get(type_id) != version for type_id, version in commit.types.items()):
            raise StaleTypes(commit.dentist_id)


def _write_rows(commits: Sequence[CalendarCommit], sql: WriteStatements) -> list[Step]:
    """In the order of the events; consecutive events that share a statement share a step."""
    writes = (
        _write_of(event, _author(event, turn.by), commit, sql)
        for commit in commits
        for turn in commit.turns
        for event in turn.events
    )
    return [
        Step(statement, [values for _, values in run])
        for statement, run in groupby(writes, key=itemgetter(0))
    ]


def _check_changed(
    commits: Sequence[CalendarCommit], steps: Sequence[Step], found: Sequence[Rows]
) -> None:
    for step, rows in zip(steps, found, strict=True):
        if step.statement.returns_rows and len(rows) != len(step.params):
            dentists = ", ".join(sorted(commit.dentist_id for commit in commits))
            raise ConstraintViolated(f"a row of {dentists} was not as it was loaded")


def _author(event: Event, by: Principal) -> Principal:
    """The hub expires a hold, even when the command of another patient came across it."""
    return SYSTEM if isinstance(event, HoldExpired) else by


def _write_of(
    event: Event, by: Principal, commit: CalendarCommit, sql: WriteStatements
) -> tuple[Statement, Params]:
    match event:
        case AppointmentMoved(before=before, after=row) if before is not None:
            assert row.dentist_id == commit.dentist_id, "a commit writes into its own calendar"
            guard = {"row_id": before.id, "before_version": before.version}
            return sql.move_appointment, appointment_params(row, by) | guard
        case RowEvent(before=before, after=row):
            assert row.dentist_id == commit.dentist_id, "a commit writes into its own calendar"
            values = appointment_params(row, by)
            if before is None:
                return sql.insert_appointment, values
            guard = {"row_id": before.id, "before_version": before.version}
            return sql.update_appointment, values | guard
        case ScheduleReplaced(dentist_id=dentist_id, before=before_schedule, after=schedule):
            assert dentist_id == commit.dentist_id, "a commit writes into its own calendar"
            return sql.update_schedule, {
                "row_id": dentist_id,
                "before_version": before_schedule.version,
                "schedule": schedule_json(schedule),
                "schedule_version": schedule.version,
            }
        case _:
            raise AssertionError(f"{type(event).__name__} is not an event of a calendar")


def _committed(
    commits: Sequence[CalendarCommit], written: Sequence[WrittenTurn]
) -> Iterator[Committed]:
    remaining = iter(written)
    for commit in commits:
        own = list(islice(remaining, len(commit.turns)))
        yield Committed(
            replies=tuple(each.reply for each in own),
            positions={record.channel: record.position for each in own for record in each.records},
        )
