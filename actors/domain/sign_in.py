"""Accounts of people who sign in at the hub, and the sessions of their browsers.

A browser keeps a handle, which names its session, and a secret, which is replaced whenever it is
used. The hub stores hashes of both. The successor of a secret follows from the secret and a key
of the session, so that two tabs that send one secret get the same successor, and neither the
hashes nor an old secret lead to it.
"""

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, NewType

from actors.domain.ids import PracticeId, ProfileId
from actors.domain.issuers import HUB_SUBJECT_PREFIX
from actors.domain.principal import Principal, Role
from actors.domain.values import value

AccountId = NewType("AccountId", str)
SessionId = NewType("SessionId", str)

TOKEN_LIFE: Final = timedelta(minutes=10)
"""Of an access token."""
GRACE: Final = timedelta(seconds=30)
"""How long a replaced secret still returns its successor."""
SESSIONS_MAX: Final = 50
"""Of one account; then the one that was unused for longest ends."""
SECRET_BYTES: Final = 32
DEVICE_MAX_CHARS: Final = 200
_SECRET: Final = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


InvitationId = NewType("InvitationId", str)

INVITATION_LIFE: Final = timedelta(hours=72)
CEREMONY_LIFE: Final = timedelta(minutes=5)
"""How long a browser may take between the options of a passkey and its answer."""


PASSKEYS_MAX: Final = 20
"""Of one account."""
FRESH: Final = timedelta(minutes=15)
"""How long after signing in a person may add and remove passkeys."""

CODE_LIFE: Final = timedelta(minutes=10)
CODE_TRIES: Final = 5
WRONG_CODES_A_DAY: Final = 20
"""Of one account; then only the mailed link works."""


class SignInMethod(StrEnum):
    """How a session began."""

    PASSKEY = "passkey"
    CODE = "code"
    PROVIDER = "provider"


@value
class Account:
    """Whom the hub's own tokens name. What it may do follows from its profile, or is an admin's."""

    id: AccountId
    role: Role
    name: str | None = None
    """Of an admin, who has no profile."""
    created_at: datetime

    @property
    def subject(self) -> str:
        return HUB_SUBJECT_PREFIX + self.id

    @property
    def principal(self) -> Principal:
        """For the audit of what happens before a token is issued."""
        return Principal(role=self.role, subject=self.subject)


@value
class Session:
    id: SessionId
    account_id: AccountId
    method: SignInMethod
    device: str
    """What the browser says of itself (``User-Agent``)."""
    created_at: datetime
    used_at: datetime
    ends_at: datetime
    """The absolute end."""
    ended_at: datetime | None = None

    def is_over(self, now: datetime, idle: timedelta) -> bool:
        """``idle``: how long a session may be unused."""
        return self.ended_at is not None or now >= min(self.ends_at, self.used_at + idle)


@value
class SessionSecrets:
    """What the hub stores of a browser's cookie: SHA-256 in hexadecimal."""

    session_id: SessionId
    handle_hash: str
    secret_hash: str
    previous_hash: str | None = None
    rotation_key: str
    """Derives successors; 32 random bytes in hexadecimal."""
    rotated_at: datetime


@value
class Invitation:
    """Lets one person make a passkey: a link that works once."""

    id: InvitationId
    role: Role
    profile_id: ProfileId | None = None
    """``None`` for an admin."""
    name: str | None = None
    """Of an admin."""
    practice_id: PracticeId | None = None
    """The practice whose front desk invited its patient."""
    token_hash: str
    created_at: datetime
    expires_at: datetime
    ended_at: datetime | None = None
    """When it was used, revoked or replaced."""

    def is_open(self, now: datetime) -> bool:
        return self.ended_at is None and now < self.expires_at


@value
class Passkey:
    id: str
    """The credential's id, in base64url."""
    account_id: AccountId
    public_key: bytes
    """In the COSE form."""
    sign_count: int
    created_at: datetime
    used_at: datetime | None = None


@value
class Ceremony:
    """What the hub waits for: the answer of a browser's authenticator to a challenge."""

    handle_hash: str
    """Of the cookie of the browser that began it."""
    challenge: str
    """In base64url."""
    account_id: AccountId | None = None
    """Whose passkey is made; ``None``: anybody's passkey is asked for."""
    invitation_id: InvitationId | None = None
    expires_at: datetime


