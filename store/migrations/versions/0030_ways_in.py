"""Invitations, passkeys, and sign-ins that have begun

Admins see invitations, and the front desk those of the patients of its practice; the rest is for
nobody but the hub.
"""

import sqlalchemy as sa
from alembic import op

from store.sql.types import Instant

revision = "0030"
down_revision = "0029"

_SEEN = {
    "invitations": ("(SELECT hub_claim('role')) = 'admin' OR practice_id = (SELECT hub_desk())"),
    "passkeys": "false",
    "ceremonies": "false",
}


def upgrade() -> None:
    op.create_table(
        "invitations",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("profile_id", sa.Text, sa.ForeignKey("profiles.id")),
        sa.Column("name", sa.Text),
        sa.Column("practice_id", sa.Text, sa.ForeignKey("practices.id")),
        sa.Column("token_hash", sa.Text, nullable=False),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("expires_at", Instant, nullable=False),
        sa.Column("ended_at", Instant),
        sa.UniqueConstraint("token_hash", name="uq_invitations_token_hash"),
    )
    for column in ("profile_id", "practice_id", "expires_at"):
        op.create_index(f"ix_invitations_{column}", "invitations", [column])
    op.create_table(
        "passkeys",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("account_id", sa.Text, sa.ForeignKey("accounts.id"), nullable=False),
        sa.Column("public_key", sa.LargeBinary, nullable=False),
        sa.Column("sign_count", sa.BigInteger, nullable=False),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("used_at", Instant),
    )
    op.create_index("ix_passkeys_account_id", "passkeys", ["account_id"])
    op.create_table(
        "ceremonies",
        sa.Column("handle_hash", sa.Text, primary_key=True),
        sa.Column("challenge", sa.Text, nullable=False),
        sa.Column("account_id", sa.Text),
        sa.Column("invitation_id", sa.Text),
        sa.Column("expires_at", Instant, nullable=False),
    )
    op.create_index("ix_ceremonies_expires_at", "ceremonies", ["expires_at"])
    if op.get_context().dialect.name == "postgresql":
        for table in _SEEN:
            _guard(table)


def _guard(table: str) -> None:
    """Row security as of revision 0029."""
    for statement in (
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
        (
            f"CREATE POLICY maintained ON {table} FOR ALL TO hub_owner"
            " USING ((SELECT current_setting('hub.purpose', true)) = 'maintenance')"
        ),
        f"GRANT SELECT ON {table} TO hub_reader",
        f"CREATE POLICY seen ON {table} FOR SELECT TO hub_reader USING ({_SEEN[table]})",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO hub_writer",
        f"CREATE POLICY written ON {table} FOR ALL TO hub_writer USING (true) WITH CHECK (true)",
    ):
        op.execute(statement)
