"""The API conforms to its OpenAPI document (criteria 4.1–4.7).

Schemathesis generates valid and invalid requests from the document. It chooses ids and times
from the clinic's own, so that many requests really hold, book, change and cancel. The choice
is the same in every run. The long tests send more of them, and follow the document's links.
"""

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import Case, CheckContext, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.core.transport import Response
from schemathesis.specs.openapi import checks

from api.openapi import openapi
from api.settings import ApiSettings
from tests.acceptance.conftest import OpenClinic
from tests.support.clinic import ADMIN, Clinic
from tests.support.tokens import token

ALL_CHECKS: Final = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
    checks.missing_required_header,
    checks.unsupported_method,
    checks.allow_header_conformance,
    checks.ignored_auth,
    checks.use_after_free,
    checks.ensure_resource_availability,
]
FEW: Final = {GenerationMode.POSITIVE: 2, GenerationMode.NEGATIVE: 1}
MANY: Final = {GenerationMode.POSITIVE: 25, GenerationMode.NEGATIVE: 15}
"""The number of requests for each operation and role, by generation mode."""
STORIES, STEPS = 40, 10
"""Of the test that follows links: how many, and requests in each."""

NOT_IN_A_SCHEMA: Final[Mapping[str, str]] = {
    "must be later than (from|start|time_from)": "an order of two members",
    "must not be before start_date": "an order of two members",
    "must be (before 24|after 00):00": "which end of a day, 00:00 or 24:00, a member may be",
    "at most 62 days after from": "a distance between two members",
    "is needed to list slots": "three parameters of a query belong together",
    "one since is needed for each channel": "two lists of the same length",
    "each of the channels once only": "blanks around it make no other channel",
    "does not belong to this list": "the hub makes cursors",
    "the year must be between 1900 and 2199": "like the years of instants",
    "must not be in the future": "the clock",
    "only patients have this": "what each role sends",
    "the year must be between 1970 and 2199": "values for a format are rarely of a pattern, too",
    "must be a whole minute": "like the years",
    "must have visible characters": "categories of Unicode",
    "must be an e-mail address": "the length of a domain in its ASCII form",
    "does not lead to an address on the public internet": "the domain name system",
    "as it came": "the data of an event depend on its type",
    "patient_id: (is required|a dentist or staff must name the patient)": "what each role sends",
}
"""Messages about members that are refused, and what it is that a schema cannot state."""


def accepts_valid_data(_: CheckContext, response: Response, case: Case[Any]) -> None:
    """Valid data are accepted, or refused by a rule of :data:`NOT_IN_A_SCHEMA`."""
    meta = case.meta
    if meta is None or not meta.generation.mode.is_positive or response.status_code != 400:
        return
    details = response.json()["error"]["details"]
    unknown = [one for one in details if not any(map(_says(one), NOT_IN_A_SCHEMA))]
    assert details, response.text
    assert not unknown, f"{case.method} {case.path}: {unknown}"


def _says(detail: Mapping[str, str]) -> Callable[[str], bool]:
    said = f"{detail['field']}: {detail['message']}"
    return lambda rule: re.search(rule, said) is not None


@pytest.mark.timeout(300)  # a thousand requests
@pytest.mark.parametrize(
    ("template", "role"), [("sqlite", "dentist"), ("postgres", "patient")], indirect=["template"]
)
async def test_every_response_matches_the_api_document(open_clinic: OpenClinic, role: str) -> None:
    await _call_in_a_clinic(open_clinic, role, _call_every_operation, FEW)


@pytest.mark.long
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("role", ["dentist", "patient", "admin", "chatbot"])
@pytest.mark.parametrize("template", ["sqlite"], indirect=True)
async def test_many_requests_match_the_api_document(open_clinic: OpenClinic, role: str) -> None:
    await _call_in_a_clinic(open_clinic, role, _call_every_operation, MANY)


@pytest.mark.long
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("role", ["dentist", "patient"])
async def test_stories_along_the_links_match_the_api_document(
    open_clinic: OpenClinic, role: str
) -> None:
    await _call_in_a_clinic(open_clinic, role, _follow_links, STEPS)


