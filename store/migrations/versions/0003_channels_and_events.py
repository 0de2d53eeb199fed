"""Channels and their events"""

import sqlalchemy as sa
from alembic import op

from store.sql.types import Instant

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "channels",
        sa.Column("channel", sa.Text, primary_key=True),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("offset", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "realtime_events",
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("offset", sa.BigInteger, nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("event_id", sa.Text, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("broadcast_at", Instant),
        sa.Column("latency_ms", sa.Float),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("recipients", sa.Integer),
        sa.Column("error", sa.Text),
        sa.PrimaryKeyConstraint("channel", "offset"),
        sa.CheckConstraint("status IN ('pending', 'sent', 'failed')", name="status"),
    )
    pending = sa.text("status = 'pending'")
    op.create_index(
        "ix_realtime_events_pending",
        "realtime_events",
        ["channel", "offset"],
        sqlite_where=pending,
        postgresql_where=pending,
    )
    op.create_index("ix_realtime_events_created_at", "realtime_events", ["created_at"])
