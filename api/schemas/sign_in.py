"""Bodies of the routes with which browsers sign in."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from marshmallow import fields

from api.schemas.fields import Text
from api.schemas.strict import RequestSchema


@dataclass(frozen=True, kw_only=True, slots=True)
class PasskeyWanted:
    invitation: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class PasskeyAnswer:
    credential: Mapping[str, object] = field(default_factory=dict)
    invitation: str | None = None


class PasskeyWantedSchema(RequestSchema[PasskeyWanted]):
    invitation = Text(max_chars=100)


class PasskeyAnswerSchema(RequestSchema[PasskeyAnswer]):
    credential = fields.Dict(keys=fields.String(), required=True)
    invitation = Text(max_chars=100)


PASSKEY_WANTED: Final = PasskeyWantedSchema()
PASSKEY_ANSWER: Final = PasskeyAnswerSchema()
