"""A calendar's commit, written once for every engine (DESIGN §5, order inside a commit).

fence → channels, sorted → types → keys → the checks and rows of the turns, in order →
events → replies → audit. A plan: no I/O here, see ``statements.py``.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from actors.domain.channels import Channel, patient_channel
from actors.domain.events import Event, HoldExpired, RowEvent, ScheduleReplaced
from actors.domain.principal import SYSTEM, Principal
from actors.ports import (
    CalendarCommit,
    Committed,
    ConstraintViolated,
    Fenced,
    NewId,
    Render,
    StaleTypes,
    Turn,
)
from store.audit import audit_params
from store.checks import Place, check_patients, waves
from store.codec import appointment_params, schedule_json
from store.keys import refuse_known_keys, store_replies
from store.sql import Sql
from store.statements import Done, Plan, Statement, Step, once
from store.telling import Telling, take_offsets, tell


@dataclass(frozen=True, kw_only=True, slots=True)
class CommitContext:
    """What every commit needs besides its data."""

    sql: Sql
    render: Render
    """Called inside the transaction, in the engine's thread; must be pure."""
    new_id: NewId


def commit_calendar(commit: CalendarCommit, ctx: CommitContext) -> Plan[Done[Committed]]:
    """All of the commit or nothing; raises a CommitFailure as the port says."""
    sql, turns = ctx.sql, commit.turns
    fence = {"dentist": commit.dentist_id, "expected": commit.fence}
    if not (yield once(sql.hold_fence, **fence)):
        raise Fenced(commit.dentist_id)
    tellings = [
        Telling(turn, [(told, told.channels) for told in turn.announcements]) for turn in turns
    ]
    heads = yield from take_offsets(tellings, _patients_channels(turns), sql)
    yield from _check_types(commit, sql)
    yield from refuse_known_keys(turns, sql)
    for wave in waves(turns):
        yield from check_patients(wave, commit.hold_limit, sql)
        yield from _write_rows(wave, commit, sql)
    told = yield from tell(tellings, heads, sql=sql, render=ctx.render, new_id=ctx.new_id)
    yield from store_replies(turns, told.replies, commit.dentist_id, sql)
    yield from write_audit(turns, sql)
    return Done(Committed(replies=told.replies, positions=heads), told.records)


def _patients_channels(turns: Sequence[Turn]) -> Iterator[Channel]:
    for turn in turns:
        for event in turn.events:
            if isinstance(event, RowEvent):
                yield patient_channel(event.after.patient_id)


def _check_types(commit: CalendarCommit, sql: Sql) -> Plan[None]:
    if not commit.types:
        return
    rows = yield Step(sql.type_version, [{"type_id": type_id} for type_id in sorted(commit.types)])
    if dict(rows) != dict(commit.types):
        raise StaleTypes(commit.dentist_id)


def _write_rows(wave: Sequence[Place], commit: CalendarCommit, sql: Sql) -> Plan[None]:
    """In the order of the events: neighbours that share a statement go together."""
    writes = [
        _write_of(event, _author(event, place.turn.by), commit, sql)
        for place in wave
        for event in place.turn.events
    ]
    for statement, run in groupby(writes, key=lambda write: write[0]):
        params = [values for _, values in run]
        written = yield Step(statement, params)
        if statement.returns_rows and len(written) != len(params):
            raise ConstraintViolated(f"a row of {commit.dentist_id} was not as it was loaded")


def _author(event: Event, by: Principal) -> Principal:
    """The clock expires a hold, whoever's command came across it: it may be another's."""
    return SYSTEM if isinstance(event, HoldExpired) else by


def _write_of(
    event: Event, by: Principal, commit: CalendarCommit, sql: Sql
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


def write_audit(turns: Sequence[Turn], sql: Sql) -> Plan[None]:
    rows = [audit_params(turn, event) for turn in turns for event in turn.events]
    if rows:
        yield Step(sql.insert_audit, rows)
