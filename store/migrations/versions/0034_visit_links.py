"""Links to visits without sign-in, and when a patient confirmed a visit"""

import sqlalchemy as sa
from alembic import op

from store.sql.types import Instant

revision = "0034"
down_revision = "0033"


def upgrade() -> None:
    op.add_column("appointments", sa.Column("patient_confirmed_at", Instant))
    op.create_table(
        "visit_links",
        sa.Column("token_hash", sa.Text, primary_key=True),
        sa.Column("message_id", sa.Text, nullable=False),
        sa.Column("appointment_id", sa.Text, sa.ForeignKey("appointments.id"), nullable=False),
        sa.Column("patient_id", sa.Text, sa.ForeignKey("profiles.id"), nullable=False),
        sa.Column("practice_id", sa.Text, sa.ForeignKey("practices.id")),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("expires_at", Instant, nullable=False),
        sa.Column("revoked_at", Instant),
    )
    for column in ("appointment_id", "expires_at"):
        op.create_index(f"ix_visit_links_{column}", "visit_links", [column])
    if op.get_context().dialect.name == "postgresql":
        _guard()


def _guard() -> None:
    """Row security as of revision 0006. A link never changes, except that it is revoked."""
    for statement in (
        "ALTER TABLE visit_links ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE visit_links FORCE ROW LEVEL SECURITY",
        (
            "CREATE POLICY maintained ON visit_links FOR ALL TO hub_owner"
            " USING ((SELECT current_setting('hub.purpose', true)) = 'maintenance')"
        ),
        "GRANT SELECT ON visit_links TO hub_reader",
        (
            "CREATE POLICY seen ON visit_links FOR SELECT TO hub_reader"
            " USING ((SELECT hub_claim('role')) = 'hub')"
        ),
        "GRANT SELECT, INSERT, DELETE ON visit_links TO hub_writer",
        "GRANT UPDATE (revoked_at) ON visit_links TO hub_writer",
        "CREATE POLICY written ON visit_links FOR ALL TO hub_writer USING (true) WITH CHECK (true)",
    ):
        op.execute(statement)
