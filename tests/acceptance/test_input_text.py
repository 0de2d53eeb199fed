"""What people and programs enter as text: refused, or stored in one form, on every interface."""

from tests.support.clinic import Clinic, schedule
from tests.support.screens import Screen


async def refused_everywhere(clinic: Clinic, screen: Screen, field: str, value: str) -> None:
    """As a change of the profile over REST and Socket.IO."""
    answer = await clinic.api(clinic.patients[0]).put("/api/profiles/me", {field: value})
    assert (answer.status, answer.code) == (400, "VALIDATION_ERROR"), (value, answer.body)
    assert [detail["field"] for detail in answer.error["details"]] == [field]
    error = await screen.refused("profile:update", {field: value})
    assert error["details"] == answer.error["details"]


async def test_only_zones_that_every_machine_and_browser_knows(clinic: Clinic) -> None:
    screen = await clinic.screen(clinic.patients[0])
    dentist = clinic.dentists[0]
    for zone in ("localtime", "posixrules", "right/Europe/Vienna", "posix/UTC", "Factory"):
        await refused_everywhere(clinic, screen, "time_zone", zone)
        path = f"/api/availability/{dentist.id}"
        answer = await clinic.api(dentist).put(path, schedule(zone))
        assert [detail["field"] for detail in answer.error["details"]] == ["time_zone"]
    for zone in ("Europe/Kyiv", "Europe/Kiev", "US/Pacific", "UTC"):
        changed = await clinic.api(clinic.patients[0]).put("/api/profiles/me", {"time_zone": zone})
        assert (changed.status, changed.body["time_zone"]) == (200, zone)
