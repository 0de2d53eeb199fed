"""Checks of a hub's database after failures.

Appointments do not overlap, histories have no gap and no repeated event and agree with the
rows, and no fence was lowered.
"""

import json
from collections import defaultdict
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from actors.domain.announcements import MOVED_AWAY
from tests.support.database import HEADS, Database, OnPostgres, execute, rows


def problems_of(database: Database) -> list[str]:
    """All problems of rows, channels and events; empty if the database is right."""
    return [
        *_overlaps(database),
        *_gaps(database),
        *_repeats(database),
        *_wrong_last_events(database),
        *_lowered_fences(database),
    ]


def watch_fences(database: OnPostgres) -> None:
    """Make the database record each lowered fence, for :func:`problems_of`."""
    execute(
        database,
        "CREATE TABLE lowered_fences (dentist_id text, before bigint, after bigint)",
        """CREATE FUNCTION note_lowered_fence() RETURNS trigger SECURITY DEFINER LANGUAGE plpgsql
        AS $$ BEGIN
            INSERT INTO public.lowered_fences VALUES (OLD.dentist_id, OLD.fence, NEW.fence);
            RETURN NEW;
        END $$""",
        """CREATE TRIGGER lowered_fence BEFORE UPDATE ON calendars FOR EACH ROW
        WHEN (NEW.fence < OLD.fence) EXECUTE FUNCTION note_lowered_fence()""",
    )


def pending(database: Database) -> set[tuple[str, int]]:
    """(channel, offset) of the events whose broadcast is not recorded yet."""
    sql = "SELECT channel, \"offset\" FROM realtime_events WHERE status = 'pending'"
    return {(row["channel"], row["offset"]) for row in rows(database, sql)}


def _overlaps(database: Database) -> list[str]:
    """Live rows of a dentist or a patient that overlap; holds count for dentists only."""
    sql = (
        "SELECT id, dentist_id, patient_id, status, starts_at, ends_at FROM appointments"
        " WHERE status IN ('held', 'confirmed', 'arrived', 'checked_in') AND NOT overbooked"
        " ORDER BY starts_at, ends_at"
    )
    rows_of: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in rows(database, sql):
        rows_of["dentist", row["dentist_id"]].append(row)
        if row["status"] != "held":
            rows_of["patient", row["patient_id"]].append(row)
    return [
        f"{role} {person}: {first['id']} and {second['id']} overlap"
        for (role, person), own_rows in rows_of.items()
        for first, second in pairwise(own_rows)
        if second["starts_at"] < first["ends_at"]
    ]


def _gaps(database: Database) -> list[str]:
    """Channels whose offsets are not exactly 1, 2, … up to the head."""
    sql = 'SELECT channel, "offset" FROM realtime_events ORDER BY channel, "offset"'
    offsets: dict[str, list[int]] = {}
    for row in rows(database, sql):
        offsets.setdefault(row["channel"], []).append(row["offset"])
    heads = rows(database, HEADS)
    found = [
        f"{head['channel']}: {offsets.get(head['channel'])} up to {head['offset']}"
        for head in heads
        if offsets.get(head["channel"], []) != list(range(1, head["offset"] + 1))
    ]
    strays = offsets.keys() - {head["channel"] for head in heads}
    return found + [f"{channel}: events without a head" for channel in strays]


def _repeats(database: Database) -> list[str]:
    """Channels with an event twice, or with an appointment's versions not in sequence.

    After it moved away it may only come back, with a later version.
    """
    versions: dict[tuple[str, str], list[tuple[int, str]]] = defaultdict(list)
    ids: dict[str, list[str]] = defaultdict(list)
    sql = 'SELECT channel, event_id, type, payload FROM realtime_events ORDER BY channel, "offset"'
    for event in rows(database, sql):
        ids[event["channel"]].append(event["event_id"])
        if event["channel"].startswith("appointments:"):
            data = json.loads(event["payload"])
            versions[event["channel"], data["id"]].append((data["version"], event["type"]))
    return [
        *(f"{name}: an event twice" for name, sent in ids.items() if len(set(sent)) < len(sent)),
        *(
            f"{row}: {channel} has versions {sent}"
            for (channel, row), sent in versions.items()
            if not all(_follows(before, after) for before, after in pairwise(sent))
        ),
    ]


def _follows(before: tuple[int, str], after: tuple[int, str]) -> bool:
    if before[1] == MOVED_AWAY:
        return after[1] == "appointment.created" and after[0] > before[0]
    return after[0] == before[0] + 1


def _lowered_fences(database: Database) -> Iterable[str]:
    """The recorded fences, if :func:`watch_fences` was called."""
    if not isinstance(database, OnPostgres):
        return []
    if not rows(database, "SELECT 1 FROM pg_tables WHERE tablename = 'lowered_fences'"):
        return []
    lowered = rows(database, "SELECT * FROM lowered_fences")
    return [f"{r['dentist_id']}: fence {r['before']} became {r['after']}" for r in lowered]


def _wrong_last_events(database: Database) -> list[str]:
    """Appointments whose last event on one of their two channels differs from the row, or is
    not that it moved away on the channel of another dentist."""
    table = rows(database, "SELECT id, dentist_id, patient_id, status, version FROM appointments")
    last: dict[tuple[str, str], dict[str, Any]] = {}
    sql = (
        "SELECT channel, payload FROM realtime_events"
        " WHERE channel LIKE 'appointments:%' ORDER BY channel, \"offset\""
    )
    for event in rows(database, sql):
        data = json.loads(event["payload"])
        last[event["channel"], data["id"]] = data
    found = []
    for row in table:
        for channel in (
            f"appointments:dentist:{row['dentist_id']}",
            f"appointments:patient:{row['patient_id']}",
        ):
            data = last.get((channel, row["id"]))
            if data is None:
                found.append(f"{row['id']}: no event on {channel}")
            elif (data.get("status"), data["version"]) != (row["status"], row["version"]):
                found.append(f"{row['id']}: {channel} ends with {data}, row {row}")
    at = {row["id"]: f"appointments:dentist:{row['dentist_id']}" for row in table}
    found += [
        f"{row_id}: {channel} has {data}, but it is at {at[row_id]}"
        for (channel, row_id), data in last.items()
        if channel.startswith("appointments:dentist:")
        and row_id in at
        and at[row_id] != channel
        and "status" in data
    ]
    return found
