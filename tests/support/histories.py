"""What a hub's database must look like after any failure: no overlap, histories without a gap
or a repeat, true to the rows, and fences that never went back."""

import json
from collections import defaultdict
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from tests.support.database import Database, OnPostgres, execute, rows


def problems_of(database: Database) -> list[str]:
    """Everything that is wrong with rows, channels and events; nothing, one hopes."""
    return [
        *_overlaps(database),
        *_gaps(database),
        *_repeats(database),
        *_untrue_ends(database),
        *_lowered_fences(database),
    ]


def watch_fences(database: OnPostgres) -> None:
    """From now on the database itself notes each fence that is lowered, for problems_of."""
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
    """No dentist and no patient has two live rows at once; holds bind their dentist only."""
    sql = (
        "SELECT id, dentist_id, patient_id, status, starts_at, ends_at FROM appointments"
        " WHERE status IN ('held', 'confirmed', 'arrived', 'checked_in') AND NOT overbooked"
        " ORDER BY starts_at, ends_at"
    )
    of: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in rows(database, sql):
        of["dentist", row["dentist_id"]].append(row)
        if row["status"] != "held":
            of["patient", row["patient_id"]].append(row)
    return [
        f"{who} {person}: {first['id']} and {second['id']} overlap"
        for (who, person), its in of.items()
        for first, second in pairwise(its)
        if second["starts_at"] < first["ends_at"]
    ]


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


def _repeats(database: Database) -> list[str]:
    """Nothing was done twice: of each appointment every version is published once, one after the
    other, and no channel tells one event twice."""
    versions: dict[tuple[str, str], list[int]] = defaultdict(list)
    ids: dict[str, list[str]] = defaultdict(list)
    sql = 'SELECT channel, event_id, payload FROM realtime_events ORDER BY channel, "offset"'
    for event in rows(database, sql):
        ids[event["channel"]].append(event["event_id"])
        if event["channel"].startswith("appointments:"):
            data = json.loads(event["payload"])
            versions[event["channel"], data["id"]].append(data["version"])
    return [
        *(f"{where}: an event twice" for where, of in ids.items() if len(set(of)) < len(of)),
        *(
            f"{row}: {where} tells of versions {of}"
            for (where, row), of in versions.items()
            if any(b != a + 1 for a, b in pairwise(of))
        ),
    ]


def _lowered_fences(database: Database) -> Iterable[str]:
    """Known where :func:`watch_fences` was called."""
    if not isinstance(database, OnPostgres):
        return []
    if not rows(database, "SELECT 1 FROM pg_tables WHERE tablename = 'lowered_fences'"):
        return []
    lowered = rows(database, "SELECT * FROM lowered_fences")
    return [f"{r['dentist_id']}: fence {r['before']} became {r['after']}" for r in lowered]


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
