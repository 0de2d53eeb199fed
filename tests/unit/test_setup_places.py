"""Where a practice is, is guessed from the machine; only a real place is proposed."""

from pathlib import Path

import pytest

from hub.setup.places import guessed_region, guessed_zone, machine_zone


@pytest.mark.parametrize(
    ("environ", "zone", "region"),
    [
        ({"LANG": "de_AT.UTF-8"}, None, "AT"),
        ({"LC_ALL": "C", "LANG": "de_CH"}, "Europe/Vienna", "CH"),
        ({"LANG": "C.UTF-8"}, "Europe/Vienna", "AT"),
        ({"LANG": "en_150.UTF-8"}, None, ""),
        ({}, None, ""),
    ],
)
def test_the_country_is_that_of_the_language_or_of_the_zone(
    environ: dict[str, str], zone: str | None, region: str
) -> None:
    assert guessed_region(environ, zone) == region


@pytest.mark.parametrize(
    ("region", "machine", "zone"),
    [
        ("AT", None, "Europe/Vienna"),
        ("DE", "America/New_York", "Europe/Berlin"),
        ("US", "America/Chicago", "America/Chicago"),
        ("US", None, "America/New_York"),
        ("", "Europe/Vienna", "Europe/Vienna"),
        ("", None, ""),
    ],
)
def test_the_zone_is_one_of_the_country(region: str, machine: str | None, zone: str) -> None:
    assert guessed_zone(region, machine) == zone


@pytest.mark.parametrize(
    ("name", "zone"),
    [("Europe/Vienna", "Europe/Vienna"), (":Europe/Vienna", "Europe/Vienna")]
    + [(name, None) for name in ("UTC", "Etc/UTC", "Nowhere/Town", "CET-1CEST")],
)
def test_the_machine_has_the_zone_of_its_variable(name: str, zone: str | None) -> None:
    assert machine_zone({"TZ": name}) == zone


def test_the_machine_has_the_zone_that_its_file_links_to(tmp_path: Path) -> None:
    (tmp_path / "localtime").symlink_to("/usr/share/zoneinfo/Europe/Vienna")
    assert machine_zone({}, tmp_path / "localtime") == "Europe/Vienna"
    (tmp_path / "file").write_bytes(b"TZif")
    assert machine_zone({}, tmp_path / "file") is None
