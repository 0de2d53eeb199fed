"""Fewer pages for an appointment: overlaps are found by when appointments start

Each booking wrote a page of two more indexes, by the ends of live and of attending rows. No row
is longer than a day, so the indexes by the start answer the same: what overlaps began at most a
day before.
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

_LIVE = "status IN ('held', 'confirmed', 'arrived', 'checked_in')"
_ATTENDING = "status IN ('confirmed', 'arrived', 'checked_in')"
_DAY = 24 * 60 * 60 * 1_000_000
"""Microseconds, as SQLite stores instants."""


def upgrade() -> None:
    for name in ("live", "attending"):
        op.drop_index(f"ix_appointments_{name}", "appointments")
    if op.get_context().dialect.name == "postgresql":
        op.create_check_constraint(
            op.f("ck_appointments_day"),
            "appointments",
            sa.text("ends_at <= starts_at + interval '24 hours'"),
        )
        return
    _limit_length()
    _guard("dentist", "dentist_id", f"{_LIVE} AND overbooked = 0")
    _guard("patient", "patient_id", _ATTENDING)


def _limit_length() -> None:
    for moment, name in (("INSERT", "insert"), ("UPDATE OF starts_at, ends_at", "update")):
        op.execute(
            f"""
            CREATE TRIGGER appointments_day_{name} BEFORE {moment} ON appointments
            WHEN NEW.ends_at - NEW.starts_at > {_DAY}
            BEGIN
                SELECT RAISE(ABORT, 'longer than a day');
            END
            """
        )


def _guard(whose: str, column: str, claims: str) -> None:
    """No two rows of one person that claim time may overlap."""
    new_claims = claims.replace("status", "NEW.status").replace("overbooked", "NEW.overbooked")
    for moment, name in (
        ("INSERT", "insert"),
        (f"UPDATE OF status, starts_at, ends_at, overbooked, {column}", "update"),
    ):
        op.execute(f"DROP TRIGGER appointments_{whose}_overlap_{name}")
        op.execute(
            f"""
            CREATE TRIGGER appointments_{whose}_overlap_{name} BEFORE {moment} ON appointments
            WHEN {new_claims}
            BEGIN
                SELECT RAISE(ABORT, '{whose}_overlap') WHERE EXISTS (
                    SELECT 1 FROM appointments
                    WHERE {column} = NEW.{column} AND {claims}
                    AND starts_at > NEW.starts_at - {_DAY} AND starts_at < NEW.ends_at
                    AND ends_at > NEW.starts_at AND id <> NEW.id
                );
            END
            """  # noqa: S608  # the parts are this file's own constants
        )
