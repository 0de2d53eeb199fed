"""The metadata, and conditions that indexes and queries share."""

from collections.abc import Iterable

import sqlalchemy as sa

from actors.domain.appointment import ATTENDING, LIVE, NEVER_BOOKED, UNBOOKED, Status


def status_list(statuses: Iterable[Status]) -> str:
    """The statuses as SQL constants, always in the same order.

    SQLite uses a partial index only for a query that repeats its condition literally.
    """
    wanted = frozenset(statuses)
    return ", ".join(f"'{status}'" for status in Status if status in wanted)


IS_LIVE = sa.text(f"status IN ({status_list(LIVE)})")

IS_HELD = sa.text("status = 'held'")

IS_ATTENDING = sa.text(f"status IN ({status_list(ATTENDING)})")

IS_COMPLETED = sa.text("status = 'completed'")

WAS_BOOKED = sa.text(f"status NOT IN ({status_list(NEVER_BOOKED)})")

IS_OVER_UNBOOKED = sa.text(f"status IN ({status_list(UNBOOKED)})")

IS_QUEUED = sa.text("state = 'queued'")

IS_NOT_QUEUED = sa.text("state <> 'queued'")

_VIA_PATIENT = "created_via IN ('patient', 'chatbot')"

BOOKED_BY_PATIENT = sa.text(f"{WAS_BOOKED.text} AND {_VIA_PATIENT}")

MAKES_PATIENT = sa.text(f"{WAS_BOOKED.text} AND (status <> 'cancelled' OR {_VIA_PATIENT})")
"""That a booking makes someone a patient: if others made it for them, until it is cancelled."""


def partial_index(name: str, *columns: str, where: sa.TextClause) -> sa.Index:
    return sa.Index(name, *columns, sqlite_where=where, postgresql_where=where)


metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# About this database only, so they are not dumped.
OF_THIS_DATABASE = {"dumped": False}
