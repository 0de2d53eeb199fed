"""This database, and the nodes that share it."""

import sqlalchemy as sa

from store.sql.schema.base import OF_THIS_DATABASE, metadata
from store.sql.types import Instant

hub = sa.Table(
    "hub",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("first_epoch", sa.BigInteger, nullable=False),
    sa.CheckConstraint("id = 1", name="one_row"),
)

nodes = sa.Table(
    "nodes",
    metadata,
    # Of one run of a process: a node that was evicted joins again under a new id.
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("address", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("joined_at", Instant, nullable=False),
    sa.Column("lease_until", Instant, nullable=False),
    sa.CheckConstraint("state IN ('live', 'leaving')", name="state"),
    info=OF_THIS_DATABASE,
)

cluster = sa.Table(
    "cluster",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    # Raised whenever a node comes, goes, or begins to leave.
    sa.Column("epoch", sa.BigInteger, nullable=False),
    # The key that nodes sign with, unless the configuration sets one; the first node makes it.
    sa.Column("key", sa.Text, nullable=False),
    sa.CheckConstraint("id = 1", name="one_row"),
    info=OF_THIS_DATABASE,
)
