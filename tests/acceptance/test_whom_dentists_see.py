"""Whether dentists see the patients of their practice, or their own; calendars stay their own."""

from typing import Any, Literal

import pytest

from actors.services.practice_settings import PracticeSettings
from tests.acceptance.conftest import OpenClinic
from tests.support.api import Api
from tests.support.clinic import Clinic, appointments_of
from tests.support.database import execute


async def found(api: Api, name: str) -> list[str]:
    return [each["name"] for each in (await api.get("/api/patients", q=name)).body["data"]]


async def sees(clinic: Clinic, *, dentist: int, patient: int = 0) -> bool:
    """Whether the dentist sees the patient, in every place that shows one."""
    api, who = clinic.api(clinic.dentists[dentist]), clinic.patients[patient]
    profile = await api.get(f"/api/profiles/{who.id}")
    seen = profile.status == 200
    assert seen == (who.name in await found(api, who.name))
    kept = await api.get(f"/api/practices/{clinic.practices[0]}/patients/{who.id}")
    assert seen == (kept.status == 200)
    assert not seen or profile.body["email"]
    return seen


async def test_dentists_of_a_new_practice_see_all_its_patients(clinic: Clinic) -> None:
    """Those who were entered, and one who signed up alone and booked with a colleague."""
    assert await sees(clinic, dentist=0)
    assert await sees(clinic, dentist=1)
    assert not await sees(clinic, dentist=2), "at another practice"
    await clinic.book(clinic.patients[1], dentist=clinic.dentists[2])
    there = clinic.api(clinic.dentists[2])
    assert (await there.get(f"/api/profiles/{clinic.patients[1].id}")).status == 200
    assert (await there.get(f"/api/profiles/{clinic.patients[0].id}")).status == 404


@pytest.mark.parametrize("setting", ["own", "practice"])
async def test_the_configuration_decides_for_all_practices(
    open_clinic: OpenClinic, setting: Literal["own", "practice"]
) -> None:
    async with open_clinic(practice=PracticeSettings(dentists_see=setting)) as clinic:
        await clinic.book(clinic.patients[0], dentist=clinic.dentists[0])
        assert await sees(clinic, dentist=0)
        assert await sees(clinic, dentist=1) == (setting == "practice")
        assert await sees(clinic, dentist=0, patient=1) == (setting == "practice")
        assert not await sees(clinic, dentist=2)


async def test_dentists_of_a_migrated_practice_see_their_own_patients(clinic: Clinic) -> None:
    execute(clinic.database, "UPDATE practices SET dentists_see = 'own'")
    path = f"/api/practices/{clinic.practices[0]}"
    assert (await clinic.admin.put(path, {"phone": "+1 555 0300"})).status == 200
    assert not await sees(clinic, dentist=1)
    await clinic.book(clinic.patients[0], dentist=clinic.dentists[0])
    assert await sees(clinic, dentist=0)
    assert not await sees(clinic, dentist=1)
    assert len(await found(clinic.api(clinic.staff[0]), "patient")) > 1, "staff see all, as ever"


async def test_of_a_colleagues_calendar_a_dentist_sees_free_and_busy_only(clinic: Clinic) -> None:
    """Although the patients are those of the practice."""
    ann, kim, pat = clinic.dentists[0], clinic.dentists[1], clinic.patients[0]
    api, screen = clinic.api(kim), await clinic.screen(kim, f"availability:dentist:{ann.id}")
    visit = await clinic.book(pat, "09:00", dentist=ann)
    hold = await clinic.hold(pat, "11:00", dentist=ann)
    path = f"/api/appointments/{visit['id']}"
    for answer in (
        await api.get(path),
        await api.get(f"{path}/history"),
        await api.put(path, {"notes": "x"}),
        await api.delete(path),
        await api.get(f"/api/reservations/{hold['id']}"),
    ):
        assert answer.status in (403, 404), answer.body
        assert pat.id not in str(answer.body)
    for query in ({}, {"patient_id": pat.id}, {"dentist_id": ann.id}):
        listed = await api.get("/api/appointments", **query)
        assert visit["id"] not in str(listed.body)
        assert pat.id not in str(listed.body)
    body: dict[str, Any] = {**clinic.slot("10:00", dentist=ann), "patient_id": pat.id}
    assert (await api.post("/api/appointments", body)).code == "FORBIDDEN"
    assert (await api.get(f"/api/availability/{ann.id}/affected")).status in (403, 404)
    refused = await screen.refused("channel:join", {"channel": appointments_of(ann)})
    assert refused["code"] == "FORBIDDEN"
    missed = await api.get("/api/changes", channel=appointments_of(ann), since="now")
    assert missed.code == "FORBIDDEN"
    busy = await screen.event("slots.changed", 1.0, dentist_id=ann.id)
    assert busy.resource["taken"]
    assert clinic.at("09:00", dentist=ann) not in await clinic.free(kim, dentist=ann)
    everything = str([each.data for each in screen.events()])
    assert pat.id not in everything
    assert visit["id"] not in everything
