"""Appointments, with the guards against double booking"""

import sqlalchemy as sa
from alembic import op

from store.sql.types import Instant

revision = "0002"
down_revision = "0001"

_LIVE = "status IN ('held', 'confirmed', 'arrived', 'checked_in')"
_ATTENDING = "status IN ('confirmed', 'arrived', 'checked_in')"
_WAS_BOOKED = "status NOT IN ('held', 'released', 'expired')"
_OVER_UNBOOKED = "status IN ('released', 'expired')"
_HELD = "status = 'held'"


def upgrade() -> None:
    op.create_table(
        "appointments",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("dentist_id", sa.Text, sa.ForeignKey("calendars.dentist_id"), nullable=False),
        sa.Column("patient_id", sa.Text, sa.ForeignKey("profiles.id"), nullable=False),
        sa.Column(
            "appointment_type_id", sa.Text, sa.ForeignKey("appointment_types.id"), nullable=False
        ),
        sa.Column("starts_at", Instant, nullable=False),
        sa.Column("ends_at", Instant, nullable=False),
        sa.Column("buffer_before_minutes", sa.Integer, nullable=False),
        sa.Column("buffer_after_minutes", sa.Integer, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("expires_at", Instant),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("overbooked", sa.Boolean, nullable=False),
        sa.Column("created_via", sa.Text, nullable=False),
        sa.Column("notes", sa.Text),
        sa.Column("cancel_reason", sa.Text),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("updated_at", Instant, nullable=False),
        sa.Column("changed_by", sa.Text, nullable=False),
        sa.Column("on_behalf_of", sa.Text, nullable=False),
        sa.CheckConstraint("starts_at < ends_at", name="length"),
        sa.CheckConstraint(
            "status IN ('held', 'confirmed', 'arrived', 'checked_in', 'completed', "
            "'cancelled', 'no_show', 'released', 'expired')",
            name="status",
        ),
        sa.CheckConstraint("status <> 'held' OR expires_at IS NOT NULL", name="hold_ends"),
    )
    for person in ("dentist_id", "patient_id"):
        columns = [person, "starts_at", "id"]
        op.create_index(f"ix_appointments_{'_'.join(columns)}", "appointments", columns)
    _partial_index("live", ["dentist_id", "ends_at"], _LIVE)
    _partial_index("attending", ["patient_id", "ends_at"], _ATTENDING)
    _partial_index("held", ["expires_at"], _HELD)
    _partial_index("own_patients", ["dentist_id", "patient_id"], _WAS_BOOKED)
    _partial_index("over", ["updated_at"], _OVER_UNBOOKED)
    if op.get_context().dialect.name == "sqlite":
        _guard_on_sqlite("dentist", "dentist_id", f"{_LIVE} AND overbooked = 0")
        _guard_on_sqlite("patient", "patient_id", _ATTENDING)


def _partial_index(name: str, columns: list[str], condition: str) -> None:
    where = sa.text(condition)
    op.create_index(
        f"ix_appointments_{name}",
        "appointments",
        columns,
        sqlite_where=where,
        postgresql_where=where,
    )


def _guard_on_sqlite(whose: str, column: str, claims: str) -> None:
    """No two rows of one person that claim time may overlap.

    Rows that keep this rule end in the order in which they start; so the first that ends
    after the new one's start also starts first, and looking at that one is enough.
    """
    new_claims = claims.replace("status", "NEW.status").replace("overbooked", "NEW.overbooked")
    for moment, name in (
        ("INSERT", "insert"),
        (f"UPDATE OF status, starts_at, ends_at, overbooked, {column}", "update"),
    ):
        op.execute(
            f"""
            CREATE TRIGGER appointments_{whose}_overlap_{name} BEFORE {moment} ON appointments
            WHEN {new_claims}
            BEGIN
                SELECT RAISE(ABORT, '{whose}_overlap') WHERE NEW.ends_at > (
                    SELECT starts_at FROM appointments
                    WHERE {column} = NEW.{column} AND {claims}
                    AND ends_at > NEW.starts_at AND id <> NEW.id
                    ORDER BY ends_at LIMIT 1
                );
            END
            """  # noqa: S608  # the parts are this file's own constants
        )
