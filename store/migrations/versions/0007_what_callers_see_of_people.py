"""What callers see of people: columns as well as rows on PostgreSQL, and quicker lists

Callers read people through the view ``hub_shown.profiles``. It replaces the table, because each
transaction puts its schema first, and hides columns that the caller may not see. The table
itself shows a reader only the rows that the hub looks up by key.
"""

from alembic import op

revision = "0007"
down_revision = "0006"

_SHOWN = "hub_shown"
"""The schema of the views; made with the roles, as it takes a right on the database."""

# Scalar subqueries, so that each is evaluated once a statement and not once a row.
_ROLE, _PERSON = "(SELECT hub_claim('role'))", "(SELECT hub_claim('person'))"
_ME, _MY_CALENDAR = "(SELECT hub_person())", "(SELECT hub_own('dentist'))"
_EXACT, _EXACT_KEY = "(SELECT hub_known('exact'))", "(SELECT hub_known('exact_key'))"


def _named(claim: str) -> str:
    return f"ANY ((SELECT hub_named('{claim}'))::text[])"


# CASE and not OR: to the planner a rule that says what the query says, too, looks as if it
# left next to nothing, and it would sort a whole calendar to show its first page.
_APPOINTMENTS_SEEN = (
    f"CASE {_ROLE} WHEN 'dentist' THEN dentist_id = {_PERSON}"
    f" WHEN 'patient' THEN patient_id = {_PERSON}"
    f" WHEN 'hub' THEN status = 'held' OR dentist_id = {_named('calendars')} ELSE false END"
)
_AT_MY_CALENDAR = (
    "SELECT 1 FROM public.appointments AS a"  # noqa: S608  # constants of this file
    f" WHERE a.dentist_id = {_MY_CALENDAR} AND a.patient_id = profiles.id"
)
_BOOKED_HERE = f"EXISTS ({_AT_MY_CALENDAR} AND a.status NOT IN ('held', 'released', 'expired'))"

# A dentist is public; a name belongs to a row that one's calendar shows, a mere reservation
# included, and to whom a known e-mail or phone belongs.
_KNOWN = f"role = 'patient' AND (email_key = {_EXACT_KEY} OR phone = {_EXACT})"
_PEOPLE_SHOWN = (
    f"(role = 'dentist' AND {_ROLE} IS NOT NULL) OR CASE {_ROLE}"
    f" WHEN 'dentist' THEN id = {_PERSON} OR created_by = {_PERSON}"
    f" OR EXISTS ({_AT_MY_CALENDAR}) OR ({_KNOWN})"
    f" WHEN 'patient' THEN id = {_PERSON} WHEN 'chatbot' THEN {_KNOWN} ELSE false END"
)
_PEOPLE_LOOKED_UP = (
    f"{_ROLE} = 'hub' AND (id = {_named('people')} OR subject = {_named('subjects')}"
    f" OR email_key = {_EXACT_KEY} OR phone = {_EXACT})"
)
_WHOLE = f"id = {_ME} OR (role = 'patient' AND (created_by = {_MY_CALENDAR} OR {_BOOKED_HERE}))"
_COLUMNS = {
    "id": None,
    "subject": f"id = {_ME}",
    "role": None,
    "name": None,
    "email": _WHOLE,
    "phone": f"phone = {_EXACT} OR {_WHOLE}",
    "time_zone": None,
    "created_by": None,
    "version": None,
    "email_key": f"email_key = {_EXACT_KEY}",
    "search_text": _WHOLE,
}
"""The columns of ``profiles``, in order, with a further condition where there is one."""


def upgrade() -> None:
    _index_own_patients()
    if op.get_context().dialect.name == "postgresql":
        _functions()
        _restrict_rows()
        _show_people()


def _index_own_patients() -> None:
    """Of every row, a mere reservation included: the rule for a name looks at them all."""
    op.drop_index("ix_appointments_own_patients", "appointments")
    columns = ["dentist_id", "patient_id", "status"]
    op.create_index("ix_appointments_own_patients", "appointments", columns)


def _functions() -> None:
    """Names are bound on creation, so a caller cannot replace the functions they use."""
    claims = "nullif(current_setting('request.jwt.claims', true), '')::jsonb"
    channels = (
        "CASE hub_claim('role') WHEN 'dentist' THEN ARRAY["
        "'appointments:dentist:' || hub_claim('person'),"
        " 'profiles:dentist:' || hub_claim('person'), 'profiles:user:' || hub_claim('person')]"
        " WHEN 'patient' THEN ARRAY['appointments:patient:' || hub_claim('person'),"
        " 'profiles:user:' || hub_claim('person')] ELSE ARRAY[]::text[] END"
    )
    for signature, kind, body in (
        ("hub_claim(name text)", "text", f"{claims} ->> name"),
        (
            "hub_claims(name text)",
            "text[]",
            f"ARRAY(SELECT jsonb_array_elements_text({claims} -> name))",
        ),
        ("hub_channels()", "text[]", channels),
        ("hub_own(role text)", "text", _if("hub_claim('role') = role", "hub_claim('person')")),
        (
            "hub_person()",
            "text",
            _if("hub_claim('role') IN ('dentist', 'patient')", "hub_claim('person')"),
        ),
        (
            "hub_known(name text)",
            "text",
            _if("hub_claim('role') IN ('dentist', 'chatbot', 'hub')", "hub_claim(name)"),
        ),
        ("hub_named(name text)", "text[]", _if("hub_claim('role') = 'hub'", "hub_claims(name)")),
    ):
        op.execute(
            f"CREATE OR REPLACE FUNCTION {signature} RETURNS {kind}"
            f" LANGUAGE sql STABLE PARALLEL SAFE RETURN {body}"
        )


def _if(condition: str, value: str) -> str:
    return f"CASE WHEN {condition} THEN {value} END"


def _restrict_rows() -> None:
    op.execute(f"ALTER POLICY seen ON appointments USING ({_APPOINTMENTS_SEEN})")
    op.execute(f"ALTER POLICY seen ON profiles USING ({_PEOPLE_LOOKED_UP})")


def _show_people() -> None:
    """A view reads as its owner, which by these policies sees no more than the caller."""
    op.execute(
        "CREATE POLICY shown ON appointments FOR SELECT TO hub_owner"
        f" USING (dentist_id = {_MY_CALENDAR})"
    )
    op.execute(f"CREATE POLICY shown ON profiles FOR SELECT TO hub_owner USING ({_PEOPLE_SHOWN})")
    shown = ", ".join(
        f"{_if(condition, name)} AS {name}" if condition else name
        for name, condition in _COLUMNS.items()
    )
    op.execute(f"CREATE VIEW {_SHOWN}.profiles AS SELECT {shown} FROM public.profiles")  # noqa: S608  # names of ours
    op.execute(f"GRANT SELECT ON {_SHOWN}.profiles TO hub_reader")
