"""Codes that are sent by mail, and how many wrong ones were entered"""

import sqlalchemy as sa
from alembic import op

from store.sql.types import Instant

revision = "0032"
down_revision = "0031"


def upgrade() -> None:
    op.create_table(
        "mail_codes",
        sa.Column("handle_hash", sa.Text, primary_key=True),
        sa.Column("account_id", sa.Text, sa.ForeignKey("accounts.id")),
        sa.Column("code_hash", sa.Text, nullable=False),
        sa.Column("link_hash", sa.Text, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("expires_at", Instant, nullable=False),
    )
    op.create_index("ix_mail_codes_expires_at", "mail_codes", ["expires_at"])
    op.create_table(
        "wrong_codes",
        sa.Column("account_id", sa.Text, sa.ForeignKey("accounts.id"), primary_key=True),
        sa.Column("since", Instant, nullable=False),
        sa.Column("count", sa.Integer, nullable=False),
    )
    if op.get_context().dialect.name == "postgresql":
        for table in ("mail_codes", "wrong_codes"):
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
