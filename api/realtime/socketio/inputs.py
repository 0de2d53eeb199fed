"""What comes in over a socket, checked by the schemas of REST (criteria 9.4, 9.6)."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from marshmallow import fields, post_load, pre_load

from actors.domain.position import Position
from actors.domain.refusals import FieldError, InvalidToken, ValidationFailed
from api.realtime.socketio.packets import BINARY
from api.schemas import load
from api.schemas.fields import KEY_EXPECTED, KEY_FORM, MAX_KEY_CHARS, Id, Text, Whole, at_most
from api.schemas.queries import CHANNELS_MAX, SlotsQuery
from api.schemas.strict import Strict

_OFFSET_MAX = 10**18
_CHANNEL_MAX_CHARS = 200
_VERSION_MAX = 999_999_999


class SinceSchema(Strict):
    epoch = Whole(low=0, high=_OFFSET_MAX, required=True)
    offset = Whole(low=0, high=_OFFSET_MAX, required=True)

    @post_load
    def make(self, data: dict[str, int], **_: Any) -> Position:
        return Position(**data)


def since() -> fields.Nested:
    """A position ``{epoch, offset}``, or null: only where the channel is now."""
    return fields.Nested(SinceSchema, allow_none=True, load_default=None)


class ChannelField(Text):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_chars=1, max_chars=_CHANNEL_MAX_CHARS, **kwargs)


class KeySchema(Strict):
    """REST has the header ``Idempotency-Key`` for it."""

    idempotency_key = Text(max_chars=MAX_KEY_CHARS, pattern=KEY_FORM, expected=KEY_EXPECTED)


class VersionSchema(Strict):
    """REST has the header ``If-Match`` for it."""

    expected_version = Whole(low=1, high=_VERSION_MAX, data_key="version")


class SocketSlots(SlotsQuery):
    @pre_load
    def one_is_a_list(self, data: Mapping[str, Any], **_: Any) -> Mapping[str, Any]:
        """In a query one dentist is written like many."""
        one = data.get("dentist_id")
        return {**data, "dentist_id": [one]} if isinstance(one, str) else data


class IdPath(Strict):
    id = Id(required=True)


class DentistPath(Strict):
    dentist_id = Id(required=True)


class JoinSchema(Strict):
    channel = ChannelField(required=True)
    since = since()


class LeaveSchema(Strict):
    channel = ChannelField(required=True)


class AuthSchema(Strict):
    token = fields.Raw(required=True)
    on_behalf_of = Id(load_default=None, allow_none=True)
    since = fields.Dict(
        keys=ChannelField(),
        values=since(),
        load_default=dict,
        allow_none=True,
        validate=at_most(CHANNELS_MAX, "channels"),
    )


AUTH: Final = AuthSchema()
KEY: Final = KeySchema()
VERSION: Final = VersionSchema()
SLOTS: Final = SocketSlots()
ID_PATH: Final = IdPath()
DENTIST_PATH: Final = DentistPath()
JOIN: Final = JoinSchema()
LEAVE: Final = LeaveSchema()


def token_of(data: object) -> str:
    """The token of ``auth`` or ``auth:refresh``; whatever else is there, it comes first."""
    token = data.get("token") if isinstance(data, Mapping) else None
    if not isinstance(token, str):
        raise InvalidToken("no token")
    return token


def the_object(arguments: Sequence[Any]) -> dict[str, Any]:
    """The only argument of a command, or nothing for ``{}``; raises ValidationFailed."""
    if not arguments:
        return {}
    if len(arguments) > 1:
        raise ValidationFailed.of("data", "a command takes one object")
    if arguments[0] is BINARY:
        raise ValidationFailed.of("data", "binary data is not accepted")
    if not isinstance(arguments[0], dict):
        raise ValidationFailed.of("data", "must be an object")
    return arguments[0]


def load_parts(data: Mapping[str, Any], *schemas: Strict) -> dict[str, Any]:
    """Each schema takes its own fields; the last one gets, and refuses, what nobody knows.

    Raises one ValidationFailed for all of them together.
    """
    rest = dict(data)
    loaded: dict[str, Any] = {}
    problems: list[FieldError] = []
    for number, schema in enumerate(schemas, 1):
        names = rest.keys() if number == len(schemas) else _names(schema) & rest.keys()
        part = {name: rest.pop(name) for name in list(names)}
        try:
            loaded |= load(schema, part, where="data")
        except ValidationFailed as failed:
            problems += failed.details
    if problems:
        raise ValidationFailed(*problems)
    return loaded


def _names(schema: Strict) -> Collection[str]:
    return {field.data_key or name for name, field in schema.load_fields.items()}
