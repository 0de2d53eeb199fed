"""The API document describes exactly the served routes."""

from typing import Any

import pytest
from aiohttp import web

from api.errors import STATUS
from api.middleware import OPENAPI_PATH, is_api
from api.openapi import openapi
from api.rest.route import AnyRoute
from api.rest.route_table import ROUTES
from api.schemas import load
from tests.unit.api_world import world

DOCUMENT = openapi()
ALL = [served.route for routes in ROUTES.values() for served in routes]


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
    assert ("requestBody" in operation) == route.takes_body
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
