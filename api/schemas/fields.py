"""The field types of the hub's JSON, beside the ones of marshmallow that it uses as they are.

Loading is strict: errors name the expected form, and nothing is converted silently
(``"1"`` is not ``1``, ``1`` is not ``true``, a time without offset is not an instant).
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any, ClassVar, TypedDict, TypeVar, Unpack

from marshmallow import ValidationError
from marshmallow.fields import Dict as Dict
from marshmallow.fields import Field as Field
from marshmallow.fields import List as List
from marshmallow.fields import Nested as Nested
from marshmallow.fields import Raw as Raw

from actors.domain.channels import Channel, parse_channel
from actors.domain.contact import EMAIL_FORM, MAX_EMAIL_CHARS, email_address
from actors.domain.ids import parse_id
from actors.domain.schedule import MINUTES_PER_DAY
from actors.domain.text import (
    NOT_IN_LINES,
    NOT_IN_NOTES,
    is_line,
    is_name,
    is_note,
    with_line_feeds,
)
from actors.domain.zones import zone_names

MAX_NAME_CHARS = 200
MAX_SUBJECT_CHARS = 255
MAX_KEY_CHARS = 200
MAX_CHANNEL_CHARS = 200
KEY_FORM = re.compile(rf"[!-~]{{1,{MAX_KEY_CHARS}}}")
"""An idempotency key, in a header as in a command."""
KEY_EXPECTED = f"must be 1 to {MAX_KEY_CHARS} visible ASCII characters"
YEARS = range(1970, 2200)
"""Instants outside are typing errors, and date arithmetic near year 1 or 9999 would fail."""

_INSTANT = re.compile(
    r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?(Z|[+-]\d{2}:\d{2})?", re.ASCII
)
_WALL = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])|24:00")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3}")
_SUBTAG_CASE = {2: str.upper, 4: str.title}
"""Of regions and scripts, by their length; other subtags are in lower case."""


@lru_cache(maxsize=1_024)
def instant_text(instant: datetime) -> str:
    """``2027-03-08T09:00:00Z``, with a fraction only when it has one.

    Cached, because a booking writes the same instants into its reply and into each event.
    """
    assert instant.tzinfo is UTC, "instants are UTC"
    return instant.isoformat()[:-6] + "Z"


def parse_instant(text: object) -> datetime:
    """An instant in UTC; raises marshmallow's ``ValidationError``."""
    found = _INSTANT.fullmatch(text.upper()) if isinstance(text, str) else None
    if found is None:
        raise ValidationError("must be an instant like 2027-03-08T09:00:00Z")
    if found[1] is None:
        hint = " (in an address, write + as %2B)" if " " in found[0][11:] else ""
        raise ValidationError(f"an instant needs an offset, e.g. 2027-03-08T09:00:00Z{hint}")
    try:
        instant = datetime.fromisoformat(found[0]).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValidationError("there is no such instant") from None
    if instant.year not in YEARS:
        raise ValidationError(f"the year must be between {YEARS[0]} and {YEARS[-1]}")
    return instant


def whole(pattern: re.Pattern[str]) -> str:
    """A pattern that is matched against the whole value, as the API document writes it."""
    return f"^(?:{pattern.pattern})$"


T = TypeVar("T")
E_ = TypeVar("E_", bound=StrEnum)


class FieldOptions(TypedDict, total=False):
    """Options that every field takes, as marshmallow names them."""

    required: bool
    allow_none: bool
    load_default: object
    data_key: str
    validate: Callable[[Any], object] | Sequence[Callable[[Any], object]]
    metadata: Mapping[str, object]


class JsonField(Field[T]):
    """Loads one JSON value with :meth:`read`, and dumps it with :meth:`show`."""

    form: ClassVar[Mapping[str, object]] = {}
    """The JSON schema of every field of this type, in the API document."""

    def __init__(
        self, form: Mapping[str, object] | None = None, **kwargs: Unpack[FieldOptions]
    ) -> None:
        """``form`` is of this field only. Metadata of the same name are shown instead."""
        super().__init__(**kwargs)
        self.metadata = {**(form or self.form), **self.metadata}
        if self.allow_none and "enum" in self.metadata:  # OpenAPI 3.0.3: null is in the list, too
            self.metadata["enum"] = [*self.metadata["enum"], None]

    def read(self, value: object) -> T:
        """The loaded value; raises marshmallow's ValidationError."""
        raise NotImplementedError

    def show(self, value: T) -> object:
        return value

    def _deserialize(self, value: object, attr: str | None, data: object, **kwargs: object) -> T:
        return self.read(value)

    def _serialize(
        self, value: T | None, attr: str | None, obj: object, **kwargs: object
    ) -> object:
        return None if value is None else self.show(value)


