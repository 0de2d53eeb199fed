"""Plain JSON to the chatbot's frozen values and back, strictly: nothing is converted silently."""

from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import TypeVar

from cattrs import Converter

P = TypeVar("P", str, int, bool)


def value_converter(*, forbid_extra_keys: bool) -> Converter:
    """Instants and dates are ISO 8601, durations seconds; fields with defaults may be absent.

    Structuring raises cattrs.BaseValidationError, or TypeError for what is no object at all.
    """
    converter = Converter(forbid_extra_keys=forbid_extra_keys, omit_if_default=True)
    for primitive in (str, int, bool):
        converter.register_structure_hook(primitive, _exactly)
    converter.register_structure_hook(StrEnum, lambda value, cls: cls(value))
    for moment in (datetime, date, time):
        converter.register_unstructure_hook(moment, moment.isoformat)
        converter.register_structure_hook(moment, lambda text, cls: cls.fromisoformat(text))
    converter.register_structure_hook(datetime, _instant)
    converter.register_unstructure_hook(timedelta, timedelta.total_seconds)
    converter.register_structure_hook(timedelta, lambda seconds, _: timedelta(seconds=seconds))
    return converter


def _exactly(value: object, wanted: type[P]) -> P:
    """cattrs by itself would make "5" of 5."""
    if type(value) is not wanted:
        raise TypeError(f"{value!r:.40} is no {wanted.__name__}")
    return value


def _instant(text: str, _: type[datetime]) -> datetime:
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None or not 1970 <= instant.year < 9000:
        raise ValueError(f"{text:.40} is no instant of a calendar")
    return instant
