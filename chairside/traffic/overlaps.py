"""Rows that may not stand beside each other: the promise "no double booking" itself."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from chairside.client.shapes import Appointment

LIVE = frozenset({"held", "confirmed", "arrived", "checked_in"})
ATTENDING = LIVE - {"held"}


@dataclass(frozen=True, slots=True)
class Overlap:
    first: Appointment
    second: Appointment

    def __str__(self) -> str:
        first, second = self.first, self.second
        return (
            f"{first['id']} ({first['status']}, {first['start']}–{first['end']}) and"
            f" {second['id']} ({second['status']}, {second['start']}–{second['end']})"
        )


def dentist_overlaps(rows: Iterable[Appointment], now: datetime) -> list[Overlap]:
    """Live, not overbooked rows of one dentist at the same time; a hold whose time is
    over does not count, whether or not a timer has run."""
    return _overlaps(
        [
            row
            for row in rows
            if row["status"] in LIVE and not row["overbooked"] and not _is_overdue(row, now)
        ]
    )


def _is_overdue(row: Appointment, now: datetime) -> bool:
    if row["status"] != "held" or "expires_at" not in row:
        return False
    return datetime.fromisoformat(row["expires_at"]) <= now


def patient_overlaps(rows: Iterable[Appointment]) -> list[Overlap]:
    """Rows of one patient, confirmed or later, at the same time, whoever the dentists."""
    return _overlaps([row for row in rows if row["status"] in ATTENDING])


def _overlaps(rows: Sequence[Appointment]) -> list[Overlap]:
    """Neighbours by start are enough to say whether there is any; instants sort as text
    because the hub writes them all in one form."""
    ordered = sorted(rows, key=lambda row: (row["start"], row["end"]))
    return [Overlap(a, b) for a, b in pairwise(ordered) if b["start"] < a["end"]]