class InstantField(JsonField[datetime]):
    form: ClassVar = {"type": "string", "format": "date-time", "example": "2027-03-08T09:00:00Z"}

    show = staticmethod(instant_text)

    def read(self, value: object) -> datetime:
        return parse_instant(value)


class WholeMinute(InstantField):
    """When an appointment starts: calendars know whole minutes only."""

    def read(self, value: object) -> datetime:
        instant = parse_instant(value)
        if instant.second or instant.microsecond:
            raise ValidationError("must be a whole minute, without seconds")
        return instant


class Id(JsonField[str]):
    """The UUID of a record, in text form."""

    form: ClassVar = {"type": "string", "format": "uuid"}

    def read(self, value: object) -> str:
        if (found := parse_id(value)) is None:
            raise ValidationError("must be a UUID")
        return found


class Text(JsonField[str]):
    """Text that people typed: stripped of blanks around it, without control characters.

    Of ``many_lines``, each ends with a line feed, whatever was sent.
    """

    def __init__(
        self,
        *,
        min_chars: int = 0,
        max_chars: int,
        pattern: re.Pattern[str] | None = None,
        expected: str = "",
        many_lines: bool = False,
        **kwargs: Unpack[FieldOptions],
    ) -> None:
        control = NOT_IN_NOTES if many_lines else NOT_IN_LINES
        form = {"type": "string", "maxLength": max_chars}
        if min_chars:
            form["minLength"] = min_chars
        super().__init__({**form, "pattern": _text_form(pattern, control, min_chars)}, **kwargs)
        self._min_chars, self._max_chars = min_chars, max_chars
        self._pattern, self._expected = pattern, expected
        self._many_lines = many_lines

    def read(self, value: object) -> str:
        if not isinstance(value, str):
            raise ValidationError("must be text")
        if len(value) > self._max_chars:
            raise ValidationError(f"must have at most {self._max_chars} characters")
        text = (with_line_feeds(value) if self._many_lines else value).strip()
        if len(text) < self._min_chars:
            raise ValidationError("must not be empty")
        if not (is_note(text) if self._many_lines else is_line(text)):
            raise ValidationError("must not contain control characters")
        if self._pattern is not None and not self._pattern.fullmatch(text):
            raise ValidationError(self._expected)
        return text


class ChannelName(Text):
    """The name of a channel, in which an id may be written in capitals."""

    def __init__(self, **kwargs: Unpack[FieldOptions]) -> None:
        super().__init__(min_chars=1, max_chars=MAX_CHANNEL_CHARS, **kwargs)

    def read(self, value: object) -> Channel:
        return parse_channel(super().read(value))


class Name(Text):
    """A text that can be seen, and is read in the order in which it is written."""

    def __init__(self, **kwargs: Unpack[FieldOptions]) -> None:
        super().__init__(min_chars=1, max_chars=MAX_NAME_CHARS, **kwargs)

    def read(self, value: object) -> str:
        name = super().read(value)
        if not is_name(name):
            raise ValidationError(
                "must have visible characters, and none that are invisible or change the direction"
            )
        return name


class Email(JsonField[str]):
    """An e-mail address of the HTML standard; a domain in Unicode becomes its ASCII form."""

    form: ClassVar = {
        "type": "string",
        "maxLength": MAX_EMAIL_CHARS,
        "pattern": rf"^\s*(?:{EMAIL_FORM})\s*$",
    }

    def read(self, value: object) -> str:
        if not isinstance(value, str):
            raise ValidationError("must be text")
        address = email_address(value.strip())
        if address is None:
            raise ValidationError("must be an e-mail address")
        return address


def _text_form(pattern: re.Pattern[str] | None, control: str, min_chars: int) -> str:
    """The pattern that :class:`Text` checks, with the blanks around that it removes."""
    if pattern is not None:
        return rf"^\s*(?:{pattern.pattern})\s*$"
    first = rf"[^\s{control}]" if min_chars else ""
    return rf"^\s*{first}[^{control}]*\s*$"


class TimeZone(JsonField[str]):
    """The name of a zone in the IANA database, e.g. ``America/New_York``."""

    form: ClassVar = {"type": "string", "maxLength": 64, "example": "Europe/Vienna"}

    def read(self, value: object) -> str:
        if isinstance(value, str) and value in zone_names():
            return value
        raise ValidationError("must be an IANA time zone like Europe/Vienna")


class WallTime(JsonField[int]):
    """Local wall time as ``HH:MM``, in minutes after midnight; ``24:00`` ends a day."""

    form: ClassVar = {"type": "string", "pattern": whole(_WALL)}

    def show(self, value: int) -> str:
        return f"{value // 60:02}:{value % 60:02}"

    def read(self, value: object) -> int:
        found = _WALL.fullmatch(value) if isinstance(value, str) else None
        if found is None:
            raise ValidationError("must be a time of day like 09:30, at most 24:00")
        return int(found[1]) * 60 + int(found[2]) if found[1] else MINUTES_PER_DAY


