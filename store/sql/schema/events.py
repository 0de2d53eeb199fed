"""The log of events, and how far they were broadcast."""

import sqlalchemy as sa

from store.sql.schema.base import metadata
from store.sql.types import Instant, SerialKey

# The log of events. It is only appended to; ids rise with the offsets of each channel.
event_log = sa.Table(
    "event_log",
    metadata,
    sa.Column("id", SerialKey, primary_key=True, autoincrement=True),
    sa.Column("epoch", sa.BigInteger, nullable=False),
    sa.Column("event_id", sa.Text, nullable=False),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("payload", sa.LargeBinary, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    # Who made the change. Versions before revision 0025 stored none of them.
    *(sa.Column(name, sa.Text) for name in ("by_role", "by_id", "by_name")),
)

FORGOTTEN = 0
"""In place of an event that retention has deleted."""

# The offsets of an event in its channels. Those of a channel have no gap; the largest is its
# head, which is kept when the event itself is deleted.
event_channels = sa.Table(
    "event_channels",
    metadata,
    sa.Column("event", sa.BigInteger, nullable=False),
    sa.Column("channel", sa.Text, nullable=False),
    sa.Column("offset", sa.BigInteger, nullable=False),
    sa.PrimaryKeyConstraint("event", "channel"),
    sa.UniqueConstraint("channel", "offset"),
    sqlite_with_rowid=False,
)

# How an event was broadcast in a channel. An event without such a row is pending.
deliveries = sa.Table(
    "deliveries",
    metadata,
    sa.Column("event", sa.BigInteger, nullable=False),
    sa.Column("channel", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("broadcast_at", Instant),
    sa.Column("latency_ms", sa.Float),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("recipients", sa.Integer),
    sa.Column("error", sa.Text),
    sa.PrimaryKeyConstraint("event", "channel"),
    sa.CheckConstraint("status IN ('sent', 'failed')", name="status"),
    sqlite_with_rowid=False,
)

# The view of the three tables, with which events are read.
realtime_events = sa.Table(
    "realtime_events",
    sa.MetaData(),
    sa.Column("channel", sa.Text),
    sa.Column("offset", sa.BigInteger),
    sa.Column("epoch", sa.BigInteger),
    sa.Column("event_id", sa.Text),
    sa.Column("type", sa.Text),
    sa.Column("payload", sa.LargeBinary),
    sa.Column("created_at", Instant),
    sa.Column("status", sa.Text),
    sa.Column("broadcast_at", Instant),
    sa.Column("latency_ms", sa.Float),
    sa.Column("attempts", sa.Integer),
    sa.Column("recipients", sa.Integer),
    sa.Column("error", sa.Text),
    *(sa.Column(name, sa.Text) for name in ("by_role", "by_id", "by_name")),
)
