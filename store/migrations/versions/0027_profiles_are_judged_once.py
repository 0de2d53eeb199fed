"""Whether a caller sees the whole profile is decided once for a row, and not once for a column

The view repeated the condition for each of its columns, and PostgreSQL planned it as often: of a
page of patients, planning took twice as long as reading.
"""

from alembic import op

revision = "0027"
down_revision = "0026"

# As in 0023: scalar subqueries, evaluated once a statement and not once a row.
_ME, _MY_CALENDAR = "(SELECT hub_person())", "(SELECT hub_own('dentist'))"
_SIGHT = "(SELECT hub_sight())"
_IN_SIGHT = (
    f"(a.dentist_id = {_MY_CALENDAR} OR a.dentist_id = ANY ((SELECT hub_calendars())::text[])"
    " OR a.dentist_id = ANY ((SELECT hub_colleagues())::text[]))"
)
_WHOLE = (
    f"id = {_ME} OR (role = 'patient' AND (created_by = {_MY_CALENDAR}"  # noqa: S608  # constants of this file
    " OR EXISTS (SELECT 1 FROM public.practice_patients AS m"
    f" WHERE m.practice_id = {_SIGHT} AND m.patient_id = profiles.id)"
    " OR EXISTS (SELECT 1 FROM public.appointments AS a"
    f" WHERE {_IN_SIGHT} AND a.patient_id = profiles.id"
    " AND a.status NOT IN ('held', 'released', 'expired')"
    " AND (a.status <> 'cancelled' OR a.created_via IN ('patient', 'chatbot')))))"
)
_IF_WHOLE = "judged.is_whole"
_COLUMNS = {
    "id": None,
    "subject": f"id = {_ME}",
    "role": None,
    "name": None,
    "email": _IF_WHOLE,
    "phone": _IF_WHOLE,
    "time_zone": None,
    "created_by": None,
    "version": None,
    "email_key": "false",
    "search_text": _IF_WHOLE,
    "phone_key": _IF_WHOLE,
    "practice_id": None,
    "active": None,
    "date_of_birth": _IF_WHOLE,
    "language": _IF_WHOLE,
    "consent": _IF_WHOLE,
    "merged_into": None,
}
"""The columns of ``profiles``, in order, with a further condition where there is one."""


def upgrade() -> None:
    if op.get_context().dialect.name != "postgresql":
        return
    shown = ", ".join(
        f"CASE WHEN {condition} THEN {name} END AS {name}" if condition else name
        for name, condition in _COLUMNS.items()
    )
    # OFFSET keeps the planner from copying the condition into each column again.
    op.execute(
        f"CREATE OR REPLACE VIEW hub_shown.profiles AS SELECT {shown} FROM public.profiles"  # noqa: S608  # names of ours
        f" CROSS JOIN LATERAL (SELECT {_WHOLE} AS is_whole OFFSET 0) AS judged"
    )
