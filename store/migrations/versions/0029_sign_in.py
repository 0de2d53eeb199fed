"""Accounts and sessions of people who sign in at the hub, and the hub's own keys

Callers see their own sessions, and admins all; what a browser keeps, and the keys, are read by
nobody but the hub's writer.
"""

import sqlalchemy as sa
from alembic import op

from store.sql.types import Instant

revision = "0029"
down_revision = "0028"

_ROLE = "(SELECT hub_claim('role'))"
_SEEN = {
    "accounts": f"{_ROLE} = 'hub'",
    "sessions": f"{_ROLE} IN ('hub', 'admin') OR account_id = (SELECT hub_claim('account'))",
    "session_secrets": "false",
    "signing_keys": "false",
}
_WRITTEN = {
    "accounts": "INSERT, UPDATE",
    "sessions": "INSERT, UPDATE, DELETE",
    "session_secrets": "INSERT, UPDATE, DELETE",
    "signing_keys": "INSERT, DELETE",
}


def upgrade() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("name", sa.Text),
        sa.Column("created_at", Instant, nullable=False),
    )
    op.create_table(
        "sessions",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("account_id", sa.Text, sa.ForeignKey("accounts.id"), nullable=False),
        sa.Column("method", sa.Text, nullable=False),
        sa.Column("device", sa.Text, nullable=False),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("used_at", Instant, nullable=False),
        sa.Column("ends_at", Instant, nullable=False),
        sa.Column("ended_at", Instant),
    )
    for column in ("account_id", "ends_at", "ended_at"):
        op.create_index(f"ix_sessions_{column}", "sessions", [column])
    op.create_table(
        "session_secrets",
        sa.Column("session_id", sa.Text, sa.ForeignKey("sessions.id"), primary_key=True),
        sa.Column("handle_hash", sa.Text, nullable=False),
        sa.Column("secret_hash", sa.Text, nullable=False),
        sa.Column("previous_hash", sa.Text),
        sa.Column("rotation_key", sa.Text, nullable=False),
        sa.Column("rotated_at", Instant, nullable=False),
        sa.UniqueConstraint("handle_hash", name="uq_session_secrets_handle_hash"),
    )
    op.create_table(
        "signing_keys",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("private_key", sa.Text, nullable=False),
        sa.Column("public_key", sa.Text, nullable=False),
        sa.Column("created_at", Instant, nullable=False),
    )
    if op.get_context().dialect.name == "postgresql":
        for table in _SEEN:
            _guard(table)


def _guard(table: str) -> None:
    """Row security as of revision 0006. No record of a person is in them, so none is declared."""
    for statement in (
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
        (
            f"CREATE POLICY maintained ON {table} FOR ALL TO hub_owner"
            " USING ((SELECT current_setting('hub.purpose', true)) = 'maintenance')"
        ),
        f"GRANT SELECT ON {table} TO hub_reader",
        f"CREATE POLICY seen ON {table} FOR SELECT TO hub_reader USING ({_SEEN[table]})",
        f"GRANT SELECT, {_WRITTEN[table]} ON {table} TO hub_writer",
        f"CREATE POLICY written ON {table} FOR ALL TO hub_writer USING (true) WITH CHECK (true)",
    ):
        op.execute(statement)
