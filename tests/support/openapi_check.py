"""Holds the responses of a hub to its API document, more strictly than a client would.

Members that the document does not name are refused, formats are checked, and a status or a content
type that is not declared is an error.
"""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

import jsonschema_rs

from api.middleware import is_api
from api.openapi import openapi

_NAME = re.compile(r"\\?{\w+\\?}")
_NAMED = ("properties", "schemas")
"""Keywords whose members are names, not keywords."""
_DESCRIBES = ("example", "examples", "description", "nullable")


def check_response(
    method: str, path: str, status: int, headers: Mapping[str, str], body: Any
) -> None:
    """Raises AssertionError unless the document allows this response to a request under /api."""
    path = path.partition("?")[0]
    if not is_api(path) or method == "OPTIONS":  # a preflight belongs to CORS
        return
    operation = _operation("get" if method == "HEAD" else method.lower(), path)
    if operation is None:  # no such route
        assert status in (400, 401, 403, 404, 405, 429), (method, path, status)
        assert not list(_error_validator().iter_errors(body)) or body is None, body
        return
    route, declared = operation
    response = declared["responses"].get(str(status))
    assert response is not None, f"{method} {route}: {status} is not declared"
    content_type = headers.get("Content-Type", "").partition(";")[0]
    if body is None or "content" not in response:
        assert not body, f"{method} {route}: {status} has a body"
        return
    assert content_type in response["content"], (method, route, status, content_type)
    if content_type == "application/json":
        validator = _validator(method.lower(), route, str(status))
        wrong = [f"{list(one.instance_path)}: {one.message}" for one in validator.iter_errors(body)]
        assert not wrong, f"{method} {route} {status}: {wrong[:5]}"


_document = cache(openapi)


@cache
def _routes() -> Mapping[re.Pattern[str], tuple[str, Any]]:
    """Each path as a pattern; fixed paths come first, as they do for the server."""
    paths = sorted(_document()["paths"].items(), key=lambda item: "{" in item[0])
    return {re.compile(_NAME.sub("[^/]+", re.escape(path))): (path, item) for path, item in paths}


def _operation(method: str, path: str) -> tuple[str, Any] | None:
    for pattern, (route, item) in _routes().items():
        if method in item and pattern.fullmatch(path):
            return route, item[method]
    return None


@cache
def _validator(method: str, route: str, status: str) -> jsonschema_rs.Validator:
    response = _document()["paths"][route][method]["responses"][status]
    return _strict(response["content"]["application/json"]["schema"])


@cache
def _error_validator() -> jsonschema_rs.Validator:
    return _strict({"$ref": "#/components/schemas/Error"})


def _strict(schema: Any) -> jsonschema_rs.Validator:
    whole = {**closed(schema), "components": {"schemas": _components()}}
    return jsonschema_rs.Draft202012Validator(whole, validate_formats=True)


@cache
def _components() -> Any:
    return closed(_document()["components"]["schemas"])


def closed(part: Any) -> Any:
    """A schema of OpenAPI 3.0.3 as JSON Schema 2020-12 in which no object has other members."""
    if isinstance(part, list):
        return [closed(each) for each in part]
    if not isinstance(part, dict):
        return part
    found = {
        key: {name: closed(form) for name, form in value.items()}
        if key in _NAMED
        else closed(value)
        for key, value in part.items()
        if key not in _DESCRIBES
    }
    if "properties" in found and found.get("type") == "object":
        found["additionalProperties"] = False
    if part.get("nullable") is True:
        found["type"] = [found["type"], "null"]
    return found
