"""Rows of a file of patients: as requests, and back as a file."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from actors.domain.principal import Role
from actors.domain.profile import ConsentSource, Profile, check_date_of_birth
from actors.domain.refusals import FieldError, ValidationFailed
from actors.services.patient_import import PatientRow
from actors.services.requests import ConsentAnswers
from api.schemas import load
from api.schemas.bodies import CREATE_PROFILE
from api.tables import cells
from api.tables.reading import Table, TableRow

EXPORTED: Final = (
    *("name", "date_of_birth", "phone", "email", "language"),
    *("consent_email", "consent_sms"),
)
"""The columns of a written file; their names are headings that are recognised."""
_NAMED: Final = {"name", "first_name", "last_name"}
_WITH_COMMA: Final = frozenset(
    {"US", "GB", "IE", "CA", "AU", "NZ", "IN", "PK", "SG", "MY", "HK", "PH", "JP", "KR", "TH", "IL"}
)
"""Regions with a decimal point, whose spreadsheets divide the cells of a CSV file by commas."""


def check_columns(table: Table) -> None:
    """Raise ValidationFailed unless there is a column with names."""
    if not _NAMED & table.fields.keys():
        shown = ", ".join(table.headings[:20])
        raise ValidationFailed.of(
            "body", f"no column with names was recognised among: {shown}; name one with `map`"
        )


def patient_rows(table: Table, region: str, now: datetime) -> Iterator[PatientRow]:
    """A request for each row, or what is wrong with it. Raises ValidationFailed for the file."""
    read = _readers(region)
    for row in table.rows():
        yield _patient(row, read, now)


def patients_csv(patients: Iterable[Profile], region: str, *, heading: bool) -> bytes:
    """Rows of a file, for spreadsheets of the region; the first part has the heading.

    UTF-8 with a byte-order mark, which spreadsheets need. No cell is a formula.
    """
    out = io.StringIO(newline="")
    delimiter = "," if region in _WITH_COMMA else ";"
    # all cells, so that a program with another delimiter does not find a formula behind it
    rows = csv.writer(out, delimiter=delimiter, quoting=csv.QUOTE_ALL)
    if heading:
        out.write("\ufeff")
        rows.writerow(EXPORTED)
    for patient in patients:
        rows.writerow(map(cells.escaped, _exported(patient)))
    return out.getvalue().encode()


def _exported(patient: Profile) -> Iterator[str]:
    yield patient.name
    yield patient.date_of_birth.isoformat() if patient.date_of_birth else ""
    yield patient.phone or ""
    yield patient.email or ""
    yield patient.language or ""
    consents = patient.message_consents
    for each in (consents.email, consents.sms):
        yield ("yes" if each.given else "no") if each.at else ""


_Readers = Mapping[str, Callable[[str], object]]


def _readers(region: str) -> _Readers:
    """How the cells of each field are read, beside names."""
    return {
        "date_of_birth": lambda text: cells.birth_date(text, region),
        "phone": lambda text: cells.phone_number(text, region),
        "mobile": lambda text: cells.phone_number(text, region),
        "email": str,
        "language": cells.language,
        "consent_email": cells.yes_or_no,
        "consent_sms": cells.yes_or_no,
    }


def _patient(row: TableRow, readers: _Readers, now: datetime) -> PatientRow:
    if row.problem:
        return _refused(row, FieldError(field="row", message=row.problem))
    texts = {field: text for field, cell in row.cells.items() if (text := cells.line(cell))}
    values: dict[str, object] = {}
    errors: list[FieldError] = []
    for field in readers.keys() & texts.keys():
        try:
            values[field] = readers[field](texts[field])
        except cells.UnreadableCell as error:
            errors.append(FieldError(field=field, message=str(error)))
    try:
        new = load(CREATE_PROFILE, _body(texts, values))
        if new.date_of_birth is not None:
            check_date_of_birth(new.date_of_birth, now)
    except ValidationFailed as error:
        errors.extend(error.details)
    if errors:
        return _refused(row, *errors)
    email, sms = values.get("consent_email"), values.get("consent_sms")
    if email is not None or sms is not None:
        assert isinstance(email, bool | None)
        assert isinstance(sms, bool | None)
        answers = ConsentAnswers(email=email, sms=sms, source=ConsentSource.IMPORT)
        new = replace(new, consent=answers)
    return PatientRow(line=row.line, new=new)


def _body(texts: Mapping[str, str], values: Mapping[str, object]) -> dict[str, object]:
    """The fields of a new profile. The mobile phone is preferred: it gets messages."""
    parts = (texts.get(each) for each in ("title", "first_name", "last_name"))
    body: dict[str, object] = {
        "role": str(Role.PATIENT),
        "name": texts.get("name") or " ".join(filter(None, parts)),
    }
    if phone := values.get("mobile") or values.get("phone"):
        body["phone"] = phone
    for field in ("date_of_birth", "email", "language"):
        if field in values:
            body[field] = values[field]
    return body


def _refused(row: TableRow, *errors: FieldError) -> PatientRow:
    return PatientRow(line=row.line, errors=errors)
