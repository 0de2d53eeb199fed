"""Data of Socket.IO commands, checked by the schemas of REST (criteria 9.4, 9.6)."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from marshmallow import ValidationError, validates_schema
from marshmallow.validate import Length

from actors.domain.channels import Channel
from actors.domain.position import Position
from actors.domain.refusals import InvalidToken, ValidationFailed
from actors.domain.values import value
from api.realtime.socketio.packets import BINARY
from api.schemas import fields
from api.schemas.strict import Loaded, RequestSchema

_OFFSET_MAX = 10**18
_SINCE_MAX = 1_000
"""Channels in ``since``: staff of a large practice have many of their own. Of others, fewer."""


@value
class JoinCommand:
    channel: Channel
    since: Position | None = None


@value
class LeaveCommand:
    channel: Channel


@value
class SocketAuth:
    token: object
    on_behalf_of: str | None
    since: Mapping[Channel, Position | None] | None


class SinceSchema(RequestSchema[Position]):
    epoch = fields.Whole(low=0, high=_OFFSET_MAX, required=True)
    offset = fields.Whole(low=0, high=_OFFSET_MAX, required=True)


_SINCE = fields.Nested(SinceSchema, allow_none=True)
"""A position ``{epoch, offset}``; null requests only the current position."""
_CHANNEL = fields.ChannelName(required=True)


class JoinSchema(RequestSchema[JoinCommand]):
    channel = _CHANNEL
    since = _SINCE


class LeaveSchema(RequestSchema[LeaveCommand]):
    channel = _CHANNEL


class AuthSchema(RequestSchema[SocketAuth]):
    token = fields.Raw(required=True)
    on_behalf_of = fields.Id(load_default=None, allow_none=True)
    since = fields.Dict(
        keys=_CHANNEL,
        values=_SINCE,
        load_default=dict,
        allow_none=True,
        validate=Length(max=_SINCE_MAX, error="at most {max} channels"),
    )

    @validates_schema(pass_original=True)
    def check_once(self, data: Loaded, sent: Mapping[str, Any], **_: object) -> None:
        if data.get("since") and len(data["since"]) != len(sent["since"]):
            raise ValidationError("each channel once only", "since")


AUTH: Final = AuthSchema()
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
