"""Who may book an appointment type, at which practice, and how it is shown

Every type that there is stays active, and can be booked by patients and staff at all practices.
"""

from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    true = "true" if op.get_context().dialect.name == "postgresql" else "1"
    for column in (
        "description TEXT",
        "sort_order INTEGER NOT NULL DEFAULT 0",
        "color TEXT",
        """bookable_by TEXT NOT NULL DEFAULT '["patient", "staff"]'""",
        f"active BOOLEAN NOT NULL DEFAULT {true}",
        ("practice_id TEXT CONSTRAINT fk_appointment_types_practice_id REFERENCES practices (id)"),
    ):
        op.execute(f"ALTER TABLE appointment_types ADD COLUMN {column}")
