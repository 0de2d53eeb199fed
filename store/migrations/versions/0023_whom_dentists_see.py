"""Whose patients dentists see, and which bookings make someone a patient

``practices.dentists_see``: dentists of practices that there are see their own patients, as before;
of new ones, those of the practice. A booking that others made for a patient counts until it is
cancelled; one that the patient, or a chatbot for them, made counts for good.
"""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"

# As in 0016 and 0022: scalar subqueries, evaluated once a statement and not once a row.
_ROLE, _PERSON = "(SELECT hub_claim('role'))", "(SELECT hub_claim('person'))"
_ME, _MY_CALENDAR = "(SELECT hub_person())", "(SELECT hub_own('dentist'))"
_PRACTICE, _DESK, _SIGHT = (f"(SELECT hub_{name}())" for name in ("practice", "desk", "sight"))
_CALENDARS = "ANY ((SELECT hub_calendars())::text[])"
_COLLEAGUES = "ANY ((SELECT hub_colleagues())::text[])"
_NAMED = "ANY ((SELECT hub_named('practices'))::text[])"
_MINE = f"(a.dentist_id = {_MY_CALENDAR} OR a.dentist_id = {_CALENDARS})"
_IN_SIGHT = f"({_MINE} OR a.dentist_id = {_COLLEAGUES})"
_WAS_BOOKED = (
    "a.status NOT IN ('held', 'released', 'expired')"
    " AND (a.status <> 'cancelled' OR a.created_via IN ('patient', 'chatbot'))"
)


def _at(calendars: str, person: str, booked: str = "") -> str:
    return (
        "EXISTS (SELECT 1 FROM public.appointments AS a"  # noqa: S608  # constants of this file
        f" WHERE {calendars} AND a.patient_id = {person}{booked and f' AND {booked}'})"
    )


def _of_practice(practice: str, person: str) -> str:
    return (
        "EXISTS (SELECT 1 FROM public.practice_patients AS m"  # noqa: S608  # constants of this file
        f" WHERE m.practice_id = {practice} AND m.patient_id = {person})"
    )


_COLLEAGUE = f"(role = 'staff' AND practice_id = {_PRACTICE})"
_HELD_OR_BOOKED = _at(_MINE, "profiles.id")
_OURS = f"{_of_practice(_SIGHT, 'profiles.id')} OR {_at(_IN_SIGHT, 'profiles.id', _WAS_BOOKED)}"
_PEOPLE_SHOWN = (
    f"(role = 'dentist' AND {_ROLE} IS NOT NULL) OR CASE {_ROLE}"
    f" WHEN 'dentist' THEN id = {_PERSON} OR created_by = {_PERSON} OR {_COLLEAGUE}"
    f" OR {_HELD_OR_BOOKED} OR {_OURS}"
    f" WHEN 'staff' THEN id = {_PERSON} OR {_COLLEAGUE} OR {_HELD_OR_BOOKED} OR {_OURS}"
    f" WHEN 'patient' THEN id = {_PERSON} ELSE false END"
)
_WHOLE = f"id = {_ME} OR (role = 'patient' AND (created_by = {_MY_CALENDAR} OR {_OURS}))"
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
_CONSENTS_SEEN = (
    f"{_ROLE} IN ('hub', 'admin')"
    " OR patient_id = (SELECT hub_claim('concerned'))"
    " OR given_by = (SELECT CASE WHEN hub_claim('role') = 'dentist'"
    " THEN 'dentist:' || hub_claim('sub') END)"
    f" OR {_at(_MINE, 'consents.patient_id', _WAS_BOOKED)}"
    f" OR {_of_practice(_DESK, 'consents.patient_id')}"
)
_BY_PEOPLE = "CASE WHEN hub_claim('role') IN ('dentist', 'staff') THEN"
_FUNCTIONS = (
    ("hub_sight()", "text", f"{_BY_PEOPLE} hub_claim('sight') END"),
    (
        "hub_colleagues()",
        "text[]",
        "CASE WHEN hub_claim('role') = 'dentist' THEN hub_claims('colleagues') END",
    ),
)


def upgrade() -> None:
    seeing = sa.Column("dentists_see", sa.Text, nullable=False, server_default="own")
    op.add_column("practices", seeing)
    if op.get_context().dialect.name != "postgresql":
        return
    for signature, kind, body in _FUNCTIONS:
        op.execute(
            f"CREATE FUNCTION {signature} RETURNS {kind} LANGUAGE sql STABLE PARALLEL SAFE"
            f" RETURN {body}"
        )
    for table, policy, seen in (
        ("appointments", "shown", _IN_SIGHT.replace("a.dentist_id", "dentist_id")),
        ("practice_patients", "shown", f"practice_id = {_SIGHT}"),
        ("patient_words", "seen", f"practice_id = {_SIGHT}"),
        ("practice_patients", "seen", f"practice_id = {_SIGHT} OR practice_id = {_NAMED}"),
        ("profiles", "shown", _PEOPLE_SHOWN),
        ("consents", "seen", _CONSENTS_SEEN),
    ):
        op.execute(f"ALTER POLICY {policy} ON {table} USING ({seen})")
    shown = ", ".join(
        f"CASE WHEN {condition} THEN {name} END AS {name}" if condition else name
        for name, condition in _COLUMNS.items()
    )
    op.execute(f"CREATE OR REPLACE VIEW hub_shown.profiles AS SELECT {shown} FROM public.profiles")  # noqa: S608  # names of ours
