"""An admin ends all live connections of a person, such as those of a lost device."""

import pytest

from tests.support.clinic import CHATBOT, Clinic
from tests.support.database import rows
from tests.support.live_connections import all_ended, every_protocol, none_has_ended

UNKNOWN_ID = "01976f2e-0000-7000-8000-000000000001"


def path_of(profile_id: str) -> str:
    return f"/api/profiles/{profile_id}/connections"


@pytest.mark.parametrize("role", ["patient", "dentist"])
async def test_all_connections_of_only_that_person_end(clinic: Clinic, role: str) -> None:
    """Also those of chatbots that act for the patient."""
    people = clinic.patients if role == "patient" else clinic.dentists
    async with (
        every_protocol(clinic, people[0]) as lost,
        every_protocol(clinic, people[1]) as others,
    ):
        ended = await clinic.admin.delete(path_of(people[0].id))
        assert (ended.status, ended.body) == (204, None)
        await all_ended(lost)
        await none_has_ended(others)


async def test_a_token_that_is_still_valid_may_connect_again(clinic: Clinic) -> None:
    patient = clinic.patients[0]
    for _ in range(2):
        async with every_protocol(clinic, patient) as lost:
            assert (await clinic.admin.delete(path_of(patient.id))).status == 204
            await all_ended(lost)


async def test_the_admin_and_the_person_are_audited_without_names(clinic: Clinic) -> None:
    for person in (clinic.patients[0], clinic.dentists[0]):
        assert (await clinic.admin.delete(path_of(person.id))).status == 204
        sql = "SELECT * FROM audit_log WHERE action = 'connections.ended' AND resource_id = ?"
        (row,) = rows(clinic.database, sql, person.id)
        assert (row["role"], row["subject"]) == ("admin", "clinic-admin")
        assert (row["resource_kind"], row[f"{person.role}_id"]) == ("profile", person.id)
        assert person.name not in repr(row)


async def test_only_an_admin_may_end_connections(clinic: Clinic) -> None:
    patient = clinic.patients[0]
    async with every_protocol(clinic, patient) as own:
        for api in (
            clinic.api(patient),
            clinic.api(clinic.dentists[0]),
            clinic.with_token(CHATBOT),
            clinic.chatbot(patient),
        ):
            answer = await api.delete(path_of(patient.id))
            assert (answer.status, answer.code) == (403, "FORBIDDEN")
            unknown = await api.delete(path_of(UNKNOWN_ID))
            assert unknown.status == 403, "a refusal does not show whether the person exists"
        assert (await clinic.with_token(None).delete(path_of(patient.id))).status == 401
        await none_has_ended(own)


@pytest.mark.parametrize("unknown", [UNKNOWN_ID, "me", "not-an-id"])
async def test_an_unknown_person_is_not_found(clinic: Clinic, unknown: str) -> None:
    answer = await clinic.admin.delete(path_of(unknown))
    assert (answer.status, answer.code) == (404, "NOT_FOUND")
