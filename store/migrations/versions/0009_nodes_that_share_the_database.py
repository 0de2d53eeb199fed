"""Nodes that share the database"""

import sqlalchemy as sa
from alembic import op

from store.sql.types import Instant

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "nodes",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("joined_at", Instant, nullable=False),
        sa.Column("lease_until", Instant, nullable=False),
        sa.CheckConstraint("state IN ('live', 'leaving')", name="state"),
    )
    op.create_table(
        "cluster",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.CheckConstraint("id = 1", name="one_row"),
    )
    op.create_index("ix_calendars_owner", "calendars", ["owner"])
    if op.get_context().dialect.name == "postgresql":
        _guard()


def _guard() -> None:
    """For the hubs alone, which work as ``hub_writer``; ``hub_reader`` has no right to them."""
    for table in ("nodes", "cluster"):
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(
            f"CREATE POLICY maintained ON {table} FOR ALL TO hub_owner"
            " USING ((SELECT current_setting('hub.purpose', true)) = 'maintenance')"
        )
        op.execute(f"GRANT SELECT, INSERT, UPDATE ON {table} TO hub_writer")
        op.execute(f"CREATE POLICY checked ON {table} FOR SELECT TO hub_writer USING (true)")
        op.execute(f"CREATE POLICY written ON {table} FOR INSERT TO hub_writer WITH CHECK (true)")
        op.execute(
            f"CREATE POLICY changed ON {table} FOR UPDATE TO hub_writer"
            " USING (true) WITH CHECK (true)"
        )
    op.execute("GRANT DELETE ON nodes TO hub_writer")
    op.execute("CREATE POLICY forgotten ON nodes FOR DELETE TO hub_writer USING (true)")
