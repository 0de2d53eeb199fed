"""A calendar's commit, written once for every engine (DESIGN §5, order inside a commit).

fences → channels, sorted → types → keys → the checks and rows of the turns, in order →
events → replies → audit. A plan: no I/O here, see ``statements.py``.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Any

from actors.domain.channels import Channel, patient_channel
from actors.domain.events import Event, HoldExpired, RowEvent, ScheduleReplaced
from actors.domain.principal import SYSTEM, Principal
from actors.ports.clock import NewId
from actors.ports.commits import (
    CalendarCommit,
    Committed,
    ConstraintViolated,
    Fenced,
    StaleTypes,
    Turn,
)
from actors.ports.rendering import Render
from store.commit.audit import audit_params
from store.commit.checks import Place, check_patients, waves
from store.commit.event_rows import Telling, Told, take_offsets, tell
from store.commit.idempotency import refuse_known_keys, store_replies
from store.sql.codec import appointment_params, schedule_json
from store.sql.prepared import Done, Plan, Statement, Step
from store.sql.write_statements import WriteStatements


@dataclass(frozen=True, kw_only=True, slots=True)
class CommitContext:
    """What every commit needs besides its data."""

    sql: WriteStatements
    render: Render
    """Called inside the transaction, in the engine's thread; must be pure."""
    new_id: NewId


def commit_calendars(
    commits: Sequence[CalendarCommit], ctx: CommitContext
) -> Plan[Done[Sequence[Committed]]]:
    """Several calendars as one commit: each statement is said once for all of them.

    All of it or nothing. It raises what one of them would raise alone, and does not tell
    which: whoever planned them together then tries each by itself.
    """
    sql = ctx.sql
    turns = [turn for commit in commits for turn in commit.turns]
    yield from _hold_fences(commits, sql)
    tellings = [
        Telling(turn, [(told, told.channels) for told in turn.announcements]) for turn in turns
    ]
    heads = yield from take_offsets(tellings, _patients_channels(turns), sql)
    yield from _check_types(commits, sql)
    yield from refuse_known_keys(turns, sql)
    for wave in waves(commits):
        yield from check_patients(wave, sql)
        yield from _write_rows(wave, sql)
    told = yield from tell(tellings, heads, sql=sql, render=ctx.render, new_id=ctx.new_id)
    dentists = [commit.dentist_id for commit in commits for _ in commit.turns]
    yield from store_replies(turns, [each.reply for each in told], dentists, sql)
    yield from write_audit(turns, sql)
    records = tuple(record for each in told for record in each.records)
    return Done(list(_committed(commits, told)), records)


def _hold_fences(commits: Sequence[CalendarCommit], sql: WriteStatements) -> Plan[None]:
    rows = yield Step(sql.hold_fence, [{"dentist": commit.dentist_id} for commit in commits])
    held: dict[str, int] = dict(rows)
    for commit in commits:
        if held.get(commit.dentist_id) != commit.fence:
            raise Fenced(commit.dentist_id)


def _committed(commits: Sequence[CalendarCommit], told: Sequence[Told]) -> Iterator[Committed]:
    rest = iter(told)
    for commit in commits:
        own = list(islice(rest, len(commit.turns)))
        yield Committed(
            replies=tuple(each.reply for each in own),
            positions={record.channel: record.position for each in own for record in each.records},
        )


def _patients_channels(turns: Sequence[Turn]) -> Iterator[Channel]:
    for turn in turns:
        for event in turn.events:
            if isinstance(event, RowEvent):
                yield patient_channel(event.after.patient_id)


def _check_types(commits: Sequence[CalendarCommit], sql: WriteStatements) -> Plan[None]:
    wanted = sorted({type_id for commit in commits for type_id in commit.types})
    if not wanted:
        return
    rows = yield Step(sql.type_version, [{"type_id": type_id} for type_id in wanted])
    known: dict[str, int] = dict(rows)
    for commit in commits:
        if any(known.get(type_id) != version for type_id, version in commit.types.items()):
            raise StaleTypes(commit.dentist_id)


def _write_rows(wave: Sequence[Place], sql: WriteStatements) -> Plan[None]:
    """In the order of the events: neighbours that share a statement go together."""
    writes = [
        _write_of(event, _author(event, place.turn.by), place.commit, sql)
        for place in wave
        for event in place.turn.events
    ]
    for statement, run in groupby(writes, key=lambda write: write[0]):
        params = [values for _, values in run]
        written = yield Step(statement, params)
        if statement.returns_rows and len(written) != len(params):
            of = ", ".join(sorted({place.commit.dentist_id for place in wave}))
            raise ConstraintViolated(f"a row of {of} was not as it was loaded")


def _author(event: Event, by: Principal) -> Principal:
    """The clock expires a hold, whoever's command came across it: it may be another's."""
    return SYSTEM if isinstance(event, HoldExpired) else by


def _write_of(
    event: Event, by: Principal, commit: CalendarCommit, sql: WriteStatements
) -> tuple[Statement, dict[str, Any]]:
    match event:
        case RowEvent(before=before, after=row):
            assert row.dentist_id == commit.dentist_id, "a commit writes into its own calendar"
            values = appointment_params(row, by)
            if before is None:
                return sql.insert_appointment, values
            return sql.update_appointment, values | {
                "row_id": before.id,
                "before_version": before.version,
            }
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
