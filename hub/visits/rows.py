"""Rows of a file of visits: when, of whom, with whom."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Final
from zoneinfo import ZoneInfo

from actors.domain.contact import with_country_code
from actors.domain.text import without_accents
from api.tables import cells
from api.tables.reading import TableRow

_DAY_AND_TIME: Final = re.compile(r"(.+?)[T ]+(\d{1,2}[:.]\d{2})(?::\d{2})?(?: ?Uhr)?")
_TIME: Final = re.compile(r"(\d{1,2})[:.](\d{2})(?::\d{2})?(?: ?Uhr)?")
_STATUS: Final = {
    **dict.fromkeys(
        ("completed", "done", "erledigt", "abgeschlossen", "wahrgenommen"), "completed"
    ),
    **dict.fromkeys(("noshow", "nichterschienen", "missed", "versaumt"), "no_show"),
    **dict.fromkeys(("cancelled", "canceled", "storniert", "abgesagt"), "cancelled"),
    **dict.fromkeys(
        ("confirmed", "booked", "planned", "bestatigt", "geplant", "gebucht"), "confirmed"
    ),
    "": "",
}


class RefusedRow(Exception):
    """A row that cannot be entered: its field, and why."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, kw_only=True, slots=True)
class VisitRow:
    """One row, before people and types are found by their names."""

    line: int
    patient: str
    date_of_birth: str | None
    contact: str | None
    """A telephone number in international form, or an e-mail address."""
    dentist: str
    type: str
    day: date
    time: time
    status: str
    """``completed``, ``no_show``, ``cancelled`` or ``confirmed``; empty: as the time tells."""
    notes: str | None

    def start(self, zone: str) -> datetime:
        """The instant in UTC, at a dentist in this zone."""
        return datetime.combine(self.day, self.time, ZoneInfo(zone)).astimezone(UTC)


def plain(text: str) -> str:
    """A name without case, accents, punctuation and titles, to be compared."""
    bare = without_accents(text)
    words = re.sub(r"[\W_]+", " ", bare).split()
    return " ".join(word for word in words if word not in ("dr", "med", "dent", "prof")) or bare


def visit_row(row: TableRow, region: str) -> VisitRow:
    """Raises RefusedRow."""
    if row.problem:
        raise RefusedRow("row", row.problem)
    texts = {field: text for field, cell in row.cells.items() if (text := cells.line(cell))}
    if "patient" not in texts:
        raise RefusedRow("patient", "is needed")
    day, at = _when(texts, region)
    status = plain(texts.get("status", "")).replace(" ", "")
    if status not in _STATUS:
        known = "completed, no_show, cancelled or confirmed"
        raise RefusedRow("status", f"must be {known}")
    phone = texts.get("phone")
    return VisitRow(
        line=row.line,
        patient=texts["patient"],
        date_of_birth=_birth_date(texts.get("date_of_birth"), region),
        contact=texts.get("email") or (phone and with_country_code(phone, region)),
        dentist=texts.get("dentist", ""),
        type=texts.get("type", ""),
        day=day,
        time=at,
        status=_STATUS[status],
        notes=texts.get("notes"),
    )


def _when(texts: Mapping[str, str], region: str) -> tuple[date, time]:
    day, at = texts.get("date", ""), texts.get("time", "")
    if not at and (found := _DAY_AND_TIME.fullmatch(day)):
        day, at = found.groups()
    try:
        on = date.fromisoformat(cells.birth_date(day, region))
    except cells.UnreadableCell as error:
        raise RefusedRow("date", str(error)) from None
    found = _TIME.fullmatch(at)
    if not found or int(found[1]) > 23 or int(found[2]) > 59:
        raise RefusedRow("time", "must be a time like 09:30")
    return on, time(int(found[1]), int(found[2]))


def _birth_date(text: str | None, region: str) -> str | None:
    if text is None:
        return None
    try:
        return cells.birth_date(text, region)
    except cells.UnreadableCell as error:
        raise RefusedRow("date_of_birth", str(error)) from None
