"""How contacts are compared: telephone numbers in international form, domains as IDNA

Adds ``profiles.phone_key`` and fills it, and renews ``email_key``, which was casefolded. Time
zones that only some machines know are replaced: ``right/X`` and ``posix/X`` by X, others by UTC.
Numbers as they were typed are still compared, because a hub of the version before writes no key.
"""

import json
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

from actors.domain.contact import email_key, phone_key
from actors.domain.zones import zone_names

revision = "0011"
down_revision = "0010"

_ROWS_AT_ONCE = 500
_profiles = sa.table(
    "profiles",
    *(sa.column(name) for name in ("id", "email", "phone", "time_zone", "email_key", "phone_key")),
)
_calendars = sa.table("calendars", sa.column("dentist_id"), sa.column("schedule"))


def upgrade() -> None:
    op.add_column("profiles", sa.Column("phone_key", sa.Text))
    op.create_index("ix_profiles_phone_key", "profiles", ["phone_key"])
    _renew_people(op.get_bind())
    _renew_schedules(op.get_bind())
    if op.get_context().dialect.name == "postgresql":
        _show_numbers()


def _renew_people(connection: sa.Connection) -> None:
    for row in _all(connection, _profiles, _profiles.c.id):
        changed = {
            "email_key": email_key(row["email"]) if row["email"] else None,
            "phone_key": phone_key(row["phone"]) if row["phone"] else None,
            "time_zone": _known_zone(row["time_zone"]),
        }
        if any(row[name] != value for name, value in changed.items()):
            query = sa.update(_profiles).where(_profiles.c.id == row["id"])
            connection.execute(query.values(changed))


def _renew_schedules(connection: sa.Connection) -> None:
    for row in _all(connection, _calendars, _calendars.c.dentist_id):
        schedule = json.loads(row["schedule"])
        zone = _known_zone(schedule.get("time_zone"))
        if zone != schedule.get("time_zone"):
            text = json.dumps(schedule | {"time_zone": zone}, separators=(",", ":"))
            query = sa.update(_calendars).where(_calendars.c.dentist_id == row["dentist_id"])
            connection.execute(query.values(schedule=text))


def _known_zone(name: str | None) -> str | None:
    if name is None or name in zone_names():
        return name
    place = name.removeprefix("right/").removeprefix("posix/")
    return place if place in zone_names() else "UTC"


def _all(
    connection: sa.Connection, table: sa.TableClause, key: sa.ColumnClause[Any]
) -> Iterator[sa.RowMapping]:
    """Every row, read in batches in the order of its key."""
    query = sa.select(table).order_by(key).limit(_ROWS_AT_ONCE)
    rows = connection.execute(query).mappings().all()
    while rows:
        yield from rows
        rows = connection.execute(query.where(key > rows[-1][key.name])).mappings().all()


# --- PostgreSQL: row security ------------------------------------------------------------

# Scalar subqueries, so that each is evaluated once a statement and not once a row.
_ROLE, _PERSON = "(SELECT hub_claim('role'))", "(SELECT hub_claim('person'))"
_ME, _MY_CALENDAR = "(SELECT hub_person())", "(SELECT hub_own('dentist'))"
_EXACT, _EXACT_KEY = "(SELECT hub_known('exact'))", "(SELECT hub_known('exact_key'))"
_IS_PHONE = f"phone = {_EXACT} OR phone_key = ANY ((SELECT hub_known_phones())::text[])"


def _named(claim: str) -> str:
    return f"ANY ((SELECT hub_named('{claim}'))::text[])"


# As in 0007, with the keys of telephone numbers.
_AT_MY_CALENDAR = (
    "SELECT 1 FROM public.appointments AS a"  # noqa: S608  # constants of this file
    f" WHERE a.dentist_id = {_MY_CALENDAR} AND a.patient_id = profiles.id"
)
_BOOKED_HERE = f"EXISTS ({_AT_MY_CALENDAR} AND a.status NOT IN ('held', 'released', 'expired'))"
_KNOWN = f"role = 'patient' AND (email_key = {_EXACT_KEY} OR {_IS_PHONE})"
_PEOPLE_SHOWN = (
    f"(role = 'dentist' AND {_ROLE} IS NOT NULL) OR CASE {_ROLE}"
    f" WHEN 'dentist' THEN id = {_PERSON} OR created_by = {_PERSON}"
    f" OR EXISTS ({_AT_MY_CALENDAR}) OR ({_KNOWN})"
    f" WHEN 'patient' THEN id = {_PERSON} WHEN 'chatbot' THEN {_KNOWN} ELSE false END"
)
_PEOPLE_LOOKED_UP = (
    f"{_ROLE} = 'hub' AND (id = {_named('people')} OR subject = {_named('subjects')}"
    f" OR email_key = {_EXACT_KEY} OR {_IS_PHONE})"
)
_WHOLE = f"id = {_ME} OR (role = 'patient' AND (created_by = {_MY_CALENDAR} OR {_BOOKED_HERE}))"
_COLUMNS = {
    "id": None,
    "subject": f"id = {_ME}",
    "role": None,
    "name": None,
    "email": _WHOLE,
    "phone": f"{_IS_PHONE} OR {_WHOLE}",
    "time_zone": None,
    "created_by": None,
    "version": None,
    "email_key": f"email_key = {_EXACT_KEY}",
    "search_text": _WHOLE,
    "phone_key": f"{_IS_PHONE} OR {_WHOLE}",
}
"""The columns of ``profiles``, in order, with a further condition where there is one."""


def _show_numbers() -> None:
    op.execute(
        "CREATE FUNCTION hub_known_phones() RETURNS text[] LANGUAGE sql STABLE PARALLEL SAFE"
        " RETURN CASE WHEN hub_claim('role') IN ('dentist', 'chatbot', 'hub')"
        " THEN hub_claims('exact_phones') END"
    )
    op.execute(f"ALTER POLICY seen ON profiles USING ({_PEOPLE_LOOKED_UP})")
    op.execute(f"ALTER POLICY shown ON profiles USING ({_PEOPLE_SHOWN})")
    shown = ", ".join(
        f"CASE WHEN {condition} THEN {name} END AS {name}" if condition else name
        for name, condition in _COLUMNS.items()
    )
    op.execute(f"CREATE OR REPLACE VIEW hub_shown.profiles AS SELECT {shown} FROM public.profiles")  # noqa: S608  # names of ours
