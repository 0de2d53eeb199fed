"""Files of patients, as other programs write them, become requests; and back."""

import csv
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.domain.ids import ProfileId
from actors.domain.principal import Role
from actors.domain.profile import ConsentSource, MessageConsent, MessageConsents, Profile
from actors.domain.refusals import ValidationFailed
from actors.domain.text import is_name
from actors.services.patient_import import PatientRow
from api.schemas.patient_rows import check_columns, patient_rows, patients_csv
from api.tables.cells import UnreadableCell, birth_date, escaped, line, phone_number, yes_or_no
from api.tables.decoding import LINE_MAX_CHARS, Encoding
from api.tables.headings import patient_columns
from api.tables.reading import (
    COLUMNS_MAX,
    RECORD_MAX_CHARS,
    RECORD_MAX_LINES,
    ROWS_MAX,
    Delimiter,
    Table,
    read_table,
)
from tests.support.clock import FakeClock

NOW = FakeClock().now()


def table_of(text: str | bytes, **mapped: str) -> Table:
    data = text.encode() if isinstance(text, str) else text
    return read_table(data, lambda headings: patient_columns(headings, mapped))


def rows_of(text: str | bytes, region: str = "AT", **mapped: str) -> list[PatientRow]:
    table = table_of(text, **mapped)
    check_columns(table)
    return list(patient_rows(table, region, NOW))


def only(text: str | bytes, region: str = "AT") -> dict[str, object]:
    """The fields of the one patient of a file, those without a value left out."""
    (row,) = rows_of(text, region)
    assert row.new is not None, row.errors
    names = ("name", "phone", "email", "date_of_birth", "language")
    found = {name: getattr(row.new, name) for name in names}
    return {name: value for name, value in found.items() if value is not None}


def file_error(data: bytes) -> str:
    with pytest.raises(ValidationFailed) as refused:
        rows_of(data)
    (detail,) = refused.value.details
    return detail.message


def row_errors(text: str, region: str = "AT") -> list[tuple[int, str]]:
    return [(row.line, each.field) for row in rows_of(text, region) for each in row.errors]


# --- headings ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "Name,Date of birth,Phone\nAda Fox,1980-03-08,+43 1 234",
        "First Name,Last Name,DOB,Telephone\nAda,Fox,1980-03-08,+43 1 234",
        "Vorname;Nachname;Geburtsdatum;Telefon\nAda;Fox;08.03.1980;+43 1 234",
        "Vorname;Name;Geb.-Datum;Tel.\nAda;Fox;8.3.1980;+43 1 234",
        "Patient-Nr\tZuname\tVorname\tGeboren am\tHandy\n7\tFox\tAda\t08/03/1980\t+43 1 234",
        "sep=;\nname;geburtstag;mobil\nAda Fox;08.03.1980;+43 1 234",
        '"NAME","DoB","Phone"\n"Ada Fox","1980-03-08","+43 1 234"',
    ],
)
def test_columns_of_usual_programs_are_recognised(text: str) -> None:
    assert only(text) == {
        "name": "Ada Fox",
        "phone": "+43 1 234",
        "date_of_birth": date(1980, 3, 8),
    }


def test_a_column_can_be_named_by_its_heading() -> None:
    (row,) = rows_of("Who;Reached by\nAda;+43 1 234", name="Who", phone="reached by")
    assert row.new is not None
    assert (row.new.name, row.new.phone) == ("Ada", "+43 1 234")
    with pytest.raises(ValidationFailed, match="not valid") as refused:
        rows_of("Who;Tel\nAda;1", name="Whom")
    assert refused.value.details[0].field == "map"


def test_the_table_names_what_it_used_and_what_not() -> None:
    table = table_of("Nr;Name;Tel;Kasse\n1;Ada;;X")
    assert table.columns == {"name": "Name", "phone": "Tel"}
    assert table.ignored == ("Nr", "Kasse")
    assert (table.encoding, table.delimiter) == (Encoding.UTF_8, Delimiter.SEMICOLON)


def test_a_file_without_names_is_refused() -> None:
    assert "no column with names" in file_error(b"Nr;Betrag\n1;2")
    assert "has no heading" in file_error(b"")
    assert "has no heading" in file_error(b"\n \r\n;;\n")


# --- encodings and records -----------------------------------------------------------


@pytest.mark.parametrize(
    ("codec", "encoding"),
    [
        ("utf-8", Encoding.UTF_8),
        ("utf-8-sig", Encoding.UTF_8),
        ("utf-16", Encoding.UTF_16),
        ("windows-1252", Encoding.WINDOWS_1252),
        ("iso-8859-1", Encoding.WINDOWS_1252),
    ],
)
def test_the_encoding_is_recognised(codec: str, encoding: Encoding) -> None:
    data = "Name;E-Mail\r\nJürgen Größe;\r\n".encode(codec)
    assert table_of(data).encoding is encoding
    assert only(data) == {"name": "Jürgen Größe"}


