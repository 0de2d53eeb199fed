"""The claims of a verified token, as the hub reads them. Every failure is an ``InvalidToken``."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, TypeAlias, TypeGuard

from actors.domain.contact import PHONE_FORM, email_address
from actors.domain.issuers import HUB, HUB_SUBJECT_PREFIX
from actors.domain.principal import Role
from actors.domain.refusals import InvalidToken
from actors.domain.sign_in import SessionId
from actors.domain.text import name_in
from actors.services.identity import Claims
from api.schemas.fields import MAX_NAME_CHARS, MAX_SUBJECT_CHARS

Payload: TypeAlias = Mapping[str, object]
"""The claims of a token as its issuer wrote them."""
ROLES: Final = frozenset({Role.PATIENT, Role.DENTIST, Role.STAFF, Role.CHATBOT, Role.ADMIN})
"""``system`` is the hub itself, and never in a token."""


def own_claims(payload: Payload, *, key: str) -> Claims:
    """The claims of a token that the hub itself issued."""
    subject, session = payload["sub"], payload.get("sid")
    if not _is_subject(subject) or not subject.startswith(HUB_SUBJECT_PREFIX):
        raise InvalidToken("sub")
    if not isinstance(session, str):
        raise InvalidToken("sid")
    return Claims(
        issuer=HUB,
        subject=subject,
        role=_role(payload.get("role")),
        expires_at=numeric_date(payload["exp"]),
        key=key,
        session=SessionId(session),
    )


def claims_of(payload: Payload, *, role_claim: str, key: str) -> Claims:
    """Of a token of another issuer. ``key`` is the name of the key that verified it."""
    subject, actor = subject_of(payload["sub"]), _actor(payload)
    role = _role(claim_at(payload, role_claim))
    if actor is not None and role is not Role.PATIENT:
        raise InvalidToken("act goes with a patient only")
    email = _email(payload.get("email"))
    return Claims(
        subject=subject,
        role=role,
        actor=actor,
        name=name_of(payload.get("name")) or _metadata_name(payload),
        email=email,
        email_verified=email is not None and payload.get("email_verified") is True,
        phone=_phone(payload.get("phone")),
        expires_at=numeric_date(payload["exp"]),
        key=key,
    )


def subject_of(value: object) -> str:
    """Of another issuer's person. Raises InvalidToken."""
    if not _is_subject(value) or value.startswith(HUB_SUBJECT_PREFIX):
        raise InvalidToken("sub")
    return value


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
    if not _is_subject(actor) or actor.startswith(HUB_SUBJECT_PREFIX):
        raise InvalidToken("act")
    return actor


def name_of(value: object) -> str | None:
    """A name that may fill a profile, otherwise ``None``."""
    name = name_in(value) if isinstance(value, str) else None
    return name if name and len(name) <= MAX_NAME_CHARS else None


def _email(value: object) -> str | None:
    return email_address(value.strip()) if isinstance(value, str) else None


def _phone(value: object) -> str | None:
    phone = value.strip() if isinstance(value, str) else ""
    return phone if PHONE_FORM.fullmatch(phone) else None


def _metadata_name(payload: Payload) -> str | None:
    """The name in Supabase's ``user_metadata``, which its owner may change."""
    metadata = payload.get("user_metadata")
    if not isinstance(metadata, Mapping):
        return None
    return name_of(metadata.get("full_name")) or name_of(metadata.get("name"))
