"""Rows of a file of visits, as other programs write them."""

from datetime import UTC, datetime

import pytest

from api.tables.headings import visit_columns
from api.tables.reading import read_table
from hub.visits.rows import RefusedRow, VisitRow, plain, visit_row


def rows_of(text: str, region: str = "AT") -> list[VisitRow]:
    table = read_table(text.encode(), lambda headings: visit_columns(headings, {}))
    return [visit_row(row, region) for row in table.rows()]


ENGLISH = "Patient;DOB;Dentist;Type;Date;Time\nAda;08.03.1980;Dr. Bo;Check-up;02.03.2026;09:30"
GERMAN = """\
Name,Geburtsdatum,Behandler,Terminart,Datum,Uhrzeit
Ada,08.03.1980,Dr. Bo,Check-up,02.03.2026,9.30 Uhr
"""
ONE_COLUMN = """\
Patient,Date of birth,Provider,Service,Start
Ada,1980-03-08,Dr. Bo,Check-up,2026-03-02T09:30:00
"""


@pytest.mark.parametrize("text", [ENGLISH, GERMAN, ONE_COLUMN])
def test_columns_of_usual_programs_are_recognised(text: str) -> None:
    (row,) = rows_of(text)
    assert (row.patient, row.date_of_birth, row.dentist, row.type) == (
        "Ada",
        "1980-03-08",
        "Dr. Bo",
        "Check-up",
    )
    assert row.start("Europe/Vienna") == datetime(2026, 3, 2, 8, 30, tzinfo=UTC)
    assert (row.line, row.status, row.notes, row.contact) == (2, "", None, None)


def test_status_contact_and_notes_are_read() -> None:
    (row,) = rows_of(
        "Patient;Date;Time;Status;Tel;Notiz\nAda;2.3.2026;9:30;Nicht erschienen;0664 1234567;x\n"
    )
    assert (row.status, row.contact, row.notes) == ("no_show", "+43 664 1234567", "x")


@pytest.mark.parametrize(
    ("row", "field"),
    [
        (";2.3.2026;9:30;;", "patient"),
        ("Ada;30.2.2026;9:30;;", "date"),
        ("Ada;;9:30;;", "date"),
        ("Ada;2.3.2026;;;", "time"),
        ("Ada;2.3.2026;24:00;;", "time"),
        ("Ada;2.3.2026;9:30;perhaps;", "status"),
        ("Ada;2.3.2026;9:30;;80", "date_of_birth"),
        ("Ada;2.3.2026;9:30;;;x", "row"),
    ],
)
def test_a_row_that_cannot_be_read_names_its_field(row: str, field: str) -> None:
    with pytest.raises(RefusedRow) as refused:
        rows_of(f"Patient;Date;Time;Status;DOB\n{row}\n")
    assert refused.value.field == field


def test_titles_accents_and_case_do_not_tell_names_apart() -> None:
    assert plain("Dr. med. dent. Jürgen MÜLLER") == plain("jurgen müller")
    assert plain("Dr.") == "dr."
