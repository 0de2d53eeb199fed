"""Commits calendars: one plan for every engine.

The order inside a commit is fixed, so that two commits cannot deadlock and every check sees
what the commit depends on:

1. Fences: lock the rows of the calendars, in order of dentist.
2. Channels: lock and advance them, in order of name. A locked patient's channel serialises
   all commits that concern this patient.
3. Appointment types: lock their rows and compare the versions.
4. Idempotency keys: no client's key may have a stored reply.
5. Turns, in their order: check the patients' other appointments, write the rows.
6. Events, replies and the audit log.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby, islice

from actors.domain.channels import Channel, patient_channel
from actors.domain.events import Event, HoldExpired, RowEvent, ScheduleReplaced
from actors.domain.principal import SYSTEM, Principal
from actors.ports.commits import (
    CalendarCommit,
    Committed,
    ConstraintViolated,
    Fenced,
    StaleTypes,
    Turn,
)
from store.commit.audit import audit_params
from store.commit.checks import IndexedTurn, check_patients, waves
from store.commit.event_rows import CommitContext, WrittenTurn, advance_channels, write_events
from store.commit.idempotency import refuse_known_keys, store_replies
from store.sql.codec import appointment_params, schedule_json
from store.sql.prepared import Done, Params, Plan, Statement, Step
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
    yield from _lock_fences(commits, sql)
    heads = yield from advance_channels(turns, _patients_channels(turns), sql)
    yield from _check_types(commits, sql)
    yield from refuse_known_keys(turns, sql)
    for wave in waves(commits):
        yield from check_patients(wave, sql)
        yield from _write_rows(wave, sql)
    written = yield from write_events(turns, heads, ctx)
    dentists = [commit.dentist_id for commit in commits for _ in commit.turns]
    yield from store_replies(turns, [each.reply for each in written], dentists, sql)
    yield from write_audit(turns, sql)
    records = [record for each in written for record in each.records]
    return Done(list(_committed(commits, written)), records)


def _lock_fences(commits: Sequence[CalendarCommit], sql: WriteStatements) -> Plan[None]:
    rows = yield Step(sql.lock_fence, [{"dentist": commit.dentist_id} for commit in commits])
    fences: dict[str, int] = dict(rows)
    for commit in commits:
        if fences.get(commit.dentist_id) != commit.fence:
            raise Fenced(commit.dentist_id)


def _patients_channels(turns: Sequence[Turn]) -> Iterator[Channel]:
    for turn in turns:
        for event in turn.events:
            if isinstance(event, RowEvent):
                yield patient_channel(event.after.patient_id)


def _check_types(commits: Sequence[CalendarCommit], sql: WriteStatements) -> Plan[None]:
    used = sorted({type_id for commit in commits for type_id in commit.types})
    if not used:
        return
    rows = yield Step(sql.type_version, [{"type_id": type_id} for type_id in used])
    versions: dict[str, int] = dict(rows)
    for commit in commits:
        if any(versions.get(type_id) != version for type_id, version in commit.types.items()):
            raise StaleTypes(commit.dentist_id)


def _write_rows(wave: Sequence[IndexedTurn], sql: WriteStatements) -> Plan[None]:
    """In the order of the events; consecutive events that share a statement share a step."""
    writes = [
        _write_of(event, _author(event, indexed.turn.by), indexed.commit, sql)
        for indexed in wave
        for event in indexed.turn.events
    ]
    for statement, run in groupby(writes, key=lambda write: write[0]):
        params = [values for _, values in run]
        rows = yield Step(statement, params)
        if statement.returns_rows and len(rows) != len(params):
            dentists = ", ".join(sorted({indexed.commit.dentist_id for indexed in wave}))
            raise ConstraintViolated(f"a row of {dentists} was not as it was loaded")


def _author(event: Event, by: Principal) -> Principal:
    """The hub expires a hold, even when the command of another patient came across it."""
    return SYSTEM if isinstance(event, HoldExpired) else by


def _write_of(
    event: Event, by: Principal, commit: CalendarCommit, sql: WriteStatements
) -> tuple[Statement, Params]:
    match event:
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


def write_audit(turns: Sequence[Turn], sql: WriteStatements) -> Plan[None]:
    rows = [audit_params(turn, event) for turn in turns for event in turn.events]
    if rows:
        yield Step(sql.insert_audit, rows)


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
