"""Consents of patients to chatbots: requests, and how they are shown."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import orjson
from marshmallow import fields

from actors.domain.consent import Consent
from actors.domain.ids import ProfileId
from actors.services.requests import NewConsent
from api.schemas.fields import Id, InstantField
from api.schemas.strict import RequestSchema, Strict
from api.schemas.webhooks import party_field

_PATIENT: Final = {"description": "Required of a dentist or an admin"}


@dataclass(frozen=True, kw_only=True, slots=True)
class ConsentsQuery:
    patient_id: ProfileId | None = None


class ConsentsQuerySchema(RequestSchema[ConsentsQuery]):
    patient_id = Id(metadata=_PATIENT)


class GiveConsentSchema(RequestSchema[NewConsent]):
    party = party_field(required=True)
    patient_id = Id(metadata=_PATIENT)
    expires_at = InstantField(
        metadata={"description": "At most `chatbot.consent_days` ahead, which is the default"}
    )


class ConsentSchema(Strict):
    id = Id()
    patient_id = Id()
    party = fields.Raw(
        metadata={"type": "string", "description": "Who may act", "example": "chatbot:bot-1"}
    )
    given_at = InstantField()
    given_by = fields.Raw(
        metadata={"type": "string", "description": "Role and subject", "example": "patient:sub-1"}
    )
    expires_at = InstantField()
    ended_at = InstantField(allow_none=True)
    version = fields.Raw(metadata={"type": "integer"})


CONSENTS: Final = ConsentsQuerySchema()
GIVE_CONSENT: Final = GiveConsentSchema()
CONSENT: Final = ConsentSchema()


def consents_json(found: Sequence[Consent], *, assumed: bool) -> bytes:
    return orjson.dumps({"data": CONSENT.dump(found, many=True), "assumed": assumed})
