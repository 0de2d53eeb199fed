"""What a stopped hub's database must look like: histories without a gap, true to the rows."""

import json
from typing import Any

from tests.support.database import Database, rows


def problems_of(database: Database) -> list[str]:
    """Everything that is wrong between channels, events and rows; nothing, one hopes."""
    return [*_gaps(database), *_untrue_ends(database)]


def pending(database: Database) -> set[tuple[str, int]]:
    """(channel, offset) of the events whose broadcast is not recorded yet."""
    sql = "SELECT channel, \"offset\" FROM realtime_events WHERE status = 'pending'"
    return {(row["channel"], row["offset"]) for row in rows(database, sql)}


def _gaps(database: Database) -> list[str]:
    """Each channel's offsets are 1, 2, … up to its head, none missing, none twice."""
    sql = 'SELECT channel, "offset" FROM realtime_events ORDER BY channel, "offset"'
    offsets: dict[str, list[int]] = {}
    for row in rows(database, sql):
        offsets.setdefault(row["channel"], []).append(row["offset"])
    heads = rows(database, 'SELECT channel, "offset" AS head FROM channels')
    found = [
        f"{head['channel']}: {offsets.get(head['channel'])} up to {head['head']}"
        for head in heads
        if offsets.get(head["channel"], []) != list(range(1, head["head"] + 1))
    ]
    strays = offsets.keys() - {head["channel"] for head in heads}
    return found + [f"{channel}: events without a head" for channel in strays]


def _untrue_ends(database: Database) -> list[str]:
    """The last event of every appointment, on both its channels, is the row as it stands."""
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
                found.append(f"{row['id']}: never told on {channel}")
            elif (data["status"], data["version"]) != (row["status"], row["version"]):
                found.append(f"{row['id']}: {channel} ends with {data['status']}, row {row}")
    return found
