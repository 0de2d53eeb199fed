"""Bodies of the routes with which browsers sign in."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from marshmallow import fields

from actors.domain.contact import MAX_PHONE_CHARS, PHONE_FORM
from actors.domain.registration import Newcomer
from api.schemas.bodies import PHONE_EXPECTED
from api.schemas.fields import BirthDate, Email, Language, Name, Text
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


@dataclass(frozen=True, kw_only=True, slots=True)
class CodeWanted:
    email: str


@dataclass(frozen=True, kw_only=True, slots=True)
class CodeAnswer:
    code: str | None = None
    link: str | None = None


class CodeWantedSchema(RequestSchema[CodeWanted]):
    email = Email(required=True)


class CodeAnswerSchema(RequestSchema[CodeAnswer]):
    code = Text(max_chars=20)
    link = Text(max_chars=100)


@dataclass(frozen=True, kw_only=True, slots=True)
class ProviderWanted:
    invitation: str | None = None
    next: str | None = None


class NewcomerSchema(RequestSchema[Newcomer]):
    name = Name(required=True)
    email = Email(required=True)
    phone = Text(
        max_chars=MAX_PHONE_CHARS, pattern=PHONE_FORM, expected=PHONE_EXPECTED, required=True
    )
    date_of_birth = BirthDate(required=True)
    language = Language()


class ProviderWantedSchema(RequestSchema[ProviderWanted]):
    invitation = Text(max_chars=100)
    next = Text(max_chars=100)


PROVIDER_WANTED: Final = ProviderWantedSchema()
CODE_WANTED: Final = CodeWantedSchema()
NEWCOMER: Final = NewcomerSchema()
CODE_ANSWER: Final = CodeAnswerSchema()
PASSKEY_WANTED: Final = PasskeyWantedSchema()
PASSKEY_ANSWER: Final = PasskeyAnswerSchema()
