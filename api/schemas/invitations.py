"""Invitations: requests, and how they are shown."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import orjson
from marshmallow import fields

from actors.domain.principal import Role
from actors.domain.sign_in import Invitation
from actors.services.requests import NewInvitation
from api.schemas.fields import MAX_NAME_CHARS, Flag, Id, InstantField, Text
from api.schemas.strict import RequestSchema, Strict


@dataclass(frozen=True, kw_only=True, slots=True)
class ShownInvitation:
    id: str
    role: str
    profile_id: str | None
    name: str | None
    created_at: datetime
    expires_at: datetime


class CreateInvitationSchema(RequestSchema[NewInvitation]):
    profile_id = Id(metadata={"description": "Of a patient, dentist or member of the staff"})
    name = Text(min_chars=1, max_chars=MAX_NAME_CHARS, metadata={"description": "Of a new admin"})
    send = Flag(
        metadata={"description": "Whether the link is also sent to the patient's e-mail address"}
    )


class InvitationSchema(Strict):
    id = Id()
    role = fields.Raw(metadata={"type": "string", "enum": [str(each) for each in Role]})
    profile_id = Id(allow_none=True, metadata={"description": "`null` for an admin"})
    name = fields.Raw(
        allow_none=True, metadata={"type": "string", "description": "Of an admin, else `null`"}
    )
    created_at = InstantField()
    expires_at = InstantField()


class NewInvitationSchema(InvitationSchema):
    url = fields.Raw(
        metadata={"type": "string", "description": "The link for the person. It is shown once"}
    )


CREATE_INVITATION: Final = CreateInvitationSchema()
_INVITATION: Final = InvitationSchema()


def invitation_items(found: Sequence[Invitation]) -> Sequence[dict[str, object]]:
    return list(map(_dumped, found))


def new_invitation_json(invitation: Invitation, url: str) -> bytes:
    return orjson.dumps(_dumped(invitation) | {"url": url})


def _dumped(invitation: Invitation) -> dict[str, object]:
    shown = ShownInvitation(
        id=invitation.id,
        role=str(invitation.role),
        profile_id=invitation.profile_id,
        name=invitation.name,
        created_at=invitation.created_at,
        expires_at=invitation.expires_at,
    )
    dumped: dict[str, object] = _INVITATION.dump(shown)
    return dumped