def test_a_big_endian_file_with_its_mark_is_read() -> None:
    assert only(b"\xfe\xff" + "Name\nJürgen".encode("utf-16-be")) == {"name": "Jürgen"}


def test_an_old_encoding_can_be_named() -> None:
    data = "Name\nJürgen".encode("cp850")
    table = read_table(data, lambda each: patient_columns(each, {}), encoding=Encoding.DOS_850)
    assert [row.new.name for row in patient_rows(table, "AT", NOW) if row.new] == ["Jürgen"]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"PK\x03\x04\x14\x00", "workbook"),
        ("Name\nJ".encode("utf-16-le"), "not text"),
        (b"\xff\xfeN\x00a\x00m\x00e\x00\n\x00\x00\xd8A\x00", "utf-16"),
        (b'Name;Tel\n"Ada;1', "a quote is not closed"),
        (b'Name;Tel\n"Ada"x;1', "line 2: text after a closing quote"),
        (b'Name\n"' + b"x" * 200_000 + b'"', "a cell is too long"),
        (b"Name\n" + b"x," * LINE_MAX_CHARS, "line 2 is too long"),
        (b"Name" + b";x" * COLUMNS_MAX + b"\nAda", "more than 200 cells"),
        (b"Name\n" + b"A\n" * (ROWS_MAX + 1), "more than 200,000 rows"),
        (b"\n" * (ROWS_MAX + 2), "more than 200,000 rows"),
        (b"Name\n" + b",,,\n" * (ROWS_MAX + 1), "more than 200,000 rows"),
        (b'Name\n"' + b'a\n","' * RECORD_MAX_LINES, "line 2 begins a row of more than 1,000"),
        (b"Name\n" + b"x," * RECORD_MAX_CHARS, "or 300,000 characters"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(data: bytes, said: str) -> None:
    assert said in file_error(data)


def test_quotes_may_contain_lines_delimiters_and_quotes() -> None:
    rows = rows_of('Name;Tel\n"Fox;\r\nAda ""A""";+43 1 234\n\n;\nBo;+43 1 235\n')
    assert [(row.line, row.new.name) for row in rows if row.new] == [
        (2, 'Fox; Ada "A"'),
        (6, "Bo"),
    ]


def test_a_row_with_more_cells_than_the_heading_is_refused() -> None:
    assert row_errors("Name;Tel\nAda;;x\nBo;;\nCy\n") == [(2, "row")]


def test_a_row_is_refused_with_its_line_and_every_wrong_field() -> None:
    text = (
        "Name;Tel;E-Mail;Geburtsdatum;Sprache;Einwilligung E-Mail\n"
        ";+43 1 234;;;;\n"
        "Ada;call;at home;31.02.1980;?;perhaps\n"
    )
    assert sorted(row_errors(text)) == [
        (2, "name"),
        (3, "consent_email"),
        (3, "date_of_birth"),
        (3, "email"),
        (3, "language"),
        (3, "phone"),
    ]


# --- cells ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "region", "day"),
    [
        ("1980-03-08", "", date(1980, 3, 8)),
        ("19800308", "", date(1980, 3, 8)),
        ("1980-03-08 00:00:00", "", date(1980, 3, 8)),
        ("8.3.1980", "US", date(1980, 3, 8)),
        ("08.03.1980 00:00", "AT", date(1980, 3, 8)),
        ("8/3/1980", "GB", date(1980, 3, 8)),
        ("3/8/1980", "US", date(1980, 3, 8)),
        ("13/8/1980", "", date(1980, 8, 13)),
        ("8/8/1980", "", date(1980, 8, 8)),
        ("13/8/1980", "CA", date(1980, 8, 13)),
        ("8/13/1980", "CA", date(1980, 8, 13)),
        ("8.3.1980", "CA", date(1980, 3, 8)),
    ],
)
def test_a_date_of_birth_is_read_as_the_region_writes_it(text: str, region: str, day: date) -> None:
    assert birth_date(text, region) == day.isoformat()


@pytest.mark.parametrize(
    ("text", "region"),
    [
        ("8.3.80", "AT"),
        ("30.02.1980", "AT"),
        ("13/13/1980", "AT"),
        ("8/13/1980", "AT"),
        ("8/3/1980", ""),
        ("8/3/1980", "CA"),
        ("8.3/1980", "AT"),
        ("1980", "AT"),
        ("March 8, 1980", "US"),
        ("1980-03-08 10:00:00", "US"),
    ],
)
def test_a_date_that_can_be_misread_is_refused(text: str, region: str) -> None:
    with pytest.raises(UnreadableCell):
        birth_date(text, region)


