"""Row-level security on PostgreSQL: who may read and write which rows

Every table is closed first, then opened policy by policy. ``hub_reader`` reads with the
claims of the caller; ``hub_writer`` writes the records that a commit declared; ``hub_owner``
sees rows only in a transaction that sets ``hub.purpose``.
"""

from alembic import op

revision = "0006"
down_revision = "0005"

_TABLES = (
    "hub",
    "profiles",
    "calendars",
    "appointment_types",
    "appointments",
    "channels",
    "realtime_events",
    "idempotency_keys",
    "audit_log",
)

# Scalar subqueries, so that each is evaluated once a statement and not once a row.
_ROLE = "(SELECT hub_claim('role'))"
_PERSON = "(SELECT hub_claim('person'))"
_DECLARED = "ANY ((SELECT hub_claims('declared'))::text[])"
_HUB = f"{_ROLE} = 'hub'"
_DENTIST = f"{_ROLE} = 'dentist'"
_PATIENT = f"{_ROLE} = 'patient'"
_SIGNED_IN = f"{_ROLE} IS NOT NULL"
_OWN_CHANNEL = (
    "channel = ANY ((SELECT hub_channels())::text[])"
    f" OR ({_SIGNED_IN} AND starts_with(channel, 'availability:'))"
)

_SEEN = {
    "hub": "true",  # the first epoch is no secret
    "appointment_types": _SIGNED_IN,
    "appointments": (
        f"({_DENTIST} AND dentist_id = {_PERSON}) OR ({_PATIENT} AND patient_id = {_PERSON})"
        f" OR ({_HUB} AND (status = 'held'"
        " OR dentist_id = ANY ((SELECT hub_claims('calendars'))::text[])))"
    ),
    "profiles": (
        f"{_HUB} OR (role = 'dentist' AND {_SIGNED_IN})"  # noqa: S608  # constants of this file
        f" OR ({_ROLE} IN ('dentist', 'patient') AND id = {_PERSON})"
        f" OR ({_DENTIST} AND (created_by = {_PERSON} OR EXISTS (SELECT 1 FROM appointments AS a"
        f" WHERE a.dentist_id = {_PERSON} AND a.patient_id = profiles.id)))"
        f" OR (role = 'patient' AND {_ROLE} IN ('dentist', 'chatbot')"
        " AND (email_key = (SELECT hub_claim('exact_key')) OR phone = (SELECT hub_claim('exact'))))"
    ),
    "channels": f"{_HUB} OR {_OWN_CHANNEL}",
    "realtime_events": (
        f"{_OWN_CHANNEL} OR ({_HUB} AND (status = 'pending'"
        " OR channel = ANY ((SELECT hub_claims('channels'))::text[])))"
    ),
    "idempotency_keys": "scope = ANY ((SELECT hub_claims('scopes'))::text[])",
    "audit_log": (
        f"resource_kind = 'appointment' AND (({_DENTIST} AND dentist_id = {_PERSON})"
        f" OR ({_PATIENT} AND patient_id = {_PERSON}))"
    ),
}
"""What ``hub_reader`` sees; of a table that is missing here, nothing."""

_OWN_CALENDAR = f"dentist_id = {_DECLARED}"
_OWN_OR_NONE = f"(dentist_id IS NULL OR {_OWN_CALENDAR})"
_WRITTEN = {
    "profiles": f"id = {_DECLARED}",
    "calendars": _OWN_CALENDAR,
    "appointment_types": "true",
    "appointments": f"{_OWN_CALENDAR} AND on_behalf_of IN (patient_id, dentist_id, 'system')",
    "channels": "true",
    "realtime_events": (
        "channel !~ '^(appointments|availability):dentist:'"
        f" OR split_part(channel, ':', 3) = {_DECLARED}"
    ),
    "idempotency_keys": _OWN_OR_NONE,
    "audit_log": _OWN_OR_NONE,
}
"""What ``hub_writer`` may put into a table."""

_CHANGED = {
    "hub": "true",
    "profiles": f"id = {_DECLARED}",
    "calendars": _OWN_CALENDAR,
    "appointment_types": "true",
    "appointments": _OWN_CALENDAR,
    "channels": "true",
    "realtime_events": "true",
}
"""Which rows ``hub_writer`` may change, or lock."""

