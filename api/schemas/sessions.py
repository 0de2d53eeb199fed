"""Sessions of people who sign in at the hub: queries, and how they are shown."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import orjson
from marshmallow import fields

from actors.domain.ids import ProfileId
from actors.domain.sign_in import Session, SessionId, SignInMethod
from api.schemas.fields import Id, InstantField
from api.schemas.strict import RequestSchema, Strict


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionsQuery:
    profile_id: ProfileId | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ShownSession:
    id: SessionId
    method: str
    device: str
    created_at: datetime
    used_at: datetime
    ends_at: datetime
    current: bool


class SessionsQuerySchema(RequestSchema[SessionsQuery]):
    profile_id = Id(metadata={"description": "Of whom, for an admin; default: the caller"})


class SessionSchema(Strict):
    id = Id()
    method = fields.Raw(metadata={"type": "string", "enum": [str(each) for each in SignInMethod]})
    device = fields.Raw(
        metadata={"type": "string", "description": "What the browser says of itself"}
    )
    created_at = InstantField()
    used_at = InstantField()
    ends_at = InstantField(metadata={"description": "Unless it is unused for too long before"})
    current = fields.Raw(
        metadata={"type": "boolean", "description": "Whether it sends this request"}
    )


SESSIONS: Final = SessionsQuerySchema()
_SESSION: Final = SessionSchema()


def sessions_json(found: Sequence[Session], current: SessionId | None) -> bytes:
    shown = [_SESSION.dump(_shown(each, current)) for each in found]
    return orjson.dumps({"data": shown})


def _shown(session: Session, current: SessionId | None) -> ShownSession:
    return ShownSession(
        id=session.id,
        method=str(session.method),
        device=session.device,
        created_at=session.created_at,
        used_at=session.used_at,
        ends_at=session.ends_at,
        current=session.id == current,
    )
