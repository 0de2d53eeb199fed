"""Which number of a date like 3/8/1980 is the month."""

from typing import Final

_MONTH_FIRST: Final = frozenset({"US", "PR", "VI", "GU", "AS", "MP", "UM", "PH", "FM", "MH", "PW"})
_EITHER: Final = frozenset({"", "CA"})


def is_month_first(first: int, second: int, region: str) -> bool | None:
    """Whether the first number is the month; ``None`` if both can be.

    ``region`` is a country code; without one, and in Canada, either order is usual.
    """
    if region not in _EITHER:
        return region in _MONTH_FIRST
    if max(first, second) > 12 or first == second:
        return second > 12
    return None
