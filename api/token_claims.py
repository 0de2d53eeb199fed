"""The claims of a verified token, as the hub reads them. Every failure is an ``InvalidToken``."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, TypeAlias, TypeGuard

from actors.domain.principal import Role
from actors.domain.refusals import InvalidToken
from actors.services.identity import Claims
from api.schemas.fields import MAX_EMAIL_CHARS, MAX_NAME_CHARS, MAX_SUBJECT_CHARS

Payload: TypeAlias = Mapping[str, object]
"""The claims of a token as its issuer wrote them."""
ROLES: Final = frozenset({Role.PATIENT, Role.DENTIST, Role.CHATBOT, Role.ADMIN})
"""``system`` is the hub itself, and never in a token."""


def claims_of(payload: Payload, *, role_claim: str, key: str) -> Claims:
    """``key`` is the name of the key that verified the token."""
    subject, actor = payload["sub"], _actor(payload)
    role = _role(claim_at(payload, role_claim))
    if not _is_subject(subject):
        raise InvalidToken("sub")
    if actor is not None and role is not Role.PATIENT:
        raise InvalidToken("act goes with a patient only")
    email = _text(payload.get("email"), MAX_EMAIL_CHARS)
    return Claims(
        subject=subject,
        role=role,
        actor=actor,
        name=_text(payload.get("name"), MAX_NAME_CHARS) or _metadata_name(payload),
        email=email,
        email_verified=email is not None and payload.get("email_verified") is True,
        phone=_text(payload.get("phone"), 40),
        expires_at=numeric_date(payload["exp"]),
        key=key,
    )


def claim_at(payload: Payload, path: str) -> object:
    """The claim with this name, or at this path of names; ``None`` if there is none.

    Names may contain dots themselves, such as ``https://clinic.example/role``. Therefore the
    whole path is tried as one name first, then the longest name that leads further.
    """
    if path in payload:
        return payload[path]
    end = path.rfind(".")
    while end > 0:
        holder = payload.get(path[:end])
        if isinstance(holder, Mapping):
            found = claim_at(holder, path[end + 1 :])
            if found is not None:
                return found
        end = path.rfind(".", 0, end)
    return None


def numeric_date(value: object) -> datetime:
    """A NumericDate (RFC 7519 §2)."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidToken("not a NumericDate")
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise InvalidToken("not a NumericDate") from error


def _role(value: object) -> Role:
    if not isinstance(value, str) or value not in ROLES:
        raise InvalidToken("role")
    return Role(value)


def _is_subject(subject: object) -> TypeGuard[str]:
    """Bounded and printable: no database stores every text that JSON can hold."""
    return (
        isinstance(subject, str) and 0 < len(subject) <= MAX_SUBJECT_CHARS and subject.isprintable()
    )


def _actor(payload: Payload) -> str | None:
    """``act.sub`` (RFC 8693 §4.1)."""
    if "act" not in payload:
        return None
    act = payload["act"]
    actor = act.get("sub") if isinstance(act, Mapping) else None
    if not _is_subject(actor):
        raise InvalidToken("act")
    return actor


def _text(value: object, max_chars: int) -> str | None:
    """A claim that may fill a profile: bounded and printable, otherwise ``None``."""
    if not isinstance(value, str):
        return None
    text = "".join(char for char in value if char.isprintable()).strip()
    return text if 0 < len(text) <= max_chars else None


def _metadata_name(payload: Payload) -> str | None:
    """The name in Supabase's ``user_metadata``, which its owner may change."""
    metadata = payload.get("user_metadata")
    if not isinstance(metadata, Mapping):
        return None
    return _text(metadata.get("full_name") or metadata.get("name"), MAX_NAME_CHARS)
