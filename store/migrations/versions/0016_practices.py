"""Practices, their patients, and the role of their front desk

Everyone who is known belongs to one practice afterwards: dentists work there, and patients are
its patients. An empty database gets none: `POST /api/practices` creates the first one.
"""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op
from uuid_utils import uuid7

from store.sql.types import Instant, Sorted

revision = "0016"
down_revision = "0015"

_NAME = "Practice"
"""Of the practice of everyone who is known already; an admin changes it."""
_OLD_ROLES, _NEW_ROLES = "role IN ('dentist', 'patient')", "role IN ('dentist', 'staff', 'patient')"


def upgrade() -> None:
    on_postgresql = op.get_context().dialect.name == "postgresql"
    _create_tables()
    _extend_profiles(on_postgresql=on_postgresql)
    _found_practice(op.get_bind())
    if on_postgresql:
        _guard()


def _create_tables() -> None:
    op.create_table(
        "practices",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("name", Sorted, nullable=False),
        sa.Column("time_zone", sa.Text, nullable=False),
        sa.Column("region", sa.Text),
        sa.Column("address", sa.Text),
        sa.Column("phone", sa.Text),
        sa.Column("email", sa.Text),
        sa.Column("website", sa.Text),
        sa.Column("closures", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
    )
    op.create_table(
        "practice_patients",
        sa.Column("practice_id", sa.Text, sa.ForeignKey("practices.id"), nullable=False),
        sa.Column("patient_id", sa.Text, sa.ForeignKey("profiles.id"), nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("since", Instant, nullable=False),
        sa.PrimaryKeyConstraint("practice_id", "patient_id"),
    )
    op.create_index("ix_practice_patients_patient_id", "practice_patients", ["patient_id"])


def _extend_profiles(*, on_postgresql: bool) -> None:
    op.execute(
        "ALTER TABLE profiles ADD COLUMN practice_id TEXT"
        " CONSTRAINT fk_profiles_practice_id REFERENCES practices (id)"
    )
    op.create_index("ix_profiles_practice_id", "profiles", ["practice_id"])
    true = "true" if on_postgresql else "1"
    op.execute(f"ALTER TABLE profiles ADD COLUMN active BOOLEAN NOT NULL DEFAULT {true}")
    if on_postgresql:
        op.drop_constraint(op.f("ck_profiles_role"), "profiles")
        op.create_check_constraint(op.f("ck_profiles_role"), "profiles", sa.text(_NEW_ROLES))
        return
    # SQLite's documented way to change a CHECK without copying the table
    # (sqlite.org/lang_altertable.html, section 7).
    ((version,),) = op.get_bind().exec_driver_sql("PRAGMA schema_version").fetchall()
    op.execute("PRAGMA writable_schema = ON")
    changing = sa.text(
        "UPDATE sqlite_schema SET sql = replace(sql, :old, :new)"
        " WHERE type = 'table' AND name = 'profiles'"
    )
    op.get_bind().execute(changing, {"old": _OLD_ROLES, "new": _NEW_ROLES})
    written = "SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = 'profiles'"
    if _NEW_ROLES not in str(op.get_bind().exec_driver_sql(written).scalar_one()):
        raise RuntimeError(f"the table profiles has no CHECK ({_OLD_ROLES})")
    op.execute(f"PRAGMA schema_version = {version + 1}")
    op.execute("PRAGMA writable_schema = OFF")


def _found_practice(connection: sa.Connection) -> None:
    """The practice of everyone who is known, in the time zone of most of its dentists."""
    people = sa.table("profiles", *map(sa.column, ("id", "role", "time_zone", "practice_id")))
    zones = sa.select(people.c.time_zone, sa.func.count()).where(people.c.role == "dentist")
    found = connection.execute(zones.group_by(people.c.time_zone)).all()
    if not found and not connection.scalar(sa.select(people.c.id).limit(1)):
        return
    known = [(count, zone) for zone, count in found if zone]
    practice = {
        "id": str(uuid7()),
        "name": _NAME,
        "time_zone": max(known)[1] if known else "UTC",
        "closures": "[]",
        "version": 1,
    }
    practices = sa.table("practices", *map(sa.column, practice))
    connection.execute(sa.insert(practices).values(practice))
    working = sa.update(people).where(people.c.role == "dentist")
    connection.execute(working.values(practice_id=practice["id"]))
    names = ("practice_id", "patient_id", "source")
    members = sa.table("practice_patients", *map(sa.column, names), sa.column("since", Instant))
    patients = sa.select(
        sa.literal(practice["id"]),
        people.c.id,
        sa.literal("migrated"),
        sa.literal(datetime.now(UTC), Instant),
    ).where(people.c.role == "patient")
    connection.execute(sa.insert(members).from_select([*names, "since"], patients))


# --- PostgreSQL: row security ------------------------------------------------------------

# Scalar subqueries, so that each is evaluated once a statement and not once a row.
_ROLE, _PERSON = "(SELECT hub_claim('role'))", "(SELECT hub_claim('person'))"
_ME, _MY_CALENDAR = "(SELECT hub_person())", "(SELECT hub_own('dentist'))"
_PRACTICE, _DESK = "(SELECT hub_practice())", "(SELECT hub_desk())"
_CALENDARS = "ANY ((SELECT hub_calendars())::text[])"
_EXACT, _EXACT_KEY = "(SELECT hub_known('exact'))", "(SELECT hub_known('exact_key'))"
_IS_PHONE = f"phone = {_EXACT} OR phone_key = ANY ((SELECT hub_known_phones())::text[])"
_DECLARED = "ANY ((SELECT hub_claims('declared'))::text[])"


def _named(claim: str) -> str:
    return f"ANY ((SELECT hub_named('{claim}'))::text[])"


def _if(condition: str, value: str) -> str:
    return f"CASE WHEN {condition} THEN {value} END"


_FUNCTIONS = (
    (
        "hub_channels()",
        "text[]",
        (
            "CASE hub_claim('role') WHEN 'dentist' THEN ARRAY["
            "'appointments:dentist:' || hub_claim('person'),"
            " 'profiles:dentist:' || hub_claim('person'), 'profiles:user:' || hub_claim('person'),"
            " 'practices:' || hub_claim('practice')]"
            " WHEN 'staff' THEN ARRAY['profiles:user:' || hub_claim('person'),"
            " 'practices:' || hub_claim('practice')] || ARRAY(SELECT 'appointments:dentist:' || c"
            " FROM unnest(hub_claims('calendars')) AS c)"
            " WHEN 'patient' THEN ARRAY['appointments:patient:' || hub_claim('person'),"
            " 'profiles:user:' || hub_claim('person')] ELSE ARRAY[]::text[] END"
        ),
    ),
    (
        "hub_person()",
        "text",
        _if("hub_claim('role') IN ('dentist', 'staff', 'patient')", "hub_claim('person')"),
    ),
    (
        "hub_practice()",
        "text",
        _if("hub_claim('role') IN ('dentist', 'staff')", "hub_claim('practice')"),
    ),
    ("hub_desk()", "text", _if("hub_claim('role') = 'staff'", "hub_claim('practice')")),
    (
        "hub_calendars()",
        "text[]",
        _if("hub_claim('role') = 'staff'", "hub_claims('calendars')"),
    ),
    (
        "hub_known(name text)",
        "text",
        _if("hub_claim('role') IN ('dentist', 'staff', 'chatbot', 'hub')", "hub_claim(name)"),
    ),
    (
        "hub_known_phones()",
        "text[]",
        _if(
            "hub_claim('role') IN ('dentist', 'staff', 'chatbot', 'hub')",
            "hub_claims('exact_phones')",
        ),
    ),
)

# As in 0007 and 0011, with the role staff.
_APPOINTMENTS_SEEN = (
    f"CASE {_ROLE} WHEN 'dentist' THEN dentist_id = {_PERSON}"
    f" WHEN 'staff' THEN dentist_id = {_CALENDARS}"
    f" WHEN 'patient' THEN patient_id = {_PERSON}"
    f" WHEN 'hub' THEN status = 'held' OR dentist_id = {_named('calendars')} ELSE false END"
)
_AT_MY_CALENDARS = (
    "SELECT 1 FROM public.appointments AS a"  # noqa: S608  # constants of this file
    f" WHERE (a.dentist_id = {_MY_CALENDAR} OR a.dentist_id = {_CALENDARS})"
)
_MY_PATIENTS = (
    "SELECT 1 FROM public.practice_patients AS m"  # noqa: S608  # constants of this file
    f" WHERE m.practice_id = {_DESK}"
)
_WAS_BOOKED = "a.status NOT IN ('held', 'released', 'expired')"
_AT = f"EXISTS ({_AT_MY_CALENDARS} AND a.patient_id = profiles.id)"
_BOOKED = f"EXISTS ({_AT_MY_CALENDARS} AND a.patient_id = profiles.id AND {_WAS_BOOKED})"
_OF_PRACTICE = f"EXISTS ({_MY_PATIENTS} AND m.patient_id = profiles.id)"
_COLLEAGUE = f"(role = 'staff' AND practice_id = {_PRACTICE})"
_KNOWN = f"role = 'patient' AND (email_key = {_EXACT_KEY} OR {_IS_PHONE})"
_PEOPLE_SHOWN = (
    f"(role = 'dentist' AND {_ROLE} IS NOT NULL) OR CASE {_ROLE}"
    f" WHEN 'dentist' THEN id = {_PERSON} OR created_by = {_PERSON} OR {_COLLEAGUE}"
    f" OR {_AT} OR ({_KNOWN})"
    f" WHEN 'staff' THEN id = {_PERSON} OR {_COLLEAGUE} OR {_OF_PRACTICE} OR {_AT} OR ({_KNOWN})"
    f" WHEN 'patient' THEN id = {_PERSON} WHEN 'chatbot' THEN {_KNOWN} ELSE false END"
)
_PEOPLE_LOOKED_UP = (
    f"{_ROLE} = 'hub' AND (id = {_named('people')} OR subject = {_named('subjects')}"
    f" OR (practice_id = {_named('practices')} AND role = 'dentist')"
    f" OR email_key = {_EXACT_KEY} OR {_IS_PHONE})"
)
_WHOLE = (
    f"id = {_ME} OR (role = 'patient' AND (created_by = {_MY_CALENDAR}"
    f" OR {_OF_PRACTICE} OR {_BOOKED}))"
)
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
    "practice_id": None,
    "active": None,
}
"""The columns of ``profiles``, in order, with a further condition where there is one."""

_CONSENTS_SEEN = (
    f"{_ROLE} IN ('hub', 'admin')"
    " OR patient_id = (SELECT hub_claim('concerned'))"
    " OR given_by = (SELECT CASE WHEN hub_claim('role') = 'dentist'"
    " THEN 'dentist:' || hub_claim('sub') END)"
    f" OR EXISTS ({_AT_MY_CALENDARS} AND a.patient_id = consents.patient_id AND {_WAS_BOOKED})"
    f" OR EXISTS ({_MY_PATIENTS} AND m.patient_id = consents.patient_id)"
)
_AUDIT_SEEN = (
    f"resource_kind = 'appointment' AND (({_ROLE} = 'dentist' AND dentist_id = {_PERSON})"
    f" OR dentist_id = {_CALENDARS}"
    f" OR ({_ROLE} = 'patient' AND patient_id = {_PERSON}))"
)


def _guard() -> None:
    for signature, kind, body in _FUNCTIONS:
        op.execute(
            f"CREATE OR REPLACE FUNCTION {signature} RETURNS {kind}"
            f" LANGUAGE sql STABLE PARALLEL SAFE RETURN {body}"
        )
    _guard_practices()
    for table, seen in (
        ("appointments", _APPOINTMENTS_SEEN),
        ("profiles", _PEOPLE_LOOKED_UP),
        ("consents", _CONSENTS_SEEN),
        ("audit_log", _AUDIT_SEEN),
    ):
        op.execute(f"ALTER POLICY seen ON {table} USING ({seen})")
    op.execute(
        "ALTER POLICY shown ON appointments"
        f" USING (dentist_id = {_MY_CALENDAR} OR dentist_id = {_CALENDARS})"
    )
    op.execute(f"ALTER POLICY shown ON profiles USING ({_PEOPLE_SHOWN})")
    shown = ", ".join(
        f"{_if(condition, name)} AS {name}" if condition else name
        for name, condition in _COLUMNS.items()
    )
    op.execute(f"CREATE OR REPLACE VIEW hub_shown.profiles AS SELECT {shown} FROM public.profiles")  # noqa: S608  # names of ours


def _guard_practices() -> None:
    """Row security as of revision 0006: closed first, then opened policy by policy."""
    declared = {
        "practices": f"id = {_DECLARED}",
        "practice_patients": f"practice_id = {_DECLARED} AND patient_id = {_DECLARED}",
    }
    seen = {
        "practices": f"{_ROLE} IS NOT NULL",
        "practice_patients": f"practice_id = {_DESK} OR practice_id = {_named('practices')}",
    }
    for table, written in declared.items():
        for statement in (
            f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
            f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
            (
                f"CREATE POLICY maintained ON {table} FOR ALL TO hub_owner"
                " USING ((SELECT current_setting('hub.purpose', true)) = 'maintenance')"
            ),
            f"GRANT SELECT ON {table} TO hub_reader",
            f"CREATE POLICY seen ON {table} FOR SELECT TO hub_reader USING ({seen[table]})",
            f"GRANT SELECT, INSERT, UPDATE ON {table} TO hub_writer",
            f"CREATE POLICY checked ON {table} FOR SELECT TO hub_writer USING (true)",
            f"CREATE POLICY written ON {table} FOR INSERT TO hub_writer WITH CHECK ({written})",
            (
                f"CREATE POLICY changed ON {table} FOR UPDATE TO hub_writer"
                f" USING ({written}) WITH CHECK ({written})"
            ),
        ):
            op.execute(statement)
    op.execute(
        "CREATE POLICY shown ON practice_patients FOR SELECT TO hub_owner"
        f" USING (practice_id = {_DESK})"
    )