async def _call_in_a_clinic(
    open_clinic: OpenClinic, role: str, call: Callable[..., Counter[int]], amount: object
) -> None:
    unlimited = ApiSettings(rate_per_s=1e6, rate_burst=1_000_000)
    async with open_clinic(api=unlimited) as clinic:
        booked = [await clinic.book(clinic.patients[0], at) for at in ("09:00", "10:00")]
        _register_values(clinic, [row["id"] for row in booked])
        headers = _headers_of(clinic, role)
        statuses = await asyncio.to_thread(call, clinic, headers, amount)
    assert {200, 201, 404} <= statuses.keys(), f"some requests succeed: {statuses}"


def _headers_of(clinic: Clinic, role: str) -> dict[str, str]:
    tokens = {
        "admin": ADMIN,
        "chatbot": token("patient", "patient-0", act={"sub": "their-bot"}),
        "dentist": clinic.dentists[0].token,
        "patient": clinic.patients[0].token,
    }
    return {"Authorization": f"Bearer {tokens[role]}"}


def _register_values(clinic: Clinic, rows: list[str]) -> None:
    """Register the ids and times from which Schemathesis chooses."""
    ids = [*rows, clinic.dentists[0].id, clinic.patients[0].id, *clinic.types.values()]
    schemathesis.openapi.format("uuid", st.sampled_from(ids) | st.uuids().map(str))
    times = [clinic.at(f"{hour:02}:{minute}") for hour in (9, 11, 14) for minute in ("00", "15")]
    schemathesis.openapi.format("date-time", st.sampled_from(times))
    # For this header it has values of its own, whatever the document says.
    schemathesis.openapi.format("_if_match_header", st.sampled_from(["*", '"1"', '"2"', '"7"']))


def _call_every_operation(
    clinic: Clinic, headers: Mapping[str, str], amount: Mapping[GenerationMode, int]
) -> Counter[int]:
    """Call every operation of the document; returns how often each status came."""
    document = schemathesis.openapi.from_dict(openapi())
    statuses = Counter[int]()
    with requests.Session() as session:
        session.headers.update(headers)
        for found in document.get_all_operations():
            assert isinstance(found, Ok), "the document is valid"
            for mode, most in amount.items():
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
        "time_zone": "Europe/Vienna",
        "role": "patient",
    }
    for part in (case.path_parameters, case.body):
        if isinstance(part, dict):
            part.update({name: value for name, value in known.items() if name in part})
            part.pop("subject", None)  # only admins may send it
    case.headers.pop("On-Behalf-Of", None)
    return case


def _settings(most: int, **more: Any) -> settings:
    return settings(
        max_examples=most,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),  # the machine may be slow
        **more,
    )


def _call(
    cases: st.SearchStrategy[Case[Any]],
    most: int,
    url: str,
    session: requests.Session,
    statuses: Counter[int],
) -> None:
    @_settings(most)
    @given(case=cases)
    def call_one(case: Case[Any]) -> None:
        answer = case.call_and_validate(
            base_url=url, session=session, checks=ALL_CHECKS, additional_checks=[accepts_valid_data]
        )
        statuses[answer.status_code] += 1

    call_one()


def _follow_links(clinic: Clinic, headers: Mapping[str, str], steps: int) -> Counter[int]:
    """Hold, book, move, cancel …: each request takes ids from the responses before."""
    document = schemathesis.openapi.from_dict(openapi())
    statuses, followed = Counter[int](), set[str]()

    class Story(document.as_state_machine()):  # type: ignore[misc]  # a class made from a document
        def before_call(self, case: Case[Any]) -> None:
            _for_this_clinic(clinic, case)

        def get_call_kwargs(self, case: Case[Any]) -> dict[str, Any]:
            return {"base_url": clinic.url, "headers": dict(headers)}

        def after_call(self, response: Response, case: Case[Any]) -> None:
            statuses[response.status_code] += 1
            followed.add(f"{case.method} {case.path}")

        def validate_response(
            self, response: Response, case: Case[Any], *_: Any, **__: Any
        ) -> None:
            case.validate_response(
                response, checks=ALL_CHECKS, additional_checks=[accepts_valid_data]
            )

    Story.run(settings=_settings(STORIES, stateful_step_count=steps))
    assert {"POST /api/reservations", "POST /api/appointments"} <= followed
    assert len([one for one in followed if "{id}" in one]) >= 5, "it follows links"
    return statuses
