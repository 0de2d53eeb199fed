"""``/api/openapi.json``, generated from the route table and its schemas.

OpenAPI 3.0.3, not 3.1: the bundled Swagger UI shows nothing newer.
"""

import functools
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from itertools import chain, groupby
from typing import Any, Final

import orjson
from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin

from actors.domain import refusals
from api.errors import HTTP, INTERNAL, STATUS
from api.rest.headers import VERSION
from api.rest.route import AnyHandler, AnyRoute
from api.rest.route_table import ROUTES, TAGS
from api.schemas.fields import KEY_FORM, whole
from api.schemas.openapi_components import (
    FORMS,
    HEADERS,
    OPTIONAL,
    RESOURCES,
    Form,
    error_example,
    header_ref,
    ref,
)
from api.schemas.strict import RequestSchema

_INFO: Final = {
    "description": (
        "A realtime appointment hub for dental clinics. Every route takes a bearer token; every"
        " error has one form. Instants are UTC, ISO 8601 with an offset. A request that changes"
        " something may be sent again with the same `Idempotency-Key`: it happens once."
    ),
    "contact": {"name": "Chairside"},
    "license": {"name": "MIT", "url": "https://opensource.org/license/mit"},
}
_SERVERS: Final = [{"url": "/", "description": "The hub that serves this document"}]
_EVERYWHERE: Final[tuple[type[refusals.Refusal], ...]] = (
    refusals.ValidationFailed,
    refusals.InvalidToken,
    refusals.Forbidden,  # like the next two: of `On-Behalf-Of`, which every route takes
    refusals.ConsentRequired,
    refusals.NotFound,
    refusals.RateLimited,
    refusals.Unavailable,
)
_DONE: Final = {
    200: "Done, or it was so already",
    201: "Created",
    204: "Done; nothing to show",
    304: "Unchanged since the entity tag that was sent",
}
_TEXT: Final = {"type": "string"}
_ID_FORM: Final = {"type": "string", "format": "uuid"}
_KEY_FORM: Final = {"type": "string", "pattern": whole(KEY_FORM)}
_VERSION_FORM: Final = {"type": "string", "pattern": rf"^(?:\*|{VERSION.pattern})$"}


@functools.cache
def openapi_json() -> bytes:
    return orjson.dumps(openapi())


def openapi() -> Form:
    """The whole document."""
    spec = APISpec(
        title="Chairside",
        version=_version(),
        openapi_version="3.0.3",
        plugins=[MarshmallowPlugin()],
        info=_INFO,
        servers=_SERVERS,
        security=[{"bearer": []}],
    )
    spec.components.security_scheme(
        "bearer",
        {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "A token of the clinic's issuer. `make run` prints some that last a"
            " day, `chairside token` makes others, for development.",
        },
    )
    for name, schema in RESOURCES.items():
        spec.components.schema(name, schema=schema)
    for name, form in FORMS.items():
        spec.components.schema(name, form)
    for name, header in HEADERS.items():
        spec.components.header(name, header)
    for code in sorted({code for served in _served() for _, code in _codes(served.route)}):
        spec.components.example(code, {"value": error_example(code)})
    for tag, routes in ROUTES.items():
        spec.tag({"name": tag, "description": TAGS[tag]})
        for served in routes:
            operation = _operation(tag, served)
            spec.path(path=served.route.path, operations={served.route.method.lower(): operation})
    return _completed(spec.to_dict())


def _completed(document: Form) -> Form:
    """Add what the schemas know and the generator does not: required members, more rules."""
    forms = document["components"]["schemas"]
    for name in RESOURCES:
        forms[name]["required"] = [
            key for key in forms[name]["properties"] if key not in OPTIONAL.get(name, ())
        ]
    for served in _served():
        if served.route.takes_body and not served.route.body.alternatives:
            forms[_name(served.route.body)].update(served.route.body.form)
    return document


def _served() -> Iterable[AnyHandler]:
    return chain.from_iterable(ROUTES.values())


def _name(schema: RequestSchema[Any]) -> str:
    """The name under which the generator lists a schema."""
    return type(schema).__name__.removesuffix("Schema")


def _operation(tag: str, served: AnyHandler) -> Form:
    route = served.route
    operation: Form = {
        "operationId": served.operation_id,
        "tags": [tag],
        "summary": route.summary,
        "description": " ".join(_description(route)),
        "parameters": list(_parameters(route)),
        "responses": {
            **{status: _success(served, status) for status in route.statuses},
            **_failures(route),
        },
    }
    if route.takes_body:
        content: Form = {"schema": _body(route.body)}
        if route.example is not None:
            content["example"] = route.example
        operation["requestBody"] = {"required": True, "content": {"application/json": content}}
    elif route.uploads:
        operation["requestBody"] = {"required": True, "content": {route.uploads: {"schema": _TEXT}}}
    return operation


