"""``/api/openapi.json``, generated from the route table and its schemas.

OpenAPI 3.0.3, not 3.1: the bundled Swagger UI shows nothing newer.
"""

import functools
import re
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from itertools import groupby
from typing import Any, Final

import orjson
from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin

from actors.domain import refusals
from api.errors import HTTP, INTERNAL, STATUS
from api.rest.headers import VERSION
from api.rest.route import AnyRoute, Handler
from api.rest.route_table import ROUTES
from api.schemas.fields import KEY_FORM
from api.schemas.openapi_components import FORMS, RESOURCES, Form, error_example, ref

_DESCRIPTION: Final = (
    "A realtime appointment hub for dental clinics. Every route takes a bearer token; every"
    " error has one form. Instants are UTC, ISO 8601 with an offset. A request that changes"
    " something may be sent again with the same `Idempotency-Key`: it happens once."
)
_EVERYWHERE: Final[tuple[type[refusals.Refusal], ...]] = (
    refusals.ValidationFailed,
    refusals.InvalidToken,
    refusals.Forbidden,  # like the next: of `On-Behalf-Of`, which every route takes
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
_KEY_FORM: Final = {"type": "string", "pattern": f"^{KEY_FORM.pattern}$"}
_VERSION_FORM: Final = {"type": "string", "pattern": rf"^(\*|{VERSION.pattern})$"}
_PATH_NAME: Final = re.compile(r"{(\w+)}")


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
        info={"description": _DESCRIPTION},
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
    for code in sorted(set(_codes())):
        spec.components.example(code, {"value": error_example(code)})
    for tag, routes in ROUTES.items():
        for served in routes:
            operation = _operation(tag, served.route, served.handler)
            spec.path(path=served.route.path, operations={served.route.method.lower(): operation})
    return spec.to_dict()


def _operation(tag: str, route: AnyRoute, handler: Handler[Any, Any]) -> Form:
    resource = handler.__module__.rpartition(".")[2]
    operation: Form = {
        "operationId": f"{resource}_{handler.__name__}",
        "tags": [tag],
        "summary": route.summary,
        "parameters": list(_parameters(route)),
        "responses": {
            **{status: _success(route, status) for status in (route.status, *route.other_statuses)},
            **_failures(route),
        },
    }
    if route.description:
        operation["description"] = route.description
    if route.takes_body:
        content: Form = {"schema": route.body}
        if route.example is not None:
            content["example"] = route.example
        operation["requestBody"] = {"required": True, "content": {"application/json": content}}
    return operation


def _parameters(route: AnyRoute) -> Iterable[Form]:
    for name in _PATH_NAME.findall(route.path):
        yield {"in": "path", "name": name, "required": True, "schema": _ID_FORM}
    if route.query.fields:
        yield {"in": "query", "schema": route.query}
    if route.takes_version:
        yield _header("If-Match", 'The version it must still have, in quotes: `"3"`', _VERSION_FORM)
    if route.method != "GET":
        yield _header("Idempotency-Key", "The same key and body: the first answer again", _KEY_FORM)
    elif 304 in route.other_statuses:
        yield _header("If-None-Match", "An `ETag`: answer 304 while it is the same", _TEXT)
    if route.streams:
        yield _header("Last-Event-ID", "Of a stream: the id of the last event that came", _TEXT)
    yield _header("On-Behalf-Of", "By a chatbot's service token: for which patient", _ID_FORM)


def _header(name: str, description: str, form: Form) -> Form:
    """Without an example: the docs page would send it with every request tried there."""
    return {"in": "header", "name": name, "description": description, "schema": form}


def _success(route: AnyRoute, status: int) -> Form:
    form: Form = {"description": _DONE[status]}
    if route.response is not None and status != 304:
        form["content"] = {"application/json": {"schema": ref(route.response)}}
        if route.streams:
            form["content"]["text/event-stream"] = {"schema": _TEXT}
    return form


def _failures(route: AnyRoute) -> dict[int, Form]:
    possible = [*_EVERYWHERE, *route.refusals]
    if route.takes_version:
        possible.append(refusals.VersionConflict)
    if route.method != "GET":
        possible.append(refusals.CalendarBusy)
    codes = [(STATUS[refusal], refusal.code) for refusal in possible]
    codes.append((INTERNAL.status, INTERNAL.code))
    if route.takes_body:
        codes += [(status, HTTP[status][0]) for status in (408, 413, 415)]
    return {
        status: _failure([code for _, code in group])
        for status, group in groupby(sorted(set(codes)), key=lambda pair: pair[0])
    }


def _failure(codes: Sequence[str]) -> Form:
    content = {
        "schema": ref("Error"),
        "examples": dict(zip(codes, codes, strict=True)),
    }
    return {"description": " · ".join(codes), "content": {"application/json": content}}


def _codes() -> Iterable[str]:
    """Every code, some of them twice."""
    yield from (refusal.code for refusal in STATUS)
    yield from (code for code, _ in HTTP.values())
    yield INTERNAL.code


def _version() -> str:
    try:
        return version("chairside")
    except PackageNotFoundError:
        return "0"
