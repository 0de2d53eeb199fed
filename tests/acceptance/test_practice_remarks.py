"""What a practice keeps of a patient for itself: seen there, and nowhere else."""

import asyncio
from typing import Any

import pytest

from tests.support.clinic import Clinic
from tests.support.database import rows
from tests.support.logs import Logs

REMARK = "Afraid of needles, käme lieber abends\nCalls back"


def path_of(clinic: Clinic, patient: str, practice: int = 0) -> str:
    return f"/api/practices/{clinic.practices[practice]}/patients/{patient}"


async def test_staff_and_dentists_of_the_practice_keep_a_remark(clinic: Clinic) -> None:
    patient, desk = clinic.patients[0], clinic.api(clinic.staff[0])
    path = path_of(clinic, patient.id)
    before = await desk.get(path)
    assert (before.status, before.body["remark"], before.body["source"]) == (200, None, "created")
    assert before.headers["ETag"] == '"1"'
    saved = await desk.put(path, {"remark": f"  {REMARK}\r\n"}, if_match='"1"')
    assert saved.body == {**before.body, "remark": REMARK, "version": 2}
    await clinic.book(patient)
    doctor = clinic.api(clinic.dentists[0])
    assert (await doctor.get(path)).body == saved.body
    assert (await desk.put(path, {"remark": "old"}, if_match='"1"')).status == 412
    same = await doctor.put(path, {"remark": REMARK})
    assert (same.status, same.body["version"]) == (200, 2), "the same again changes nothing"
    emptied = await doctor.put(path, {"remark": None})
    assert (emptied.body["remark"], emptied.body["version"]) == (None, 3)


async def test_a_remark_is_for_no_one_else(clinic: Clinic) -> None:
    patient = clinic.patients[0]
    path = path_of(clinic, patient.id)
    assert (await clinic.api(clinic.staff[0]).put(path, {"remark": REMARK})).status == 200
    await clinic.book(patient, dentist=clinic.dentists[2])
    for caller in (
        clinic.api(patient),
        clinic.chatbot(patient),
        clinic.admin,
        clinic.api(clinic.staff[1]),
        clinic.api(clinic.dentists[2]),
    ):
        for answer in (await caller.get(path), await caller.put(path, {"remark": "mine"})):
            assert answer.code == "NOT_FOUND"
    there = path_of(clinic, patient.id, practice=1)
    own = await clinic.api(clinic.staff[1]).get(there)
    assert (own.body["remark"], own.body["source"], own.body["version"]) == (None, "booked", 1)
    for unknown in (clinic.dentists[0].id, "01976f2e-5b1a-7c3d-9e4f-0a1b2c3d4e5f", "x"):
        answer = await clinic.api(clinic.staff[0]).get(path_of(clinic, unknown))
        assert answer.code == "NOT_FOUND"


async def test_a_remark_is_in_no_event_profile_search_audit_or_log(
    clinic: Clinic, logs: Logs
) -> None:
    patient, desk = clinic.patients[0], clinic.api(clinic.staff[0])
    await clinic.book(patient)
    screens = [await clinic.screen(each) for each in (clinic.staff[0], clinic.dentists[0], patient)]
    secret = "remark-7f3a"
    saved = await desk.put(path_of(clinic, patient.id), {"remark": secret})
    assert saved.status == 200
    for screen in screens[:2]:
        told = await screen.event("patient.updated", 1.0)
        assert told.data["data"].keys() == {"patient_id", "version"}
        assert told.data["data"]["patient_id"] == patient.id
    assert secret not in str([each.data for screen in screens for each in screen.events()])
    for answer in (
        await desk.get(f"/api/profiles/{patient.id}"),
        await desk.get("/api/patients", q=patient.name),
        await clinic.api(patient).get("/api/profiles/me"),
    ):
        assert secret not in str(answer.body)
    audit = rows(clinic.database, "SELECT * FROM audit_log")
    assert [each["action"] for each in audit].count("practice_patient.saved") == 1
    assert secret not in str(audit)
    assert secret not in str(rows(clinic.database, "SELECT payload FROM event_log"))
    assert secret not in logs.getvalue()


async def test_two_who_write_at_once_do_not_both_win(clinic: Clinic) -> None:
    """Of someone who only booked, the first remark also makes the row."""
    patient, desk = clinic.patients[0], clinic.api(clinic.staff[1])
    visit = await clinic.book(patient, dentist=clinic.dentists[2])
    path = path_of(clinic, patient.id, practice=1)
    before = (await desk.get(path)).body
    assert before["since"][:19] == visit["created_at"][:19]
    answers = await asyncio.gather(
        *(desk.put(path, {"remark": f"remark {n}"}, if_match='"1"') for n in range(4))
    )
    assert sorted(each.status for each in answers) == [200, 412, 412, 412]
    after = (await desk.get(path)).body
    assert after | {"remark": None, "version": 1} == before
    assert after["version"] == 2
    free = await asyncio.gather(*(desk.put(path, {"remark": f"again {n}"}) for n in range(3)))
    assert [each.status for each in free] == [200] * 3
    assert (await desk.get(path)).body["version"] == 5


@pytest.mark.usefixtures("nothing_changes")
@pytest.mark.parametrize(
    "body", [{}, {"remark": 7}, {"remark": "a\x00b"}, {"remark": "x" * 2_001}, {"note": "x"}]
)
async def test_a_remark_that_is_no_text_is_refused(clinic: Clinic, body: dict[str, Any]) -> None:
    answer = await clinic.api(clinic.staff[0]).put(path_of(clinic, clinic.patients[0].id), body)
    assert (answer.status, answer.code) == (400, "VALIDATION_ERROR")


async def test_a_merged_patient_has_the_remarks_of_both(clinic: Clinic) -> None:
    desk = clinic.api(clinic.staff[0])
    first, second, third = [
        (await desk.post("/api/profiles", {"role": "patient", "name": name})).body["id"]
        for name in ("Ann One", "Ann Two", "Ann Three")
    ]
    for patient, remark in ((first, "of one"), (second, "of two")):
        assert (await desk.put(path_of(clinic, patient), {"remark": remark})).status == 200
    for merged, text in ((second, "of one\nof two"), (third, "of one\nof two")):
        answer = await desk.post(f"/api/patients/{merged}/merge", {"into": first})
        assert answer.status == 200, answer.body
        assert (await desk.get(path_of(clinic, first))).body["remark"] == text
