"""People, calendars and appointment types"""

import time

import sqlalchemy as sa
from alembic import op

from store.sql.types import Sorted

revision = "0001"
down_revision = None


def upgrade() -> None:
    _hub()
    _profiles()
    op.create_table(
        "calendars",
        sa.Column("dentist_id", sa.Text, sa.ForeignKey("profiles.id"), primary_key=True),
        sa.Column("fence", sa.BigInteger, nullable=False),
        sa.Column("owner", sa.Text),
        sa.Column("schedule", sa.Text, nullable=False),
        sa.Column("schedule_version", sa.Integer, nullable=False),
    )
    op.create_table(
        "appointment_types",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("name", Sorted, nullable=False),
        sa.Column("duration_minutes", sa.Integer, nullable=False),
        sa.Column("buffer_before_minutes", sa.Integer, nullable=False),
        sa.Column("buffer_after_minutes", sa.Integer, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.CheckConstraint("duration_minutes > 0", name="duration"),
    )


def _hub() -> None:
    """The epoch that every channel starts with; Unix seconds, so that it only grows."""
    hub = op.create_table(
        "hub",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("first_epoch", sa.BigInteger, nullable=False),
        sa.CheckConstraint("id = 1", name="one_row"),
    )
    op.bulk_insert(hub, [{"id": 1, "first_epoch": int(time.time())}])


def _profiles() -> None:
    op.create_table(
        "profiles",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("subject", sa.Text, unique=True),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("name", Sorted, nullable=False),
        sa.Column("email", sa.Text),
        sa.Column("phone", sa.Text),
        sa.Column("time_zone", sa.Text),
        sa.Column("created_by", sa.Text, sa.ForeignKey("profiles.id")),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("email_key", sa.Text),
        sa.Column("search_text", sa.Text, nullable=False),
        sa.CheckConstraint("role IN ('dentist', 'patient')", name="role"),
    )
    op.create_index("ix_profiles_role_name_id", "profiles", ["role", "name", "id"])
    for column in ("phone", "created_by", "email_key"):
        op.create_index(f"ix_profiles_{column}", "profiles", [column])
