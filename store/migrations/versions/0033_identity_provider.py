"""Sign-ins at an identity provider: those that were begun, and the identities of accounts"""

import sqlalchemy as sa
from alembic import op

from store.sql.types import Instant

revision = "0033"
down_revision = "0032"


def upgrade() -> None:
    op.create_table(
        "provider_sign_ins",
        sa.Column("handle_hash", sa.Text, primary_key=True),
        sa.Column("invitation_hash", sa.Text),
        sa.Column("next_page", sa.Text),
        sa.Column("expires_at", Instant, nullable=False),
    )
    op.create_index("ix_provider_sign_ins_expires_at", "provider_sign_ins", ["expires_at"])
    op.create_table(
        "provider_subjects",
        sa.Column("issuer", sa.Text, primary_key=True),
        sa.Column("subject", sa.Text, primary_key=True),
        sa.Column("account_id", sa.Text, sa.ForeignKey("accounts.id"), nullable=False),
        sa.Column("created_at", Instant, nullable=False),
    )
    op.create_index("ix_provider_subjects_account_id", "provider_subjects", ["account_id"])
    if op.get_context().dialect.name == "postgresql":
        for table in ("provider_sign_ins", "provider_subjects"):
            _guard(table)


def _guard(table: str) -> None:
    """Row security as of revision 0029: for nobody but the hub's writer."""
    for statement in (
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
        (
            f"CREATE POLICY maintained ON {table} FOR ALL TO hub_owner"
            " USING ((SELECT current_setting('hub.purpose', true)) = 'maintenance')"
        ),
        f"GRANT SELECT ON {table} TO hub_reader",
        f"CREATE POLICY seen ON {table} FOR SELECT TO hub_reader USING (false)",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO hub_writer",
        f"CREATE POLICY written ON {table} FOR ALL TO hub_writer USING (true) WITH CHECK (true)",
    ):
        op.execute(statement)
