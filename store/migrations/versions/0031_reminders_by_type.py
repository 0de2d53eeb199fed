"""When patients are reminded of visits of a type; by default as set for the hub"""

from alembic import op

revision = "0031"
down_revision = "0030"


def upgrade() -> None:
    op.execute("ALTER TABLE appointment_types ADD COLUMN reminder_hours TEXT")
