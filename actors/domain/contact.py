"""E-mail addresses and telephone numbers: their form, and how they are compared.

Both are stored as they are shown. A *key* is the form in which they are compared: two texts
with the same key reach the same mailbox or telephone.
"""

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, Self

import idna
import phonenumbers
from phonenumbers import (
    NumberParseException,
    PhoneMetadata,
    PhoneNumber,
    PhoneNumberFormat,
    PhoneNumberType,
)

from actors.domain.text import is_line
from actors.domain.values import value

MAX_EMAIL_CHARS: Final = 254
MAX_PHONE_CHARS: Final = 40

_LABEL: Final = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
_LOCAL: Final = "[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}"
_DOMAIN: Final = rf"{_LABEL}(?:\.{_LABEL})+"
_EMAIL: Final = re.compile(f"{_LOCAL}@{_DOMAIN}")
"""A valid e-mail address of the HTML standard (§4.10.5.1.5), whose domain has a dot."""
EMAIL_FORM: Final = rf"{_LOCAL}@(?:{_DOMAIN}|[^\s@]*[^\x00-\x7f][^\s@]*)"
"""The same for text that was not read yet: its domain may be in Unicode."""
PHONE_FORM: Final = re.compile(
    rf"\+?[0-9 ()./\u00a0\u2010-\u2015-]{{3,{MAX_PHONE_CHARS}}}", re.ASCII
)

_COUNTRY_CODES: Final = phonenumbers.COUNTRY_CODE_TO_REGION_CODE
"""No code is the beginning of another one."""
_COUNTRY_CODE_DIGITS: Final = 3
_TAKING_TEXTS: Final = (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE)


def email_address(text: str) -> str | None:
    """The address in the form of the HTML standard; ``None`` if it is none.

    A domain in Unicode is replaced by its ASCII form, as browsers do.
    """
    local, at, domain = text.rpartition("@")
    address = f"{local}{at}{domain if domain.isascii() else _ascii_domain(domain)}"
    fits = len(address) <= MAX_EMAIL_CHARS and _EMAIL.fullmatch(address)
    return address if fits else None


def email_key(email: str) -> str | None:
    """The address with ASCII in lower case and the domain in its ASCII form (IDNA).

    Never casefolded: ``straße.example`` and ``strasse.example`` are two domains. ``None`` for a
    text that can be no address, which equals nothing.
    """
    local, at, domain = _ascii_lower(email).rpartition("@")
    domain = _ascii_domain(domain) or domain
    usable = local and at and domain and domain.isascii() and is_line(local)
    return f"{local}@{domain}" if usable else None


def phone_key(phone: str) -> str | None:
    """The number in international form (E.164), or as its digits if it has no country code.

    It depends on the text alone, not on the settings: :func:`phone_keys` finds national numbers.
    """
    digits = _digits(phone)
    if not digits or "+" not in phone:
        return digits or None
    number = _parsed(phone, None)
    return _e164(number) if number else f"+{digits}"


def phone_keys(phone: str, region: str = "") -> tuple[str, ...]:
    """The keys under which the same telephone may be stored, from a practice in ``region``.

    For +43 1 2345678 in Austria: +4312345678, 012345678 and 004312345678. ``region`` is a country
    of ISO 3166, or empty: then national numbers equal only themselves.
    """
    key, number = phone_key(phone), _parsed(phone, region or None)
    metadata = PhoneMetadata.metadata_for_region(region) if region else None
    if key is None or number is None or metadata is None:
        return (key,) if key else ()
    same = (_e164(number), *_as_dialled(number, metadata))
    # a local number, without its area code, is not the number that the library takes it for
    return tuple(dict.fromkeys((key, *same))) if key in same else (key,)


def with_country_code(phone: str, region: str) -> str:
    """A national number of the region in international form; any other text as it is."""
    number = None if "+" in phone else _parsed(phone, region)
    if number is None or not phonenumbers.is_valid_number(number):
        return phone
    return phonenumbers.format_number(number, PhoneNumberFormat.INTERNATIONAL)


@value
class MobileNumber:
    """A telephone number to which text messages can be sent, and its country."""

    e164: str
    region: str


def mobile_number(phone: str, region: str = "") -> MobileNumber | None:
    """The number in international form; ``None`` for one that is not valid, or a fixed line."""
    number = _parsed(phone, region or None)
    if number is None or not phonenumbers.is_valid_number(number):
        return None
    if phonenumbers.number_type(number) not in _TAKING_TEXTS:
        return None
    country = phonenumbers.region_code_for_number(number)
    return MobileNumber(e164=_e164(number), region=country) if country else None


