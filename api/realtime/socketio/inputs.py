"""Data of Socket.IO commands, checked by the schemas of REST (criteria 9.4, 9.6)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from marshmallow import pre_load

from actors.domain.channels import Channel
from actors.domain.position import Position
from actors.domain.refusals import FieldError, InvalidToken, ValidationFailed
from api.realtime.socketio.packets import BINARY
from api.schemas import fields, load
from api.schemas.queries import CHANNELS_MAX, SlotsSchema
from api.schemas.strict import RequestSchema

_OFFSET_MAX = 10**18
_CHANNEL_MAX_CHARS = 200
_VERSION_MAX = 999_999_999

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class CommandHeader:
    """What REST has in a request's headers, path and query."""

    idempotency_key: str | None = None
    expected_version: int | None = None
    id: str = ""
    dentist_id: str = ""
    dry_run: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class JoinCommand:
    channel: Channel
    since: Position | None


@dataclass(frozen=True, kw_only=True, slots=True)
class LeaveCommand:
    channel: Channel


@dataclass(frozen=True, kw_only=True, slots=True)
class SocketAuth:
    token: object
    on_behalf_of: str | None
    since: Mapping[Channel, Position | None] | None


class SinceSchema(RequestSchema[Position]):
    epoch = fields.Whole(low=0, high=_OFFSET_MAX, required=True)
    offset = fields.Whole(low=0, high=_OFFSET_MAX, required=True)


def since() -> fields.Nested:
    """A position ``{epoch, offset}``; null requests only the current position."""
    return fields.Nested(SinceSchema, allow_none=True, load_default=None)


def _channel(*, required: bool = False) -> fields.Text:
    return fields.Text(min_chars=1, max_chars=_CHANNEL_MAX_CHARS, required=required)


class HeaderSchema(RequestSchema[CommandHeader]):
    """Each command takes some of these fields."""

    idempotency_key = fields.Text(
        max_chars=fields.MAX_KEY_CHARS, pattern=fields.KEY_FORM, expected=fields.KEY_EXPECTED
    )
    expected_version = fields.Whole(low=1, high=_VERSION_MAX, data_key="version")
    id = fields.Id(required=True)
    dentist_id = fields.Id(required=True)
    dry_run = fields.Flag(in_query=True)


class SocketSlotsSchema(SlotsSchema):
    @pre_load
    def one_is_a_list(self, data: Mapping[str, object], **_: object) -> Mapping[str, object]:
        """In a query one dentist is written like many."""
        one = data.get("dentist_id")
        return {**data, "dentist_id": [one]} if isinstance(one, str) else data


class JoinSchema(RequestSchema[JoinCommand]):
    channel = _channel(required=True)
    since = since()


class LeaveSchema(RequestSchema[LeaveCommand]):
    channel = _channel(required=True)


class AuthSchema(RequestSchema[SocketAuth]):
    token = fields.Raw(required=True)
    on_behalf_of = fields.Id(load_default=None, allow_none=True)
    since = fields.Dict(
        keys=_channel(),
        values=since(),
        load_default=dict,
        allow_none=True,
        validate=fields.at_most(CHANNELS_MAX, "channels"),
    )


AUTH: Final = AuthSchema()
SLOTS: Final = SocketSlotsSchema()
JOIN: Final = JoinSchema()
LEAVE: Final = LeaveSchema()


def token_of(data: object) -> str:
    """The token of ``auth`` or ``auth:refresh``; raises InvalidToken before anything else."""
    token = data.get("token") if isinstance(data, Mapping) else None
    if not isinstance(token, str):
        raise InvalidToken("no token")
    return token


def only_object(arguments: Sequence[object]) -> dict[str, object]:
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


def load_command(
    data: Mapping[str, object], header: HeaderSchema, body: RequestSchema[T]
) -> tuple[CommandHeader, T]:
    """Both parts of a command; ``body`` gets, and refuses, unknown fields.

    Raises one ValidationFailed for both of them together.
    """
    rest = dict(data)
    sent = {name: rest.pop(name) for name in header.keys if name in rest}
    errors: list[FieldError] = []
    try:
        loaded_header = load(header, sent, where="data")
    except ValidationFailed as failed:
        errors += failed.details
    try:
        loaded_body = load(body, rest, where="data")
    except ValidationFailed as failed:
        errors += failed.details
    if errors:
        raise ValidationFailed(*errors)
    return loaded_header, loaded_body
