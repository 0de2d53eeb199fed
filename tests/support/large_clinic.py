"""A clinic with many rows, all lists that a hub reads of it, and their query plans."""

# ruff: noqa: S608  # all parts of the statements are constants of this file

import re
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import event

from actors.domain.appointment import Status
from actors.domain.channels import dentist_channel
from actors.domain.ids import AppointmentId, DentistId, PatientId, PracticeId, ProfileId
from actors.domain.principal import Principal, Role
from actors.ports.appointments import AppointmentQuery
from store.engine import Store
from tests.support.database import Database, OnPostgres, without_guards

FIRST = datetime(2027, 1, 4, tzinfo=UTC)
EVENTS_OF_A_CALENDAR = 100
_AT_ONCE = 100_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNCHECKED = "SET LOCAL session_replication_role = replica"  # no checks of foreign keys
_POSTGRES_VALUES = {
    "start": f"'{FIRST.isoformat()}'::timestamptz",
    "step": "interval '30 minutes'",
    "empty": "'{}'::bytea",
}
_SQLITE_VALUES = {
    "start": str((FIRST - _EPOCH) // timedelta(microseconds=1)),
    "step": "1800000000",
    "empty": "x'7b7d'",
}
_NUMBERS = (
    "WITH RECURSIVE numbers(n) AS"
    " (SELECT {first} UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < {last})"
)
_PEOPLE = (
    "INSERT INTO profiles"
    " (id, role, name, phone, email, email_key, version, search_text, date_of_birth)"
)


@dataclass(frozen=True, kw_only=True)
class LargeClinic:
    """``rows`` appointments of 30 minutes without a break; one in 997 is a hold."""

    rows: int
    per_dentist: int
    per_patient: int = 20

    @property
    def dentists(self) -> int:
        return self.rows // self.per_dentist

    @property
    def patients(self) -> int:
        return self.rows // self.per_patient

    def fill(self, database: Database) -> None:
        """Insert all rows, after dropping the guards against double booking."""
        if isinstance(database, OnPostgres):
            database.server.script(database.name, *without_guards(database))
            for statement in self._statements(_POSTGRES_VALUES):
                database.server.script(database.name, _UNCHECKED, statement)
            database.server.script(database.name, _EVENT_IDS)
            database.server.run(database.name, "VACUUM (ANALYZE)")
            return
        guards = without_guards(database)
        with closing(sqlite3.connect(database, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous = OFF")
            for statement in (*guards, *self._statements(_SQLITE_VALUES)):
                connection.execute(statement)

    def _statements(self, literals: dict[str, str]) -> Sequence[str]:
        values = {**literals, "dentists": self.dentists, "patients": self.patients}
        return (
            _TYPE,
            _numbered(_DENTISTS, self.dentists, values),
            _PRACTICE,
            "UPDATE profiles SET practice_id = 'practice' WHERE id IN ('d1', 'd2')",
            _numbered(_CALENDARS, self.dentists, values),
            _numbered(_PATIENTS, self.patients, values),
            *(
                _numbered(_APPOINTMENTS, min(first + _AT_ONCE, self.rows), values, first)
                for first in range(0, self.rows, _AT_ONCE)
            ),
            *(
                _numbered(rows, self.dentists * EVENTS_OF_A_CALENDAR, values)
                for rows in (_EVENTS, _OFFSETS, _DELIVERIES)
            ),
            _numbered(_AUDIT, self.rows // 10, values),
        )


def _numbered(rest: str, last: int, literals: dict[str, Any], first: int = 0) -> str:
    insert, select = rest.split("SELECT", 1)
    numbers = _NUMBERS.format(first=first, last=last)
    return f"{insert} {numbers} SELECT {select.format(**literals)} FROM numbers"


_TYPE = (
    "INSERT INTO appointment_types (id, name, duration_minutes, buffer_before_minutes,"
    " buffer_after_minutes, version) VALUES ('t', 'Check-up', 30, 0, 0, 1)"
)
_PRACTICE = (
    "INSERT INTO practices (id, name, time_zone, closures, version)"
    " VALUES ('practice', 'Practice', 'UTC', '[]', 1)"
)
_DENTISTS = (
    f"{_PEOPLE} SELECT 'd' || n, 'dentist', 'Dr ' || n, '0' || n, 'd' || n || '@x',"
    " 'd' || n || '@x', 1, 'dr ' || n, NULL"
)
_PATIENTS = (
    f"{_PEOPLE} SELECT 'p' || n, 'patient', 'P ' || n, '+' || n, 'p' || n || '@x',"
    " 'p' || n || '@x', 1, '\nnp\nn' || n || '\n', '1980-03-08'"
)
_CALENDARS = "INSERT INTO calendars SELECT 'd' || n, 1, NULL, '{{}}', 1"
_APPOINTMENTS = (
    "INSERT INTO appointments SELECT '0-' || n, 'd' || (n % {dentists}),"
    " 'p' || ((n / {dentists} * 7919 + n) % {patients}), 't',"
    " {start} + n / {dentists} * {step}, {start} + (n / {dentists} + 1) * {step}, 0, 0,"
    " CASE WHEN n % 997 = 0 THEN 'held' ELSE 'confirmed' END, {start} + 1000000 * {step},"
    " 1, false, 'patient', NULL, NULL, {start}, {start}, 'p', 'system', NULL"
)
_EVENTS = (
    "INSERT INTO event_log SELECT n + 1, 1, 'e' || n, 'appointment.created', {empty}, {start},"
    " NULL, NULL, NULL"
)
_OFFSETS = (
    "INSERT INTO event_channels SELECT n + 1, 'appointments:dentist:d' || (n % {dentists}),"
    " n / {dentists} + 1"
)
_DELIVERIES = (
    "INSERT INTO deliveries SELECT n + 1, 'appointments:dentist:d' || (n % {dentists}),"
    " 'sent', NULL, NULL, 1, 0, NULL"
)
_EVENT_IDS = "SELECT setval('event_log_id_seq', (SELECT max(id) FROM event_log))"
_AUDIT = (
    "INSERT INTO audit_log (at, action, role, subject, resource_kind, resource_id, dentist_id,"
    " patient_id, old_status, new_status, new_starts_at, new_ends_at, request_id)"
    " SELECT {start}, 'appointment.booked', 'patient', 's', 'appointment', '0-' || n,"
    " 'd' || (n % {dentists}), 'p' || ((n / {dentists} * 7919 + n) % {patients}), NULL,"
    " 'confirmed', {start}, {start}, 'r'"
)


# --- the lists ---------------------------------------------------------------------------

DENTIST = Principal(role=Role.DENTIST, subject="", person=ProfileId("d1"))
PATIENT = Principal(role=Role.PATIENT, subject="", person=ProfileId("p1"))
_MINE = DentistId(ProfileId("d1"))
_CHANNEL = dentist_channel(_MINE)
_WEEK = AppointmentQuery(
    statuses=frozenset(),
    dentist_ids=(_MINE,),
    starts_from=FIRST + timedelta(days=7),
    starts_before=FIRST + timedelta(days=14),
    limit=500,
)
_ALL = AppointmentQuery(statuses=frozenset())
_HOLDS = AppointmentQuery(statuses=frozenset({Status.HELD}), starts_from=FIRST)
_DESK = Principal(
    role=Role.STAFF,
    subject="",
    person=ProfileId("s"),
    practice=PracticeId("practice"),
    calendars=(_MINE, DentistId(ProfileId("d2"))),
)
_CHANGED = AppointmentQuery(
    statuses=frozenset({Status.CONFIRMED, Status.CANCELLED, Status.NO_SHOW}),
    dentist_ids=_DESK.calendars,
    updated_since=FIRST,
)
_LATEST = AppointmentQuery(statuses=frozenset(), descending=True)

Read = Callable[[Store], Awaitable[Any]]


@dataclass(frozen=True, kw_only=True)
class Reading:
    name: str
    read: Read
    found: Callable[[Any], int] = lambda answer: len(answer.rows)
    """The number of rows of a result."""


def _people(answer: Any) -> int:
    return len(answer.profiles)


def _search(text: str) -> Read:
    return lambda store: store.profiles.search(DENTIST, text, limit=50, after=None)


READINGS = (
    Reading(name="a dentist's week", read=lambda s: s.appointments.page(DENTIST, _WEEK)),
    Reading(name="a dentist's first page", read=lambda s: s.appointments.page(DENTIST, _ALL)),
    Reading(name="a dentist's latest page", read=lambda s: s.appointments.page(DENTIST, _LATEST)),
    Reading(name="a dentist's holds", read=lambda s: s.appointments.page(DENTIST, _HOLDS)),
    Reading(name="what changed at a practice", read=lambda s: s.appointments.page(_DESK, _CHANGED)),
    Reading(name="a patient's list", read=lambda s: s.appointments.page(PATIENT, _LATEST)),
    Reading(
        name="one appointment",
        read=lambda s: s.appointments.get(DENTIST, AppointmentId("0-1")),
        found=lambda answer: int(answer is not None),
    ),
    Reading(
        name="its history",
        read=lambda s: s.appointments.history(DENTIST, AppointmentId("0-1")),
        found=len,
    ),
    Reading(name="a dentist's patients", read=_search(""), found=_people),
    Reading(name="patients with a text", read=_search("p 1"), found=_people),
    Reading(
        name="a patient by phone and birthday",
        read=lambda s: s.profiles.identified("+7", date(1980, 3, 8)),
        found=len,
    ),
    Reading(
        name="one's own patient",
        read=lambda s: s.profiles.own_patient(DENTIST, PatientId(ProfileId("p1"))),
        found=lambda answer: int(answer is not None),
    ),
    Reading(
        name="the dentists",
        read=lambda s: s.profiles.dentists(PATIENT, limit=50, after=None),
        found=_people,
    ),
    Reading(
        name="events since an offset",
        read=lambda s: s.events.read(
            _CHANNEL, after=50, up_to=100, limit=500, max_bytes=10**6, by=DENTIST
        ),
        found=len,
    ),
    Reading(
        name="heads of channels", read=lambda s: s.events.heads([_CHANNEL], DENTIST), found=len
    ),
)


# --- the query plans ---------------------------------------------------------------------

_NOT_A_LIST = re.compile("^BEGIN|set_config|FROM hub$")


async def plans(store: Store, reading: Reading, explain: str) -> list[tuple[str, list[str]]]:
    """Each statement of a list with its query plan, as the same caller.

    EXPLAIN bypasses the guard that refuses it to callers. ``explain`` holds PostgreSQL's
    options; SQLite has none.
    """
    answers: list[tuple[str, list[str]]] = []
    engines = {store._readers._callers.sync_engine, store._readers._hub.sync_engine}

    def listen(connection: Any, _cursor: Any, sql: str, params: Any, *_further: Any) -> None:
        if _NOT_A_LIST.search(sql):
            return
        raw = connection.connection.dbapi_connection
        plan_of = _plan_on_sqlite if connection.dialect.name == "sqlite" else _explained
        answers.append((sql, raw.run_async(lambda driver: plan_of(driver, sql, params, explain))))

    for engine in engines:
        event.listen(engine, "before_cursor_execute", listen)
    try:
        await reading.read(store)
    finally:
        for engine in engines:
            event.remove(engine, "before_cursor_execute", listen)
    return answers


async def _explained(driver: Any, sql: str, params: Any, explain: str) -> list[str]:
    return [row[0] for row in await driver.fetch(f"EXPLAIN ({explain}) {sql}", *params)]


async def _plan_on_sqlite(driver: Any, sql: str, params: Any, _explain: str) -> list[str]:
    async with driver.execute(f"EXPLAIN QUERY PLAN {sql}", params) as found:
        return [line for *_, line in await found.fetchall()]