def national_digits(key: str) -> str:
    """The digits of a :func:`phone_key` without country code and leading zeros."""
    digits = key.removeprefix("+")
    if digits != key:
        for length in range(1, _COUNTRY_CODE_DIGITS + 1):
            if digits[:length].isdigit() and int(digits[:length]) in _COUNTRY_CODES:
                return digits[length:].lstrip("0")
    return digits.lstrip("0")


def dialled_beginnings(text: str, region: str = "") -> tuple[str, ...]:
    """What numbers begin with that someone in ``region`` begins to write or to dial.

    Each is digits from the country code on, or without country code; none begins with a zero. For
    ``0176`` in Germany: 176. For ``+49 176``: 49176 and 176. Any number of digits will do.
    """
    digits = _digits(text.replace("(0)", ""))
    metadata = PhoneMetadata.metadata_for_region(region) if region else None
    begins = [digits]
    if metadata:
        abroad = metadata.preferred_international_prefix or metadata.international_prefix or ""
        if "+" not in text:
            begins += [
                digits.removeprefix(prefix)
                for prefix in (abroad, metadata.national_prefix or "")
                if prefix.isdigit()
            ]
        country = str(metadata.country_code)
        if "+" in text or (abroad and digits.startswith(abroad)):
            begins += [each.removeprefix(country) for each in begins if each.startswith(country)]
    return tuple(dict.fromkeys(each.lstrip("0") for each in begins))


@value
class KnownContact:
    """A complete e-mail address or telephone number that a caller knows."""

    text: str
    email_key: str | None
    phone_keys: tuple[str, ...]

    @classmethod
    def of(cls, text: str, region: str = "") -> Self:
        number = _typed_number(text)
        phones = phone_keys(number, region) if number else ()
        return cls(text=text, email_key=email_key(text), phone_keys=phones)


def regions() -> Sequence[str]:
    """The countries whose numbering plans are known."""
    return sorted(phonenumbers.SUPPORTED_REGIONS)


def is_region(code: str) -> bool:
    """Whether it is a country whose numbering plan is known, e.g. ``AT``."""
    return code in phonenumbers.SUPPORTED_REGIONS


def _typed_number(text: str) -> str | None:
    """The number in a text that may be copied from elsewhere, with its invisible marks.

    ``None`` for a text that has letters, or is too long for a number.
    """
    shown = "".join(
        char for char in unicodedata.normalize("NFKC", text) if unicodedata.category(char) != "Cf"
    )
    is_number = len(shown) <= MAX_PHONE_CHARS and not any(map(str.isalpha, shown))
    return shown if is_number and "@" not in shown else None


def _as_dialled(number: PhoneNumber, metadata: PhoneMetadata) -> list[str]:
    """The digits that are dialled for the number in a country, in each usual way."""
    significant = phonenumbers.national_significant_number(number)
    abroad = metadata.preferred_international_prefix or metadata.international_prefix or ""
    keys = [f"{abroad}{number.country_code}{significant}"] if abroad.isdigit() else []
    if number.country_code == metadata.country_code:
        written = phonenumbers.format_number(number, PhoneNumberFormat.NATIONAL)
        keys += [_digits(written), f"{metadata.national_prefix or ''}{significant}"]
        if phonenumbers.is_valid_number(number) and _may_lack_prefix(significant, metadata):
            keys.append(significant)
    return keys


def _may_lack_prefix(significant: str, metadata: PhoneMetadata) -> bool:
    """Whether the country also dials the number without its prefix, as India does 98765 43210."""
    return any(
        form.national_prefix_optional_when_formatting
        and re.fullmatch(form.pattern or "", significant)
        and (not leading or re.match(leading[-1], significant))
        for form in metadata.number_format
        for leading in [form.leading_digits_pattern]
    )


def _parsed(phone: str, region: str | None) -> PhoneNumber | None:
    try:
        return phonenumbers.parse(phone, region)
    except NumberParseException:
        return None


def _e164(number: PhoneNumber) -> str:
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def _digits(text: str) -> str:
    return "".join(char for char in text if char in "0123456789")


def _ascii_lower(text: str) -> str:
    return "".join(char.lower() if char.isascii() else char for char in text)


@lru_cache(maxsize=1_024)
def _ascii_domain(domain: str) -> str:
    """The A-labels of a domain (UTS 46, as browsers map it); empty if there are none."""
    if len(domain) > MAX_EMAIL_CHARS:
        return ""
    try:
        return idna.encode(domain, uts46=True, transitional=False).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        return ""
