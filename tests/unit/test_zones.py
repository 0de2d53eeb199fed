"""Time zones are the names of the IANA database, on every machine and in every browser."""

from zoneinfo import ZoneInfo

import pytest

from actors.domain.zones import zone_names
from api.schemas.fields import TimeZone


def test_every_zone_exists() -> None:
    assert len(zone_names()) > 590
    for name in zone_names():
        assert ZoneInfo(name).key == TimeZone().read(name) == name


@pytest.mark.parametrize("name", ["Europe/Vienna", "Europe/Kiev", "US/Pacific", "Etc/GMT+5", "ROC"])
def test_places_and_links_are_zones(name: str) -> None:
    assert name in zone_names()
