"""Whose appointment it is now decides who sees its history

An appointment may move to another dentist. That dentist, the practice and the patient see all of
its history from then on, and the dentist whom it left sees none of it. SQLite has the same rule in
`store/sqlite/rules.py`.
"""

from alembic import op

revision = "0020"
down_revision = "0019"

_ROLE, _PERSON = "(SELECT hub_claim('role'))", "(SELECT hub_claim('person'))"
_CALENDARS = "ANY ((SELECT hub_calendars())::text[])"
_SEEN = (
    "resource_kind = 'appointment' AND EXISTS ("  # noqa: S608  # constants of this file
    "SELECT 1 FROM public.appointments AS a WHERE a.id = resource_id AND ("
    f"({_ROLE} = 'dentist' AND a.dentist_id = {_PERSON})"
    f" OR a.dentist_id = {_CALENDARS}"
    f" OR ({_ROLE} = 'patient' AND a.patient_id = {_PERSON})))"
)


def upgrade() -> None:
    if op.get_context().dialect.name == "postgresql":
        op.execute(f"ALTER POLICY seen ON audit_log USING ({_SEEN})")
        op.execute("DROP POLICY of_patient ON audit_log")  # the other one has it