_FORGOTTEN = {
    "appointments": "status IN ('released', 'expired')",
    "realtime_events": "status <> 'pending'",
    "idempotency_keys": "true",
}
"""Which rows retention may delete."""

_MARKS = "status, broadcast_at, latency_ms, attempts, recipients, error"
_UPDATED_COLUMNS = {"hub": "id", "realtime_events": _MARKS}
"""Where not every column may change; ``hub`` can be locked that way, and never changed."""


def upgrade() -> None:
    if op.get_context().dialect.name != "postgresql":
        return
    _functions()
    for table in _TABLES:
        _close(table)
        _open(table)
    op.execute("GRANT USAGE ON SEQUENCE audit_log_id_seq TO hub_writer")
    _revision()


def _functions() -> None:
    claims = "nullif(current_setting('request.jwt.claims', true), '')::jsonb"
    op.execute(
        "CREATE FUNCTION hub_claim(name text) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE"
        f" AS $$ SELECT {claims} ->> name $$"
    )
    op.execute(
        "CREATE FUNCTION hub_claims(name text) RETURNS text[] LANGUAGE sql STABLE PARALLEL SAFE"
        f" AS $$ SELECT ARRAY(SELECT jsonb_array_elements_text({claims} -> name)) $$"
    )
    op.execute(
        """
        CREATE FUNCTION hub_channels() RETURNS text[] LANGUAGE sql STABLE PARALLEL SAFE AS $$
            SELECT CASE hub_claim('role')
                WHEN 'dentist' THEN ARRAY[
                    'appointments:dentist:' || hub_claim('person'),
                    'profiles:dentist:' || hub_claim('person'),
                    'profiles:user:' || hub_claim('person')]
                WHEN 'patient' THEN ARRAY[
                    'appointments:patient:' || hub_claim('person'),
                    'profiles:user:' || hub_claim('person')]
                ELSE ARRAY[]::text[]
            END
        $$
        """
    )


def _close(table: str) -> None:
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.execute(
        f"CREATE POLICY maintained ON {table} FOR ALL TO hub_owner"
        " USING ((SELECT current_setting('hub.purpose', true)) = 'maintenance')"
    )


def _open(table: str) -> None:
    if table in _SEEN:
        op.execute(f"GRANT SELECT ON {table} TO hub_reader")
        op.execute(f"CREATE POLICY seen ON {table} FOR SELECT TO hub_reader USING ({_SEEN[table]})")
    # A commit's checks look at what one calendar cannot know: a patient's other dentists.
    op.execute(f"GRANT SELECT ON {table} TO hub_writer")
    op.execute(f"CREATE POLICY checked ON {table} FOR SELECT TO hub_writer USING (true)")
    if table in _WRITTEN:
        op.execute(f"GRANT INSERT ON {table} TO hub_writer")
        op.execute(
            f"CREATE POLICY written ON {table} FOR INSERT TO hub_writer"
            f" WITH CHECK ({_WRITTEN[table]})"
        )
    if table in _CHANGED:
        columns = f" ({_UPDATED_COLUMNS[table]})" if table in _UPDATED_COLUMNS else ""
        after = _CHANGED[table] if columns else _WRITTEN[table]
        op.execute(f"GRANT UPDATE{columns} ON {table} TO hub_writer")
        op.execute(
            f"CREATE POLICY changed ON {table} FOR UPDATE TO hub_writer"
            f" USING ({_CHANGED[table]}) WITH CHECK ({after})"
        )
    if table in _FORGOTTEN:
        op.execute(f"GRANT DELETE ON {table} TO hub_writer")
        op.execute(
            f"CREATE POLICY forgotten ON {table} FOR DELETE TO hub_writer"
            f" USING ({_FORGOTTEN[table]})"
        )


def _revision() -> None:
    """The schema's revision is no secret; only its owner may change it."""
    op.execute("ALTER TABLE alembic_version ENABLE ROW LEVEL SECURITY")
    op.execute("CREATE POLICY seen ON alembic_version FOR SELECT TO PUBLIC USING (true)")
    op.execute("GRANT SELECT ON alembic_version TO PUBLIC")
