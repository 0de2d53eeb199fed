"""Guesses where a practice is: its country and its time zone."""

import os
from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path

from actors.domain.contact import is_region
from actors.domain.zones import zone_names

_LOCALTIME = Path("/etc/localtime")
_LOCALES = ("LC_ALL", "LC_ADDRESS", "LANG")


def guessed_region(environ: Mapping[str, str], zone: str | None) -> str:
    """The country of the language settings, else that of the time zone, else empty."""
    for name in _LOCALES:
        _, _, country = environ.get(name, "").partition(".")[0].partition("_")
        if is_region(country):
            return country
    return next((code for code, zones in _zones_of().items() if zone in zones), "")


def guessed_zone(region: str, machine: str | None) -> str:
    """The zone of the machine if it is one of the country; else the country's first; or empty.

    The list begins with the zone of most people, which need not be the practice's: so the guess
    is shown before it is used.
    """
    zones = _zones_of().get(region, ())
    if machine in zones:
        return machine or ""
    return zones[0] if zones else machine or ""


def machine_zone(environ: Mapping[str, str], localtime: Path = _LOCALTIME) -> str | None:
    """The IANA name of this machine's time zone; ``None`` if it is unknown, or no place."""
    name = environ.get("TZ", "").removeprefix(":")
    if not name:
        _, _, name = os.path.realpath(localtime).partition("zoneinfo/")
    is_place = "/" in name and not name.startswith("Etc/")
    return name if is_place and name in zone_names() else None


@cache
def _zones_of() -> Mapping[str, tuple[str, ...]]:
    """The zones of each country, from the ``tzdata`` package."""
    table = (resources.files("tzdata") / "zoneinfo" / "zone.tab").read_text(encoding="utf-8")
    rows = [line.split("\t") for line in table.splitlines() if not line.startswith("#")]
    found: dict[str, tuple[str, ...]] = {}
    for code, _, zone, *_ in rows:
        found[code] = (*found.get(code, ()), zone)
    return found
