"""One look for an overlap: SQLite's guards read a single row

Revision 0012 reads every row of the day before. Rows of one person that claim time never
overlap, because each was guarded when it was written, so they end in the order in which they
start: a new row overlaps one of them only if it overlaps the last that starts before its end.
PostgreSQL keeps its constraints of revision 0005.
"""

from alembic import op

revision = "0014"
down_revision = "0013"

_LIVE = "status IN ('held', 'confirmed', 'arrived', 'checked_in')"
_ATTENDING = "status IN ('confirmed', 'arrived', 'checked_in')"
_DAY = 24 * 60 * 60 * 1_000_000
"""Microseconds. No row is longer, which limits the search where no row claims time."""


def upgrade() -> None:
    if op.get_context().dialect.name == "sqlite":
        _guard("dentist", "dentist_id", f"{_LIVE} AND overbooked = 0")
        _guard("patient", "patient_id", _ATTENDING)


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
                SELECT RAISE(ABORT, '{whose}_overlap') WHERE NEW.starts_at < (
                    SELECT ends_at FROM appointments
                    WHERE {column} = NEW.{column} AND {claims}
                    AND starts_at > NEW.starts_at - {_DAY} AND starts_at < NEW.ends_at
                    AND id <> NEW.id
                    ORDER BY starts_at DESC LIMIT 1
                );
            END
            """  # noqa: S608  # the parts are this file's own constants
        )
