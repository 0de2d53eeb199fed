"""A known telephone number or e-mail address alone shows callers no one; remarks of practices

Patients are found by two identifiers, and the hub looks them up: callers name no contact any more.
Who has looked a patient up is in the audit, which the hub reads before the patient is linked.
"""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"

# As in 0016 and 0017: scalar subqueries, evaluated once a statement and not once a row.
_ROLE, _PERSON = "(SELECT hub_claim('role'))", "(SELECT hub_claim('person'))"
_ME, _MY_CALENDAR = "(SELECT hub_person())", "(SELECT hub_own('dentist'))"
_PRACTICE, _DESK = "(SELECT hub_practice())", "(SELECT hub_desk())"
_CALENDARS = "ANY ((SELECT hub_calendars())::text[])"
_PEOPLE_NAMED = "ANY ((SELECT hub_named('people'))::text[])"
_AT_MY_CALENDARS = (
    "SELECT 1 FROM public.appointments AS a"  # noqa: S608  # constants of this file
    f" WHERE (a.dentist_id = {_MY_CALENDAR} OR a.dentist_id = {_CALENDARS})"
    " AND a.patient_id = profiles.id"
)
_AT = f"EXISTS ({_AT_MY_CALENDARS})"
_BOOKED = f"EXISTS ({_AT_MY_CALENDARS} AND a.status NOT IN ('held', 'released', 'expired'))"
_OF_PRACTICE = (
    "EXISTS (SELECT 1 FROM public.practice_patients AS m"  # noqa: S608  # constants of this file
    f" WHERE m.practice_id = {_DESK} AND m.patient_id = profiles.id)"
)
_COLLEAGUE = f"(role = 'staff' AND practice_id = {_PRACTICE})"
_PEOPLE_SHOWN = (
    f"(role = 'dentist' AND {_ROLE} IS NOT NULL) OR CASE {_ROLE}"
    f" WHEN 'dentist' THEN id = {_PERSON} OR created_by = {_PERSON} OR {_COLLEAGUE} OR {_AT}"
    f" WHEN 'staff' THEN id = {_PERSON} OR {_COLLEAGUE} OR {_OF_PRACTICE} OR {_AT}"
    f" WHEN 'patient' THEN id = {_PERSON} ELSE false END"
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
    "phone": _WHOLE,
    "time_zone": None,
    "created_by": None,
    "version": None,
    "email_key": "false",
    "search_text": _WHOLE,
    "phone_key": _WHOLE,
    "practice_id": None,
    "active": None,
    "date_of_birth": _WHOLE,
    "language": _WHOLE,
    "consent": _WHOLE,
    "merged_into": None,
}
"""The columns of ``profiles``, in order, with a further condition where there is one."""
_LOOKED_UP = f"{_ROLE} = 'hub' AND action = 'patient.looked_up' AND resource_id = {_PEOPLE_NAMED}"
_BY_THE_HUB = (
    ("hub_known(name text)", "text", "hub_claim(name)"),
    ("hub_known_phones()", "text[]", "hub_claims('exact_phones')"),
)


def upgrade() -> None:
    op.add_column("practice_patients", sa.Column("remark", sa.Text))
    version = sa.Column("version", sa.Integer, nullable=False, server_default="1")
    op.add_column("practice_patients", version)
    if op.get_context().dialect.name != "postgresql":
        return
    for signature, kind, body in _BY_THE_HUB:
        op.execute(
            f"CREATE OR REPLACE FUNCTION {signature} RETURNS {kind} LANGUAGE sql STABLE"
            f" PARALLEL SAFE RETURN CASE WHEN hub_claim('role') = 'hub' THEN {body} END"
        )
    op.execute(f"ALTER POLICY shown ON profiles USING ({_PEOPLE_SHOWN})")
    op.execute(
        f"CREATE POLICY looked_up ON audit_log FOR SELECT TO hub_reader USING ({_LOOKED_UP})"
    )
    shown = ", ".join(
        f"CASE WHEN {condition} THEN {name} END AS {name}" if condition else name
        for name, condition in _COLUMNS.items()
    )
    op.execute(f"CREATE OR REPLACE VIEW hub_shown.profiles AS SELECT {shown} FROM public.profiles")  # noqa: S608  # names of ours
