"""The API document is valid, and describes exactly the served routes and what they check."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema_rs
import pytest
from aiohttp import web
from openapi_spec_validator import OpenAPIV30SpecValidator

from actors.domain.refusals import ValidationFailed
from api.errors import STATUS
from api.middleware import OPENAPI_PATH, is_api
from api.openapi import openapi
from api.rest.route import AnyRoute
from api.rest.route_table import ROUTES
from api.schemas import appointment_types, bodies, load, webhooks
from api.schemas.queries import CHANGES
from api.schemas.schedule import SCHEDULE
from api.schemas.strict import RequestSchema
from tests.support.openapi_check import check_response, closed
from tests.unit.api_world import world

DOCUMENT = openapi()
ALL = [served.route for routes in ROUTES.values() for served in routes]


ID = "01976f2e-5b1a-7c3d-9e4f-0a1b2c3d4e5f"
ESCAPES = "^$\\.*+?()[]{}|/dDsSwWbBtnrfvxu"
"""JavaScript refuses other escapes in patterns with the flag ``u``, which validators use."""


def _documented() -> set[tuple[str, str]]:
    return {(method.upper(), path) for path, item in DOCUMENT["paths"].items() for method in item}


def _served(app: web.Application) -> set[tuple[str, str]]:
    return {
        (route.method, route.resource.canonical)
        for route in app.router.routes()
        if route.resource is not None and is_api(route.resource.canonical)
    }


async def test_exactly_the_served_routes_under_api_are_documented() -> None:
    async with world() as w:
        assert w.client.app is not None
        served = {(method, path) for method, path in _served(w.client.app) if method != "HEAD"}
        assert served == _documented()
        answer = await w.send("GET", OPENAPI_PATH, role=None)
        assert answer.json == DOCUMENT


@pytest.mark.parametrize("route", ALL, ids=lambda route: f"{route.method} {route.path}")
def test_a_route_documents_its_responses_errors_and_body(route: AnyRoute) -> None:
    operation = DOCUMENT["paths"][route.path][route.method.lower()]
    responses = operation["responses"]
    for status in (route.status, *route.other_statuses, 400, 401, 429, 500, 503):
        assert str(status) in responses
    for refusal in route.refusals:
        assert refusal.code in responses[str(STATUS[refusal])]["description"]
    assert ("requestBody" in operation) == (route.takes_body or route.uploads is not None)
    names = {parameter["name"] for parameter in operation["parameters"]}
    assert {field.data_key or name for name, field in route.query.fields.items()} <= names


@pytest.mark.parametrize(
    "route", [route for route in ALL if route.takes_body], ids=lambda route: f"{route.path}"
)
def test_the_documented_examples_are_valid(route: AnyRoute) -> None:
    assert route.example is not None
    load(route.body, dict(route.example))


def test_every_reference_resolves() -> None:
    def references(part: Any) -> set[str]:
        if isinstance(part, dict):
            here = {part["$ref"]} if "$ref" in part else set()
            return here.union(*map(references, part.values()))
        if isinstance(part, list):
            return set().union(*map(references, part))
        return set()

    for reference in references(DOCUMENT):
        place = DOCUMENT
        for name in reference.removeprefix("#/").split("/"):
            place = place[name]


def test_the_security_scheme_and_the_error_form_are_documented() -> None:
    assert DOCUMENT["security"] == [{"bearer": []}]
    error = DOCUMENT["components"]["schemas"]["Error"]["properties"]["error"]
    assert set(error["required"]) == {"code", "message", "timestamp", "request_id", "details"}


def test_operation_names_are_unique() -> None:
    ids = [
        operation["operationId"]
        for item in DOCUMENT["paths"].values()
        for operation in item.values()
    ]
    assert len(ids) == len(set(ids))


def test_the_document_is_valid_by_its_letter() -> None:
    assert [error.message for error in OpenAPIV30SpecValidator(DOCUMENT).iter_errors()] == []
    for part in _parts(DOCUMENT):
        if part.get("nullable") is True:
            assert "type" in part, "by OpenAPI 3.0.3, nullable has no effect without a type"
            assert "enum" not in part or None in part["enum"], part
        if isinstance(part.get("pattern"), str):
            escapes = set(re.findall(r"\\(.)", part["pattern"]))
            assert escapes <= set(ESCAPES), part["pattern"]


def test_the_document_names_its_servers_tags_and_what_operations_do() -> None:
    assert DOCUMENT["servers"] == [{"url": "/", "description": "The hub that serves this document"}]
    tags = {tag["name"]: tag["description"] for tag in DOCUMENT["tags"]}
    assert tags.keys() == ROUTES.keys()
    for _, _, operation in _operations():
        assert set(operation["tags"]) <= tags.keys()
        assert len(operation["description"]) > 10
        for response in operation["responses"].values():
            assert "X-Request-ID" in response["headers"]


def test_links_lead_from_a_hold_to_its_booking() -> None:
    links = DOCUMENT["paths"]["/api/reservations"]["post"]["responses"]["201"]["links"]
    assert links["appointments_book"]["requestBody"] == {"reservation_id": "$response.body#/id"}
    assert links["reservations_release"]["parameters"] == {"id": "$response.body#/id"}
    assert "appointments_show" not in links, "a hold is no appointment yet"


SLOT = {"dentist_id": ID, "appointment_type_id": ID, "start": "2027-03-08T09:00:00Z"}
WINDOW = {"start": "09:00", "end": "17:00"}
URL = "https://bot.example/hook"
LONGEST = "whsec_" + "A" * 86 + "=="  # 64 bytes
TOO_LONG = "whsec_" + "A" * 87 + "="
CLOSED = {"date": "2027-03-08", "windows": [WINDOW] * 51}


@pytest.mark.parametrize(
    ("name", "schema", "body"),
    [
        ("CreateProfile", bodies.CREATE_PROFILE, {"role": "patient", "name": "  "}),
        ("CreateProfile", bodies.CREATE_PROFILE, {"role": "patient", "name": "a\x00b"}),
        ("CreateProfile", bodies.CREATE_PROFILE, {"role": "patient", "name": "x" * 201}),
        ("CreateProfile", bodies.CREATE_PROFILE, {"role": "patient", "name": "a", "email": "a@b"}),
        ("CreateProfile", bodies.CREATE_PROFILE, {"role": "patient", "name": "a", "phone": "1a2"}),
        ("CreateProfile", bodies.CREATE_PROFILE, {"role": "patient", "name": None}),
        ("CreateProfile", bodies.CREATE_PROFILE, {"role": "patient", "name": "a", "x": 1}),
        ("CreateType", appointment_types.CREATE_TYPE, {"name": "a", "duration_minutes": 1_441}),
        ("CreateType", appointment_types.CREATE_TYPE, {"name": "a", "duration_minutes": True}),
        ("ChangeType", appointment_types.CHANGE_TYPE, {}),
        ("ChangeAppointment", bodies.CHANGE_APPOINTMENT, {"cancel_reason": "none"}),
        ("BookSlot", bodies.BOOK, {**SLOT, "reservation_id": ID}),
        ("BookSlot", bodies.BOOK, {"dentist_id": ID}),
        ("Hold", bodies.HOLD, {**SLOT, "start": 5}),
        ("CreateWebhook", webhooks.CREATE_WEBHOOK, {"url": URL, "channels": []}),
        ("CreateWebhook", webhooks.CREATE_WEBHOOK, {"url": URL, "channels": ["a", "a"]}),
        ("CreateWebhook", webhooks.CREATE_WEBHOOK, {"url": URL, "channels": ["a"] * 101}),
        ("CreateWebhook", webhooks.CREATE_WEBHOOK, {"url": URL, "secret": "whsec_" + "A" * 31}),
        (
            "CreateWebhook",
            webhooks.CREATE_WEBHOOK,
            {"url": URL, "secret": "whsec_" + "A" * 87 + "="},
        ),
        ("Replay", webhooks.REPLAY, {"channel": "a", "since": "now"}),
        ("Replay", webhooks.REPLAY, {"channel": "a", "since": "01.2"}),
        (
            "Schedule",
            SCHEDULE,
            {"time_zone": "UTC", "rules": [{**WINDOW, "weekday": "monday"}] * 201},
        ),
        ("Schedule", SCHEDULE, {"time_zone": "UTC", "rules": [{**WINDOW, "weekday": "Monday"}]}),
        (
            "Schedule",
            SCHEDULE,
            {
                "time_zone": "UTC",
                "rules": [],
                "overrides": [{"date": "2027-03-08", "windows": [WINDOW] * 51}],
            },
        ),
    ],
)
def test_the_document_refuses_what_the_hub_refuses(
    name: str, schema: RequestSchema[Any], body: Mapping[str, Any]
) -> None:
    with pytest.raises(ValidationFailed):
        load(schema, dict(body))
    assert not _of(name).is_valid(body)


@pytest.mark.parametrize(
    ("name", "schema", "body"),
    [
        (
            "CreateProfile",
            bodies.CREATE_PROFILE,
            {"role": "patient", "name": " Ada ", "email": None, "phone": None, "time_zone": None},
        ),
        (
            "CreateProfile",
            bodies.CREATE_PROFILE,
            {"role": "patient", "name": "ä", "email": " a@b.example ", "phone": " +43 1 234 "},
        ),
        ("ChangeAppointment", bodies.CHANGE_APPOINTMENT, {"cancel_reason": None, "notes": None}),
        ("ChangeAppointment", bodies.CHANGE_APPOINTMENT, {"notes": "one\ntwo\tthree"}),
        ("BookSlot", bodies.BOOK, {**SLOT, "notes": ""}),
        ("CreateWebhook", webhooks.CREATE_WEBHOOK, {"url": URL, "secret": "whsec_" + "A" * 32}),
        (
            "CreateWebhook",
            webhooks.CREATE_WEBHOOK,
            {"url": URL, "secret": "whsec_" + "A" * 86 + "=="},
        ),
        ("Schedule", SCHEDULE, {"time_zone": "UTC", "rules": [], "appointment_type_ids": None}),
    ],
)
def test_the_document_allows_what_the_hub_accepts(
    name: str, schema: RequestSchema[Any], body: Mapping[str, Any]
) -> None:
    load(schema, dict(body))
    _of(name).validate(body)


def test_lists_in_a_query_are_bounded_as_the_hub_checks_them() -> None:
    parameters = DOCUMENT["paths"]["/api/changes"]["get"]["parameters"]
    channel = next(one["schema"] for one in parameters if one["name"] == "channel")
    assert (channel["minItems"], channel["maxItems"], channel["uniqueItems"]) == (1, 100, True)
    for channels in ([], ["a", "a"], ["a"] * 101):
        with pytest.raises(ValidationFailed):
            load(CHANGES, {"channel": channels})


def test_the_check_of_responses_can_fail() -> None:
    """The tests' client holds every response to the document."""
    kind = {
        "id": ID,
        "name": "Check-up",
        "duration_minutes": 30,
        "buffer_before_minutes": 0,
        "buffer_after_minutes": 0,
        "description": None,
        "order": 0,
        "color": None,
        "bookable_by": ["patient", "staff"],
        "active": True,
        "practice_id": None,
        "reminder_hours": None,
        "version": 1,
    }
    page = {
        "data": [kind],
        "pagination": {"limit": 50, "next_cursor": None, "total": 1},
        "position": None,
    }
    path, headers = "/api/appointment-types?limit=1", {"Content-Type": "application/json"}
    check_response("GET", path, 200, headers, page)
    for wrong in (
        {**page, "more": True},
        {**page, "data": [{**kind, "price": 1}]},
        {**page, "data": [{**kind, "id": "no uuid"}]},
        {**page, "data": [{**kind, "version": None}]},
        {**page, "data": None},
        {"data": [kind]},
    ):
        with pytest.raises(AssertionError):
            check_response("GET", path, 200, headers, wrong)
    for status, kind_of in (
        (418, "application/json"),
        (200, "text/plain"),
        (201, "application/json"),
    ):
        with pytest.raises(AssertionError):
            check_response("GET", path, status, {"Content-Type": kind_of}, page)


def _of(name: str) -> Any:
    schema = {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}
    return jsonschema_rs.Draft202012Validator(closed(schema), validate_formats=True)


def _parts(part: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(part, dict):
        yield part
    for inner in (
        part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
    ):
        yield from _parts(inner)


def _operations() -> Iterator[tuple[str, str, Any]]:
    for path, item in DOCUMENT["paths"].items():
        for method, operation in item.items():
            yield path, method, operation
