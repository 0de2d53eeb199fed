"""Dates of birth, languages, and consents to messages, shown as contact data is

A date of birth is text of ISO 8601, so that both engines compare it alike. ``consent`` is JSON, and
NULL until the patient was asked.
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"

_ADDED = ("date_of_birth", "language", "consent")

# As in 0016: scalar subqueries, so that each is evaluated once a statement and not once a row.
_ME, _MY_CALENDAR = "(SELECT hub_person())", "(SELECT hub_own('dentist'))"
_DESK, _CALENDARS = "(SELECT hub_desk())", "ANY ((SELECT hub_calendars())::text[])"
_EXACT, _EXACT_KEY = "(SELECT hub_known('exact'))", "(SELECT hub_known('exact_key'))"
_IS_PHONE = f"phone = {_EXACT} OR phone_key = ANY ((SELECT hub_known_phones())::text[])"
_BOOKED = (
    "EXISTS (SELECT 1 FROM public.appointments AS a"  # noqa: S608  # constants of this file
    f" WHERE (a.dentist_id = {_MY_CALENDAR} OR a.dentist_id = {_CALENDARS})"
    " AND a.patient_id = profiles.id AND a.status NOT IN ('held', 'released', 'expired'))"
)
_OF_PRACTICE = (
    "EXISTS (SELECT 1 FROM public.practice_patients AS m"  # noqa: S608  # constants of this file
    f" WHERE m.practice_id = {_DESK} AND m.patient_id = profiles.id)"
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
    **dict.fromkeys(_ADDED, _WHOLE),
}
"""The columns of ``profiles``, in order, with a further condition where there is one."""


def upgrade() -> None:
    for name in _ADDED:
        op.add_column("profiles", sa.Column(name, sa.Text))
    if op.get_context().dialect.name == "postgresql":
        shown = ", ".join(
            f"CASE WHEN {condition} THEN {name} END AS {name}" if condition else name
            for name, condition in _COLUMNS.items()
        )
        op.execute(
            f"CREATE OR REPLACE VIEW hub_shown.profiles AS SELECT {shown} FROM public.profiles"  # noqa: S608  # names of ours
        )