def _body(schema: RequestSchema[Any]) -> Form | RequestSchema[Any]:
    """A schema, or several of which a body fits exactly one."""
    return {"oneOf": [*schema.alternatives]} if schema.alternatives else schema


def _description(route: AnyRoute) -> Iterable[str]:
    yield route.description or f"{route.summary}."
    if "cursor" in route.query.keys:
        yield "In pages: `next_cursor` of one is the `cursor` of the next."
    if route.takes_version:
        yield "With `If-Match`, only if it still has that version."
    if route.method != "GET" and not route.uploads:
        yield "With the same `Idempotency-Key`, it may be sent again and happens once."


def _parameters(route: AnyRoute) -> Iterable[Form]:
    for name in route.path_names:
        yield {"in": "path", "name": name, "required": True, "schema": _ID_FORM}
    if route.query.fields:
        yield {"in": "query", "schema": route.query}
    if route.takes_version:
        yield _header("If-Match", 'The version it must still have, in quotes: `"3"`', _VERSION_FORM)
    if route.method != "GET" and not route.uploads:
        yield _header("Idempotency-Key", "The same key and body: the first answer again", _KEY_FORM)
    elif 304 in route.other_statuses:
        yield _header("If-None-Match", "An `ETag`: answer 304 while it is the same", _TEXT)
    if route.streams:
        yield _header("Last-Event-ID", "Of a stream: the id of the last event that came", _TEXT)
    yield _header("On-Behalf-Of", "By a chatbot's service token: for which patient", _ID_FORM)


def _header(name: str, description: str, form: Form) -> Form:
    """Without an example: the docs page would send it with every request tried there."""
    return {"in": "header", "name": name, "description": description, "schema": form}


def _success(served: AnyHandler, status: int) -> Form:
    route = served.route
    form: Form = {
        "description": _DONE[status],
        "headers": {"X-Request-ID": header_ref("X-Request-ID")},
    }
    if status == 304:
        form["headers"]["ETag"] = header_ref("ETag")
    elif route.response is not None:
        form["headers"]["ETag"] = header_ref("ETag")
        form["content"] = {"application/json": {"schema": ref(route.response)}}
        if route.streams:
            form["content"]["text/event-stream"] = {"schema": _TEXT}
        if links := _links(served):
            form["links"] = links
    if route.lines:
        form["content"]["application/x-ndjson"] = {"schema": _TEXT}
    if route.downloads:
        form["content"] = {route.downloads: {"schema": _TEXT}}
    if status == 201:
        form["headers"]["Location"] = header_ref("Location")
    return form


def _links(served: AnyHandler) -> Form:
    """What can be done next with the record of a response, or with the first of a page."""
    route = served.route
    in_page = (route.response or "").endswith("Page")
    record_id = f"$response.body#{'/data/0/id' if in_page else '/id'}"
    if route.method not in ("GET", "POST") or "/{" in route.path:
        return {}
    found: Form = {}
    for other in _served():
        path, names = other.route.path, other.route.path_names
        if not path.startswith(f"{route.path}/{{") and path not in route.leads_to:
            continue
        link: Form = {"operationId": other.operation_id}
        if names:
            found[other.operation_id] = {**link, "parameters": {names[0]: record_id}}
        elif other.route.takes_body:
            found[other.operation_id] = {**link, "requestBody": {"reservation_id": record_id}}
    return found


def _failures(route: AnyRoute) -> dict[int, Form]:
    return {
        status: _failure(status, [code for _, code in group])
        for status, group in groupby(sorted(_codes(route)), key=lambda pair: pair[0])
    }


def _codes(route: AnyRoute) -> set[tuple[int, str]]:
    """The errors that a route may respond with: status and code."""
    possible = [*_EVERYWHERE, *route.refusals]
    if route.takes_version:
        possible.append(refusals.VersionConflict)
    if route.method != "GET":
        possible.append(refusals.CalendarBusy)
    codes = {(STATUS[refusal], refusal.code) for refusal in possible}
    codes.add((INTERNAL.status, INTERNAL.code))
    if route.takes_body or route.uploads:
        codes |= {(status, HTTP[status][0]) for status in (408, 413, 415)}
    return codes


def _failure(status: int, codes: Sequence[str]) -> Form:
    content = {
        "schema": ref("Error"),
        "examples": dict(zip(codes, codes, strict=True)),
    }
    names = ["X-Request-ID"]
    if status == 401:
        names.append("WWW-Authenticate")
    if status in (429, 503):
        names.append("Retry-After")
    return {
        "description": " · ".join(codes),
        "headers": {name: header_ref(name) for name in names},
        "content": {"application/json": content},
    }


def _version() -> str:
    try:
        return version("chairside")
    except PackageNotFoundError:
        return "0"
