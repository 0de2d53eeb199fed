"""The time zones that a schedule or a person may have: names of the IANA database."""

from functools import cache
from importlib import resources

_NO_ZONE = frozenset({"Factory"})
"""In the database, but not a place: browsers refuse it."""


@cache
def zone_names() -> frozenset[str]:
    """The zones and links of the ``tzdata`` package: the same on every machine.

    The files of a machine contain more: ``localtime`` and ``posixrules`` differ from machine to
    machine, ``right/…`` counts leap seconds, and browsers know none of them.
    """
    names = (resources.files("tzdata") / "zones").read_text(encoding="ascii")
    return frozenset(names.split()) - _NO_ZONE
