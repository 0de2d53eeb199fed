"""Checks the invariants of a database. It only reads, so a hub may run meanwhile."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Select, exists, func, select, text

from store.sql.schema import (
    FORGOTTEN,
    IS_LIVE,
    appointments,
    deliveries,
    event_channels,
    event_log,
    profiles,
)
from store.transfer.maintenance import reading
from store.transfer.verify_words import broken_words

_SHOWN_MAX = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Findings:
    """What a database contains, and which of its invariants are violated."""

    dentists: int
    patients: int
    appointments: int
    problems: tuple[str, ...]


def verify(url: str) -> Findings:
    """Read everything once. On PostgreSQL the login must be a member of ``hub_owner``.

    Raises SQLAlchemy's DatabaseError if it cannot be read, StoreUnavailable if not reached.
    """
    return reading(url, _findings)


def _findings(connection: Connection) -> Findings:
    return Findings(
        dentists=_count(connection, profiles.c.role == "dentist"),
        patients=_count(connection, profiles.c.role == "patient"),
        appointments=connection.scalar(select(func.count(appointments.c.id))) or 0,
        problems=(
            *(_damages(connection) if connection.dialect.name == "sqlite" else ()),
            *_overlaps(connection),
            *_broken_channels(connection),
            *_broken_events(connection),
            *_broken_merges(connection),
            *broken_words(connection, _SHOWN_MAX),
        ),
    )


def _count(connection: Connection, condition: ColumnElement[bool]) -> int:
    return connection.scalar(select(func.count(profiles.c.id)).where(condition)) or 0


def _damages(connection: Connection) -> list[str]:
    """Damages that SQLite itself finds."""
    found = connection.execute(text(f"PRAGMA integrity_check({_SHOWN_MAX})")).scalars()
    damages = [f"the file is damaged: {line}" for line in found if line != "ok"]
    for table, row, *_ in connection.execute(text("PRAGMA foreign_key_check")).fetchmany(
        _SHOWN_MAX
    ):
        damages.append(f"row {row} of {table} refers to a row that does not exist")
    return damages


def _overlaps(connection: Connection) -> list[str]:
    """Live appointments of one dentist that overlap, although none was overbooked."""
    rows = appointments.c
    latest_end = func.max(rows.ends_at).over(
        partition_by=rows.dentist_id, order_by=rows.starts_at, rows=(None, -1)
    )
    live = (
        select(rows.id, rows.starts_at, latest_end.label("latest_end"))
        .where(IS_LIVE, rows.overbooked.is_(False))
        .subquery()
    )
    found = select(live.c.id).where(live.c.starts_at < live.c.latest_end).limit(_SHOWN_MAX)
    return [
        f"appointment {row_id} overlaps another one of its dentist"
        for row_id in connection.execute(found).scalars()
    ]


def _broken_channels(connection: Connection) -> list[str]:
    """Channels whose kept offsets have a gap."""
    entries = event_channels.c
    first, last = func.min(entries.offset), func.max(entries.offset)
    found = (
        select(entries.channel)
        .group_by(entries.channel)
        .having(func.count(entries.offset) != last - first + 1)
        .limit(_SHOWN_MAX)
    )
    return [
        f"the events of channel {channel} have a gap"
        for channel in connection.execute(found).scalars()
    ]


def _broken_merges(connection: Connection) -> list[str]:
    """Rows of a person who was merged, and merges into nobody."""
    merged, survivor = profiles.c, profiles.alias("survivor").c
    left = select(appointments.c.id).where(
        appointments.c.patient_id == merged.id, merged.merged_into.is_not(None)
    )
    lost = select(merged.id).where(
        merged.merged_into.is_not(None), ~exists().where(survivor.id == merged.merged_into)
    )
    lacking = {
        "appointment {} is of a patient who was merged": left,
        "patient {} was merged into nobody": lost,
    }
    return [
        problem.format(row_id)
        for problem, found in lacking.items()
        for row_id in connection.execute(found.limit(_SHOWN_MAX)).scalars()
    ]


def _broken_events(connection: Connection) -> list[str]:
    """Rows of one event that lack the others."""
    entries, log, sent = event_channels.c, event_log.c, deliveries.c
    of_delivery = exists().where(entries.event == sent.event, entries.channel == sent.channel)
    lacking: dict[str, Select[tuple[int]]] = {
        "event {} of a channel is not in the log": select(entries.event).where(
            entries.event > FORGOTTEN, ~exists().where(log.id == entries.event)
        ),
        "event {} of the log is in no channel": select(log.id).where(
            ~exists().where(entries.event == log.id)
        ),
        "event {} was delivered to a channel in which it is not": select(sent.event).where(
            ~of_delivery
        ),
    }
    return [
        problem.format(number)
        for problem, found in lacking.items()
        for number in connection.execute(found.limit(_SHOWN_MAX)).scalars()
    ]
