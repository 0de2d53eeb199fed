"""The API conforms to its OpenAPI document (criteria 4.1–4.7).

Schemathesis generates valid and invalid requests from the document. It chooses ids and times
from the clinic's own, so that many requests really hold, book, change and cancel. The choice
is the same in every run.
"""

import asyncio
from functools import partial
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from api.openapi import openapi
from api.settings import ApiSettings
from tests.acceptance.conftest import OpenClinic
from tests.support.clinic import Clinic, Person

EXAMPLES = {GenerationMode.POSITIVE: 3, GenerationMode.NEGATIVE: 2}
"""The number of requests for each operation and role, by generation mode."""
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
"""Accepting valid data is not checked: a schema cannot require ``to`` after ``from``."""


@pytest.mark.parametrize("role", ["dentist", "patient"])
async def test_every_response_matches_the_api_document(open_clinic: OpenClinic, role: str) -> None:
    unlimited = ApiSettings(rate_per_s=1e6, rate_burst=1_000_000)
    async with open_clinic(api=unlimited) as clinic:
        person = clinic.dentists[0] if role == "dentist" else clinic.patients[0]
        booked = [await clinic.book(clinic.patients[0], at) for at in ("09:00", "10:00")]
        _register_values(clinic, [row["id"] for row in booked])
        statuses = await asyncio.to_thread(_call_every_operation, clinic, person)
    assert {200, 201, 204, 400, 404} <= statuses, "some requests succeed"


def _register_values(clinic: Clinic, rows: list[str]) -> None:
    """Register the ids and times from which Schemathesis chooses."""
    ids = [*rows, clinic.dentists[0].id, clinic.patients[0].id, *clinic.types.values()]
    schemathesis.openapi.format("uuid", st.sampled_from(ids) | st.uuids().map(str))
    times = [clinic.at(f"{hour:02}:{minute}") for hour in (9, 11, 14) for minute in ("00", "15")]
    schemathesis.openapi.format("date-time", st.sampled_from(times))


def _call_every_operation(clinic: Clinic, person: Person) -> set[int]:
    """Call every operation of the document; returns the statuses of the responses."""
    document = schemathesis.openapi.from_dict(openapi())
    statuses = set[int]()
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {person.token}"
        for found in document.get_all_operations():
            assert isinstance(found, Ok), "the document is valid"
            for mode, most in EXAMPLES.items():
                cases = found.ok().as_strategy(generation_mode=mode)
                if mode is GenerationMode.POSITIVE:
                    cases = cases.map(partial(_for_this_clinic, clinic))
                _call(cases, most, clinic.url, session, statuses)
    return statuses


def _for_this_clinic(clinic: Clinic, case: Case[Any]) -> Case[Any]:
    """The same request with this clinic's ids, so that not all of them are 403 or 404."""
    known = {
        "dentistId": clinic.dentists[0].id,
        "dentist_id": clinic.dentists[0].id,
        "patient_id": clinic.patients[0].id,
        "appointment_type_id": clinic.types["check-up"],
        "role": "patient",
    }
    for part in (case.path_parameters, case.body):
        if isinstance(part, dict):
            part.update({name: value for name, value in known.items() if name in part})
            part.pop("subject", None)  # only admins may send it
    case.headers.pop("On-Behalf-Of", None)
    return case


def _call(
    cases: st.SearchStrategy[Case[Any]],
    most: int,
    url: str,
    session: requests.Session,
    statuses: set[int],
) -> None:
    @settings(
        max_examples=most,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),  # the machine may be slow
    )
    @given(case=cases)
    def call_one(case: Case[Any]) -> None:
        answer = case.call_and_validate(base_url=url, session=session, checks=CHECKS)
        statuses.add(answer.status_code)

    call_one()
