"""Queries and bodies of requests: JSON only, repeated parameters refused."""

from dataclasses import replace
from typing import TypeVar

import orjson
from aiohttp import web
from marshmallow import fields

from actors.domain.refusals import ValidationFailed
from api.rest.headers import media_type
from api.schemas import load
from api.schemas.strict import RequestSchema

T = TypeVar("T")


async def load_body(request: web.Request, schema: RequestSchema[T]) -> T:
    """The body, whole; text that is not UTF-8 JSON is a validation error (criterion 9.4)."""
    content = request.content
    text = content.read_nowait() if content.is_eof() else await request.read()
    if len(text) > request.client_max_size:
        raise web.HTTPRequestEntityTooLarge(request.client_max_size, len(text))
    if not text:
        raise ValidationFailed.of("body", "a JSON object is needed")
    if not _is_json(media_type(request.headers)):
        raise web.HTTPUnsupportedMediaType
    try:
        data = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise ValidationFailed.of("body", f"is not JSON: {error.msg}") from None
    return load(schema, data)


def load_query(request: web.Request, schema: RequestSchema[T]) -> T:
    """The parameters; only list parameters may repeat. Errors name the parameter."""
    if not request.query:
        return schema.of_nothing
    data: dict[str, object] = {}
    for name in request.query:
        values, field = request.query.getall(name), schema.keys.get(name)
        if isinstance(field, fields.List):
            data[name] = values
        elif field is not None and len(values) > 1:
            raise ValidationFailed.of(name, "must be given once only")
        else:  # the schema refuses what it does not know
            data[name] = values[0]
    try:
        return load(schema, data)
    except ValidationFailed as failed:
        named = [replace(one, field=one.field.partition(".")[0]) for one in failed.details]
        raise ValidationFailed(*named) from None


def _is_json(media_type: str) -> bool:
    """``application/json``, or a format on top of it (RFC 6839 §3.1)."""
    kind, _, subtype = media_type.partition("/")
    return kind == "application" and (subtype == "json" or subtype.endswith("+json"))
