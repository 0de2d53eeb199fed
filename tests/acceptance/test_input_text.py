"""What people and programs enter as text: refused, or stored in one form, on every interface."""

import pytest

from actors.services.practice_settings import PracticeSettings
from tests.acceptance.conftest import OpenClinic
from tests.support.clinic import CHATBOT, Clinic, schedule
from tests.support.screens import Screen
from tests.support.tokens import token


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


async def test_names_are_seen_and_read_in_their_order(clinic: Clinic) -> None:
    screen = await clinic.screen(clinic.patients[0])
    for name in ("\u202eadA", "\u3164", "\u200b", "Ada\rLovelace", "Ada\u2028Lovelace"):
        await refused_everywhere(clinic, screen, "name", name)
        for path, body in (
            ("/api/profiles", {"role": "patient", "name": name}),
            ("/api/appointment-types", {"name": name, "duration_minutes": 30}),
        ):
            answer = await clinic.admin.post(path, body)
            assert [detail["field"] for detail in answer.error["details"]] == ["name"]
    for email in ("pát@example.org", "a:b@example.org", "a@exam ple.org", "a\r@example.org"):
        await refused_everywhere(clinic, screen, "email", email)
    first = clinic.with_token(token("patient", "new-1", name="\u202e\u2066Eve\u2069\r"))
    assert (await first.get("/api/profiles/me")).body["name"] == "Eve"
    hidden = clinic.with_token(token("patient", "new-2", name="\u200b\u3164"))
    assert (await hidden.get("/api/profiles/me")).body["name"] == "Unnamed patient"


async def test_a_note_has_line_feeds_whatever_was_sent(clinic: Clinic) -> None:
    desk = await clinic.screen(clinic.dentists[0])
    screen = await clinic.screen(clinic.patients[0])
    slot = clinic.slot() | {"notes": "one\rtwo\r\nthree\u2028four"}
    booked = (await clinic.api(clinic.patients[0]).post("/api/appointments", slot)).body
    assert booked["notes"] == "one\ntwo\nthree\nfour"
    event = await desk.event("appointment.created", id=booked["id"])
    assert event.resource["notes"] == booked["notes"]
    changed = await screen.call(
        "appointment:update", {"id": booked["id"], "notes": "a\x85b\r", "version": 1}
    )
    assert changed["data"]["notes"] == "a\nb"


@pytest.mark.parametrize("claim", ["pat@straße.example", "PAT@xn--strae-oqa.EXAMPLE"])
async def test_a_record_is_adopted_by_its_own_domain_only(clinic: Clinic, claim: str) -> None:
    records = {}
    for email in ("pat@strasse.example", "Pat@straße.example"):
        made = await clinic.admin.post(
            "/api/profiles", {"role": "patient", "name": email, "email": email}
        )
        assert made.status == 201, made.body
        records[email] = made.body["id"]
    patient = clinic.with_token(token("patient", "sub-new", email=claim, email_verified=True))
    me = await patient.get("/api/profiles/me")
    assert me.body["id"] == records["Pat@straße.example"]
    assert me.body["email"] == "Pat@xn--strae-oqa.example"


async def test_a_number_is_found_however_it_is_written(open_clinic: OpenClinic) -> None:
    async with open_clinic(practice=PracticeSettings(region="AT")) as clinic:
        number = {"phone": "+43 (0)1 234-56 78"}
        changed = await clinic.api(clinic.patients[0]).put("/api/profiles/me", number)
        assert changed.body["phone"] == number["phone"], "as it was typed"
        born = {"date_of_birth": "1980-03-08"}
        assert (await clinic.api(clinic.patients[0]).put("/api/profiles/me", born)).status == 200
        for api in (clinic.api(clinic.dentists[2]), clinic.with_token(CHATBOT)):
            for same in ("+4312345678", "01 234 56 78", "(01) 2345678", "0043-1-2345678"):
                found = await api.post("/api/patients/lookup", {"phone": same, **born})
                assert found.body["id"] == clinic.patients[0].id, same
            for other in ("2345678", "+4312345679", "01 234 56"):
                found = await api.post("/api/patients/lookup", {"phone": other, **born})
                assert found.body == {"found": False, "id": None, "name": None}
