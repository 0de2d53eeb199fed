"""Sign-in at an identity provider: what a browser begins, and whom the provider identifies."""

import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from actors.domain.ids import PracticeId, ProfileId
from actors.domain.principal import Role
from actors.domain.sign_in import Account, InvitationId
from actors.domain.values import value

PROVIDER_SIGN_IN_LIFE: Final = timedelta(minutes=10)
"""How long a person may take at the provider."""


class ProviderProblem(StrEnum):
    """Why nobody was signed in, as the sign-in page explains it."""

    REFUSED = "refused"  # by the provider, or its answer is not valid
    ENDED = "ended"  # begun in another browser, answered before, or too long ago
    UNKNOWN = "unknown"  # nobody of the hub signs in with this identity
    PASSKEY = "passkey"  # the role needs a passkey
    INVITATION = "invitation"  # it is not open any more, or for somebody else
    UNAVAILABLE = "unavailable"  # the provider does not answer


@dataclass(eq=False)
class ProviderRefused(Exception):
    """Nobody is signed in. ``reason`` is for the log."""

    problem: ProviderProblem
    reason: str = ""


@value
class ProviderSecrets:
    """What the provider must send back, derived from the secret of the browser's cookie."""

    state: str
    nonce: str
    verifier: str
    """Of PKCE (RFC 7636)."""


def provider_secrets(cookie: bytes) -> ProviderSecrets:
    """So the hub stores none of them, and only the browser's own answer fits its cookie."""

    def derived(label: str) -> str:
        return hmac.digest(cookie, label.encode(), "sha256").hex()

    return ProviderSecrets(
        state=derived("state"), nonce=derived("nonce"), verifier=derived("verifier")
    )


@value
class ProviderSignIn:
    """What the hub waits for: a browser's return from the provider, once."""

    handle_hash: str
    """Of the browser's cookie."""
    invitation_hash: str | None = None
    """Of the token of the invitation that is accepted."""
    next_page: str | None = None
    """Where the person goes then: a path of the hub."""
    expires_at: datetime


@value
class ProvidedPerson:
    """Whom the provider identifies, by issuer and subject together."""

    issuer: str
    subject: str
    name: str | None = None
    email: str | None = None
    """Only an address that the provider has verified."""
    role: Role | None = None
    practice: PracticeId | None = None


@value
class ProviderLink:
    """The first sign-in of an account with an identity of the provider."""

    issuer: str
    subject: str
    account: Account
    person: ProfileId | None
    """``None`` for an admin."""
    is_new: bool
    """Whether the account is; it then gets the identity of the person."""
    invitation_id: InvitationId | None = None
    """It is used up, and all that the account signed in with before ends."""
    at: datetime
