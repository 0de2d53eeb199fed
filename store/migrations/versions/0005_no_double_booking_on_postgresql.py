"""The guards against double booking on PostgreSQL (SQLite has its triggers since 0002)"""

from alembic import op

revision = "0005"
down_revision = "0004"

_LIVE = "status IN ('held', 'confirmed', 'arrived', 'checked_in')"
_ATTENDING = "status IN ('confirmed', 'arrived', 'checked_in')"


def upgrade() -> None:
    if op.get_context().dialect.name != "postgresql":
        return
    _exclude("dentist", "dentist_id", f"{_LIVE} AND NOT overbooked")
    _exclude("patient", "patient_id", _ATTENDING)


def _exclude(whose: str, column: str, claims: str) -> None:
    """No two rows of one person that claim time may overlap. Needs btree_gist."""
    op.execute(
        f"ALTER TABLE appointments ADD CONSTRAINT appointments_{whose}_overlap "
        f"EXCLUDE USING gist ({column} WITH =, tstzrange(starts_at, ends_at) WITH &&) "
        f"WHERE ({claims})"
    )