@value
class Begun:
    """A challenge, and the secret of the browser or client that must answer it."""

    cookie: str
    challenge: bytes
    account_id: AccountId | None = None
    """Whose passkey is to be made; ``None``: a passkey is to be used."""
    name: str = ""
    """As the authenticator shows it."""
    known: tuple[str, ...] = ()
    """Ids of the account's passkeys: an authenticator that has one makes no second."""


@value
class MailCode:
    """A code and a link that were sent by mail; they work in the browser that asked for them."""

    handle_hash: str
    """Of the browser's cookie."""
    account_id: AccountId | None = None
    """``None``: nobody signs in with the address. Then only a registration is sent its code."""
    code_hash: str
    """Of the handle and the code, so that who reads it cannot try all codes."""
    link_hash: str
    tries: int = 0
    """Wrong codes."""
    expires_at: datetime


@value
class WrongCodes:
    """Wrong codes that were entered for an account, within a day."""

    account_id: AccountId
    since: datetime
    count: int

    def counted(self, now: datetime) -> "WrongCodes":
        if now - self.since >= timedelta(days=1):
            return WrongCodes(account_id=self.account_id, since=now, count=1)
        return replace(self, count=self.count + 1)

    def is_too_many(self, now: datetime) -> bool:
        return now - self.since < timedelta(days=1) and self.count >= WRONG_CODES_A_DAY


def is_right(
    known: MailCode, sent: "CodeAttempt", now: datetime, *, only_links: bool = False
) -> bool:
    """Whether it is the code or link that was sent. A code needs tries that are left.

    ``only_links``: there were too many wrong codes.
    """
    if now >= known.expires_at:
        return False
    if sent.link_hash is not None:
        return hmac.compare_digest(sent.link_hash, known.link_hash)
    if known.tries >= CODE_TRIES or only_links:
        return False
    return hmac.compare_digest(sent.code_hash or "", known.code_hash)


@value
class CodeAttempt:
    """A code, or the token of a link, hashed."""

    code_hash: str | None = None
    link_hash: str | None = None


@value
class Renewal:
    """What a presented secret leads to."""

    session: Session
    secrets: SessionSecrets
    successor: bytes | None
    """The secret that the browser keeps from now on; ``None``: the session is over."""


def first_secrets(
    session_id: SessionId, handle: bytes, secret: bytes, now: datetime
) -> SessionSecrets:
    return SessionSecrets(
        session_id=session_id,
        handle_hash=hashed(handle),
        secret_hash=hashed(secret),
        rotation_key=secrets.token_hex(SECRET_BYTES),
        rotated_at=now,
    )


def renewed(
    session: Session, known: SessionSecrets, presented: bytes, now: datetime, idle: timedelta
) -> Renewal:
    """Replace the current secret; a replaced one returns its successor for ``GRACE``.

    An older one, or a secret that was never issued with this handle, ends the session: two
    clients have its cookie, and one of them is a thief.
    """
    if session.is_over(now, idle):
        return Renewal(session=session, secrets=known, successor=None)
    digest = hashed(presented)
    successor = hmac.digest(bytes.fromhex(known.rotation_key), presented, "sha256")
    if hmac.compare_digest(digest, known.secret_hash):
        rotated = replace(
            known, secret_hash=hashed(successor), previous_hash=digest, rotated_at=now
        )
        return Renewal(session=replace(session, used_at=now), secrets=rotated, successor=successor)
    is_previous = hmac.compare_digest(digest, known.previous_hash or "")
    if is_previous and now - known.rotated_at <= GRACE:
        return Renewal(session=session, secrets=known, successor=successor)
    return Renewal(session=replace(session, ended_at=now), secrets=known, successor=None)


def secret_text(secret: bytes) -> str:
    """A secret as cookies and links contain it: base64url without padding."""
    return base64.urlsafe_b64encode(secret).rstrip(b"=").decode()


def secret_of(text: str) -> bytes | None:
    """``None``: it is not the text of a secret, of which there is one for each secret."""
    secret = base64.urlsafe_b64decode(f"{text}=") if _SECRET.fullmatch(text) else None
    return secret if secret and secret_text(secret) == text else None


def hashed(secret: bytes) -> str:
    """For random secrets of 256 bits, which need no salt and no slow hash."""
    return hashlib.sha256(secret).hexdigest()