def test_national_numbers_get_the_country_code_of_the_region() -> None:
    assert phone_number("0664 1234567", "AT") == "+43 664 1234567"
    assert phone_number("+1 202 555 0100", "AT") == "+1 202 555 0100"
    assert phone_number("123", "AT") == "123"
    with pytest.raises(UnreadableCell, match="country code"):
        phone_number("0664 1234567", "")


def test_the_mobile_number_is_preferred() -> None:
    assert only("Name;Telefon;Handy\nAda;01 5131234;0664 1234567")["phone"] == "+43 664 1234567"
    assert only("Name;Telefon;Handy\nAda;01 5131234;")["phone"] == "+43 1 5131234"


def test_yes_and_no_have_the_words_of_both_languages() -> None:
    assert all(map(yes_or_no, ("yes", "JA", "x", "1", "true")))
    assert not any(map(yes_or_no, ("no", "Nein", "0", "false")))
    with pytest.raises(UnreadableCell):
        yes_or_no("later")


def test_a_consent_of_a_file_has_the_import_as_its_source() -> None:
    (row, other) = rows_of("Name;Consent SMS\nAda;ja\nBo;\n")
    assert row.new is not None
    assert row.new.consent is not None
    assert (row.new.consent.sms, row.new.consent.email) == (True, None)
    assert row.new.consent.source is ConsentSource.IMPORT
    assert other.new is not None
    assert other.new.consent is None


# --- there and back ------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["=cmd()", "+1", "-1", "@x", "'=cmd()", "''+", "=", "'", "\uff1dcmd()", "\uff20x"]
)
def test_a_formula_is_text_and_is_written_escaped(text: str) -> None:
    assert escaped(text)[:1] not in "=+-@\uff1d\uff0b\uff0d\uff20"
    assert line(escaped(text)) == text


@pytest.mark.parametrize(("region", "other"), [("AT", ","), ("US", ";")])
def test_no_cell_is_a_formula_for_a_program_with_another_delimiter(region: str, other: str) -> None:
    evil = Profile(id=ProfileId("p"), role=Role.PATIENT, name=f"Ada{other}=cmd()")
    text = patients_csv([evil], region, heading=False).decode()
    cells = next(csv.reader([text], delimiter=other))
    assert not [each for each in cells if each.startswith("=")]


def test_a_date_of_birth_to_come_is_refused_while_it_is_read() -> None:
    assert row_errors("Name;Geburtsdatum\nAda;2999-03-08\n") == [(2, "date_of_birth")]


def test_a_formula_in_a_name_is_stored_as_it_is() -> None:
    assert only("Name\n=cmd()") == {"name": "=cmd()"}
    assert only("Name\n'=cmd()") == {"name": "=cmd()"}


_NAMES = st.text("aZäß字'=+-@;,\"\\ \u00a0", min_size=1, max_size=20).filter(
    lambda text: text == text.strip() and is_name(text)
)
_PHONES = st.text("0123456789 ()/.-", min_size=4, max_size=20).map(lambda text: f"+43 1{text}1")
_EMAILS = st.text("az=+-'", min_size=1, max_size=20).map(lambda text: f"{text}@example.org")
_ANSWERS = st.none() | st.booleans()


@st.composite
def _patients(draw: st.DrawFn) -> Profile:
    def consent(answer: bool | None) -> MessageConsent:
        if answer is None:
            return MessageConsent()
        return MessageConsent(given=answer, at=NOW, source=ConsentSource.STAFF)

    return Profile(
        id=ProfileId("p"),
        role=Role.PATIENT,
        name=draw(_NAMES),
        phone=draw(st.none() | _PHONES),
        email=draw(st.none() | _EMAILS),
        date_of_birth=draw(st.none() | st.dates(date(1900, 1, 1), date(2026, 1, 1))),
        language=draw(st.none() | st.sampled_from(["de", "de-AT", "en"])),
        consent=MessageConsents(email=consent(draw(_ANSWERS)), sms=consent(draw(_ANSWERS))),
    )


@given(st.lists(_patients(), max_size=5), st.sampled_from(["AT", "US", ""]))
def test_a_written_file_is_read_as_the_same_patients(patients: list[Profile], region: str) -> None:
    data = patients_csv((), region, heading=True) + patients_csv(patients, region, heading=False)
    assert data.startswith(b'\xef\xbb\xbf"name"')
    read = rows_of(data, region)
    assert [_shown(row.new) for row in read] == [_shown(each) for each in patients], [
        row.errors for row in read
    ]


def _shown(person: object) -> list[object]:
    names = ("name", "phone", "email", "date_of_birth", "language")
    values = [getattr(person, name) for name in names]
    if isinstance(person, Profile):
        consents = person.message_consents
        return values + [each.given if each.at else None for each in (consents.email, consents.sms)]
    consent = getattr(person, "consent", None)
    return [*values, consent and consent.email, consent and consent.sms]
