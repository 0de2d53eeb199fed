"""Which heading names which field: in English, in German, as other programs export them."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from actors.domain.refusals import ValidationFailed
from actors.domain.text import without_accents

PATIENT_HEADINGS: Final[Mapping[str, str]] = {
    "name": "name fullname patientname patient displayname vollstandigername patientenname",
    "title": "title titel akadtitel akademischertitel nameprefix",
    "first_name": "firstname forename givenname vorname vornamen rufname",
    "last_name": "lastname surname familyname nachname familienname zuname",
    "date_of_birth": "dateofbirth dob birthdate birthday born birth geburtsdatum gebdatum gebdat"
    " geburtstag geb geboren geborenam",
    "mobile": "mobile mobilephone mobilenumber cell cellphone handy handynummer mobil mobilnummer"
    " mobiltelefon telefonmobil telmobil phonemobile phone1mobile",
    "phone": "phone phonenumber telephone telephonenumber tel telnr telefon telefonnummer"
    " telefonprivat telprivat phonehome homephone festnetz primaryphone",
    "email": "email emailaddress mail mailaddress emailadresse mailadresse",
    "language": "language sprache locale",
    "consent_email": "consentemail emailconsent einwilligungemail emaileinwilligung",
    "consent_sms": "consentsms smsconsent einwilligungsms smseinwilligung",
}
"""For each field the headings that name it, as :func:`_plain` writes them."""


VISIT_HEADINGS: Final[Mapping[str, str]] = {
    "patient": "patient patientname patientenname name fullname",
    "date_of_birth": PATIENT_HEADINGS["date_of_birth"],
    "phone": f"{PATIENT_HEADINGS['mobile']} {PATIENT_HEADINGS['phone']}",
    "email": PATIENT_HEADINGS["email"],
    "dentist": "dentist doctor provider practitioner behandler behandlerin zahnarzt arzt",
    "type": "type appointmenttype service treatment terminart behandlung leistung",
    "date": "date day datum tag termindatum appointmentdate start starttime beginn",
    "time": "time uhrzeit zeit appointmenttime von",
    "status": "status state zustand",
    "notes": "notes note notiz notizen bemerkung bemerkungen",
}


def plain_heading(text: str) -> str:
    """A heading without case, accents, spaces and punctuation."""
    return re.sub(r"[\W_]|\d+$", "", without_accents(text))


def recognised(
    headings: Sequence[str], known: Mapping[str, str], mapped: Mapping[str, str]
) -> Mapping[str, int]:
    """The column of each field: as mapped by heading, else the first that names the field.

    ``mapped`` is the heading of a field. Raises ValidationFailed if that is not in the file.
    """
    found = {field: _column(headings, heading) for field, heading in mapped.items()}
    for field, names in known.items():
        if field in found:
            continue
        wanted = names.split()
        for at, heading in enumerate(headings):
            if at not in found.values() and plain_heading(heading) in wanted:
                found[field] = at
                break
    return found


def patient_columns(headings: Sequence[str], mapped: Mapping[str, str]) -> Mapping[str, int]:
    """The columns of a file of patients. A ``Name`` beside a first name is the last name."""
    found = dict(recognised(headings, PATIENT_HEADINGS, mapped))
    if "first_name" in found and "last_name" not in found and "name" in found:
        found["last_name"] = found.pop("name")
    return found


def visit_columns(headings: Sequence[str], mapped: Mapping[str, str]) -> Mapping[str, int]:
    """The columns of a file of visits."""
    return recognised(headings, VISIT_HEADINGS, mapped)


def _column(headings: Sequence[str], wanted: str) -> int:
    for at, heading in enumerate(headings):
        if heading == wanted or (plain_heading(heading) or heading) == plain_heading(wanted):
            return at
    raise ValidationFailed.of("map", f'the file has no column "{wanted}"')