class LocalDate(JsonField[date]):
    form: ClassVar = {"type": "string", "format": "date"}
    years: ClassVar = YEARS

    def show(self, value: date) -> str:
        return value.isoformat()

    def read(self, value: object) -> date:
        if not isinstance(value, str) or not _DATE.fullmatch(value):
            raise ValidationError("must be a date like 2027-03-08")
        try:
            day = date.fromisoformat(value)
        except ValueError:
            raise ValidationError("there is no such date") from None
        if day.year not in self.years:
            raise ValidationError(f"the year must be between {self.years[0]} and {self.years[-1]}")
        return day


class BirthDate(LocalDate):
    """A day of the last centuries; the service refuses one that has not come."""

    years: ClassVar = range(1900, YEARS.stop)


class Language(JsonField[str]):
    """A tag of BCP 47 with its subtags in the case that RFC 5646 recommends, e.g. ``de-AT``."""

    form: ClassVar = {"type": "string", "pattern": whole(_LANGUAGE), "example": "de-AT"}

    def read(self, value: object) -> str:
        if not isinstance(value, str) or not _LANGUAGE.fullmatch(value):
            raise ValidationError("must be a language tag like de or de-AT")
        language, *others = value.lower().split("-")
        cased = (_SUBTAG_CASE.get(len(each), str)(each) for each in others)
        return "-".join((language, *cased))


class Whole(JsonField[int]):
    """A whole number within bounds; in a query it is text."""

    def __init__(
        self, *, low: int, high: int, in_query: bool = False, **kwargs: Unpack[FieldOptions]
    ) -> None:
        super().__init__({"type": "integer", "minimum": low, "maximum": high}, **kwargs)
        self._low, self._high, self._in_query = low, high, in_query

    def read(self, value: object) -> int:
        if self._in_query and isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,9}", value):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValidationError("must be a whole number")
        if not self._low <= value <= self._high:
            raise ValidationError(f"must be between {self._low} and {self._high}")
        return value


class Flag(JsonField[bool]):
    """``true`` or ``false``; in a query they are text."""

    form: ClassVar = {"type": "boolean"}

    def __init__(self, *, in_query: bool = False, **kwargs: Unpack[FieldOptions]) -> None:
        super().__init__(**kwargs)
        self._in_query = in_query

    def read(self, value: object) -> bool:
        if self._in_query and value in ("true", "false"):
            return bool(value == "true")
        if not isinstance(value, bool):
            raise ValidationError("must be true or false")
        return value


class OneOf(JsonField[E_]):
    """A member of an enumeration, by its value."""

    def __init__(self, members: Iterable[E_], **kwargs: Unpack[FieldOptions]) -> None:
        self._members = {str(member.value): member for member in members}
        super().__init__({"type": "string", "enum": list(self._members)}, **kwargs)

    def show(self, value: E_) -> str:
        return str(value)

    def read(self, value: object) -> E_:
        if isinstance(value, str) and value in self._members:
            return self._members[value]
        raise ValidationError(f"must be one of {', '.join(self._members)}")


class OneOfMany(List[E_]):
    """Several members in a query: the parameter repeats, or has commas."""

    def __init__(self, members: Iterable[E_], **kwargs: Unpack[FieldOptions]) -> None:
        super().__init__(OneOf(members), **kwargs)

    def _deserialize(
        self, value: object, attr: str | None, data: object, **kwargs: object
    ) -> list[E_ | None]:
        parts = value if isinstance(value, list | tuple) else [value]
        split: list[object] = []
        for part in parts:
            split += part.split(",") if isinstance(part, str) else [part]
        return super()._deserialize(split, attr, data, **kwargs)


class Items(List[T]):
    """A list with bounds, which the API document states."""

    def __init__(
        self,
        item: Field[T],
        *,
        what: str,
        most: int,
        least: int = 0,
        once: bool = False,
        **kwargs: Unpack[FieldOptions],
    ) -> None:
        """``what`` the items are, for errors; ``once``: no item twice."""
        super().__init__(item, **kwargs)
        self._what, self._least, self._most, self._once = what, least, most, once
        bounds = {"minItems": least, "maxItems": most, "uniqueItems": once}
        stated = {name: bound for name, bound in bounds.items() if bound}
        self.metadata = {**stated, **self.metadata}

    def _deserialize(
        self, value: object, attr: str | None, data: object, **kwargs: object
    ) -> list[T | None]:
        if isinstance(value, list) and len(value) > self._most:  # before its items are checked
            raise ValidationError(f"at most {self._most} {self._what}")
        items = super()._deserialize(value, attr, data, **kwargs)
        if len(items) < self._least:
            raise ValidationError(f"at least {self._least} {self._what}")
        if self._once and len(set(items)) < len(items):
            raise ValidationError(f"each of the {self._what} once only")
        return items
