"""Finds double bookings: appointments that must not overlap."""

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
    """Overlapping rows of one dentist that are live and not overbooked.

    An expired hold does not count, even if the hub has not processed its expiry.
    """
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
    """Overlapping rows of one patient, confirmed or later, with any dentists."""
    return _overlaps([row for row in rows if row["status"] in ATTENDING])


def _overlaps(rows: Sequence[Appointment]) -> list[Overlap]:
    """Compares neighbours by start, which finds an overlap if there is any.

    Instants sort as text, because the hub writes them in one format.
    """
    ordered = sorted(rows, key=lambda row: (row["start"], row["end"]))
    return [Overlap(a, b) for a, b in pairwise(ordered) if b["start"] < a["end"]]
