"""Passkeys of the caller: requests, and how they are shown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import orjson
from marshmallow import fields

from actors.domain.sign_in import Passkey
from api.schemas.fields import InstantField, Text
from api.schemas.strict import RequestSchema, Strict


@dataclass(frozen=True, kw_only=True, slots=True)
class NewPasskey:
    ceremony: str
    credential: Mapping[str, object] = field(default_factory=dict)


class NewPasskeySchema(RequestSchema[NewPasskey]):
    ceremony = Text(required=True, max_chars=100)
    credential = fields.Dict(
        keys=fields.String(),
        required=True,
        metadata={"description": "What `navigator.credentials.create` answered"},
    )


class PasskeySchema(Strict):
    id = fields.Raw(metadata={"type": "string", "description": "Of the credential, in base64url"})
    created_at = InstantField()
    used_at = InstantField(allow_none=True, metadata={"description": "`null`: not yet"})


class PasskeyCeremonySchema(Strict):
    ceremony = fields.Raw(metadata={"type": "string", "description": "Goes with the answer"})
    create = fields.Raw(
        metadata={"type": "object", "description": "Options for `navigator.credentials.create`"}
    )


NEW_PASSKEY: Final = NewPasskeySchema()
_PASSKEY: Final = PasskeySchema()


def passkeys_json(found: Sequence[Passkey]) -> bytes:
    return orjson.dumps({"data": [_PASSKEY.dump(each) for each in found]})


def passkey_json(passkey: Passkey) -> bytes:
    return orjson.dumps(_PASSKEY.dump(passkey))


def ceremony_json(ceremony: str, options: Mapping[str, object]) -> bytes:
    return orjson.dumps({"ceremony": ceremony, **options})
