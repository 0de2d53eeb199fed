"""webargs, made strict: JSON only, one form of errors, repeated parameters refused."""

from dataclasses import replace
from typing import Any, NoReturn

import orjson
from aiohttp import web
from marshmallow import Schema, ValidationError, fields
from webargs.aiohttpparser import AIOHTTPParser, is_json_request
from webargs.multidictproxy import MultiDictProxy

from actors.domain.refusals import ValidationFailed
from api.schemas.strict import refusal


async def json_body(request: web.Request) -> Any:
    """The body, whole; what is not UTF-8 JSON is a validation error (criterion 9.4)."""
    text = await request.read()
    if not text:
        raise ValidationFailed.of("body", "a JSON object is needed")
    if not is_json_request(request):
        raise web.HTTPUnsupportedMediaType
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise ValidationFailed.of("body", f"is not JSON: {error.msg}") from None


class StrictParser(AIOHTTPParser):
    """Of queries; a body is a value of its own, see :func:`json_body`."""

    def load_querystring(self, req: web.Request, schema: Schema) -> MultiDictProxy:
        for name in req.query:
            if len(req.query.getall(name)) > 1 and not _repeats(schema, name):
                raise ValidationFailed.of(name, "must be given once only")
        return super().load_querystring(req, schema)

    def handle_error(self, error: ValidationError, req: Any, schema: Schema, **_: Any) -> NoReturn:
        """webargs puts the place above the fields; a parameter that repeats has one name."""
        assert isinstance(error.messages, dict), "webargs makes it so"
        refused = refusal(error.messages["query"])
        named = [replace(one, field=one.field.partition(".")[0]) for one in refused.details]
        raise ValidationFailed(*named) from None


def _repeats(schema: Schema, name: str) -> bool:
    """Whether the parameter may; unknown ones are refused later, as unknown."""
    for field in schema.fields.values():
        if field.data_key == name or (field.data_key is None and field.name == name):
            return isinstance(field, fields.List)
    return True


parser = StrictParser()
