"""Registrations of patients: those that wait for a code, and wrong codes and dates of birth"""

import sqlalchemy as sa
from alembic import op

from store.sql.types import Instant

revision = "0035"
down_revision = "0034"


def upgrade() -> None:
    op.create_table(
        "registrations",
        sa.Column("handle_hash", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("phone", sa.Text, nullable=False),
        sa.Column("date_of_birth", sa.Text, nullable=False),
        sa.Column("language", sa.Text),
        sa.Column("expires_at", Instant, nullable=False),
    )
    op.create_index("ix_registrations_expires_at", "registrations", ["expires_at"])
    op.create_table(
        "address_tries",
        sa.Column("address_hash", sa.Text, primary_key=True),
        sa.Column("since", Instant, nullable=False),
        sa.Column("count", sa.Integer, nullable=False),
    )
    op.create_index("ix_address_tries_since", "address_tries", ["since"])
    op.create_table(
        "wrong_birth_dates",
        sa.Column("profile_id", sa.Text, sa.ForeignKey("profiles.id"), primary_key=True),
        sa.Column("count", sa.Integer, nullable=False),
    )
    if op.get_context().dialect.name == "postgresql":
        for table in ("registrations", "address_tries", "wrong_birth_dates"):
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
