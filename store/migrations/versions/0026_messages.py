"""Messages to patients, and to people who sign in"""

import sqlalchemy as sa
from alembic import op

from store.sql.types import Instant

revision = "0026"
down_revision = "0025"

_QUEUED = sa.text("state = 'queued'")
_DECLARED = "ANY ((SELECT hub_claims('declared'))::text[])"
_WRITTEN = f"dentist_id IS NULL OR dentist_id = {_DECLARED}"
_SEEN = (
    "(SELECT hub_claim('role')) = 'hub' OR (appointment_id IS NOT NULL"
    " AND ((SELECT hub_claim('role')) = 'admin' OR dentist_id = (SELECT hub_own('dentist'))"
    " OR dentist_id = ANY ((SELECT hub_calendars())::text[])))"
)
"""The hub sends them. Dentists and staff see those of their calendars, admins all; codes and
invitations are for no one."""
_CHANGED = (
    "patient_id, state, attempts, error, next_attempt_at, claimed_until, sent_at, content, version"
)


def upgrade() -> None:
    op.create_table(
        "messages",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("practice_id", sa.Text, sa.ForeignKey("practices.id")),
        sa.Column("dentist_id", sa.Text),
        sa.Column("patient_id", sa.Text, sa.ForeignKey("profiles.id")),
        sa.Column("appointment_id", sa.Text, sa.ForeignKey("appointments.id")),
        sa.Column("visit_start", Instant),
        sa.Column("lead_minutes", sa.Integer),
        sa.Column("address", sa.Text),
        sa.Column("content", sa.Text),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("error", sa.Text),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("expires_at", Instant, nullable=False),
        sa.Column("next_attempt_at", Instant),
        sa.Column("claimed_until", Instant),
        sa.Column("sent_at", Instant),
        sa.Column("version", sa.Integer, nullable=False),
        sa.CheckConstraint("state IN ('queued', 'sent', 'failed', 'expired')", name="state"),
        sa.CheckConstraint("(state = 'queued') = (next_attempt_at IS NOT NULL)", name="pending"),
        sa.CheckConstraint("state = 'queued' OR content IS NULL", name="erased"),
        sa.CheckConstraint("(appointment_id IS NULL) = (address IS NOT NULL)", name="addressed"),
        sa.CheckConstraint("appointment_id IS NULL OR content IS NULL", name="secret"),
        sa.UniqueConstraint("appointment_id", "kind", "lead_minutes", "visit_start"),
    )
    op.create_index(
        "ix_messages_queued",
        "messages",
        ["next_attempt_at"],
        sqlite_where=_QUEUED,
        postgresql_where=_QUEUED,
    )
    for columns in (
        ["dentist_id", "created_at", "id"],
        ["created_at", "id"],
        ["patient_id", "created_at"],
        ["practice_id", "sent_at"],
    ):
        op.create_index(f"ix_messages_{'_'.join(columns)}", "messages", columns)
    if op.get_context().dialect.name == "postgresql":
        _guard()


def _guard() -> None:
    """Row security as of revision 0006: closed first, then opened policy by policy."""
    for statement in (
        "ALTER TABLE messages ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE messages FORCE ROW LEVEL SECURITY",
        (
            "CREATE POLICY maintained ON messages FOR ALL TO hub_owner"
            " USING ((SELECT current_setting('hub.purpose', true)) = 'maintenance')"
        ),
        "GRANT SELECT ON messages TO hub_reader",
        f"CREATE POLICY seen ON messages FOR SELECT TO hub_reader USING ({_SEEN})",
        "GRANT SELECT, INSERT, DELETE ON messages TO hub_writer",
        f"GRANT UPDATE ({_CHANGED}) ON messages TO hub_writer",
        "CREATE POLICY checked ON messages FOR SELECT TO hub_writer USING (true)",
        f"CREATE POLICY written ON messages FOR INSERT TO hub_writer WITH CHECK ({_WRITTEN})",
        (
            "CREATE POLICY changed ON messages FOR UPDATE TO hub_writer"
            f" USING ({_WRITTEN} OR patient_id = {_DECLARED})"
            f" WITH CHECK ({_WRITTEN} OR patient_id = {_DECLARED})"
        ),
        ("CREATE POLICY forgotten ON messages FOR DELETE TO hub_writer USING (state <> 'queued')"),
    ):
        op.execute(statement)
