"""What the routes of the sign-in need of the hub."""

from dataclasses import dataclass
from typing import Final

from aiohttp import web

from actors.services.mail_codes import MailCodes
from actors.services.passkeys import Passkeys
from actors.services.provider_sign_ins import ProviderSignIns
from actors.services.sign_ins import SignIns
from api.issuer import Issuer
from api.ratelimit import RateLimiter
from api.sign_in.authenticators import WebAuthn

SIGN_IN_RATE_PER_S: Final = 5.0
SIGN_IN_BURST: Final = 200
"""Requests of one client address, behind which there may be a whole practice."""
REGISTRATIONS_PER_HOUR: Final = 30
"""Of one client address, at one node."""
REGISTRATION_MAILS_PER_HOUR: Final = 5
"""To one address, by one node."""
CODES_PER_HOUR: Final = 20
"""Mails to one account, by one node."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OfferedProvider:
    """An identity provider, and its name for people."""

    name: str
    sign_ins: ProviderSignIns


@dataclass(frozen=True, kw_only=True, slots=True)
class SignInDeps:
    public_url: str
    """The address of the hub for browsers, without a path."""
    accepts_links: bool
    """Whether a link with a token signs in, as in the demo."""
    issuer: Issuer
    sign_ins: SignIns
    passkeys: Passkeys
    webauthn: WebAuthn
    mail_codes: MailCodes | None
    """``None``: no codes are sent by mail."""
    provider: OfferedProvider | None
    """``None``: people sign in at the hub only."""
    limiter: RateLimiter
    """Of the requests of one client address."""
    newcomers: RateLimiter
    """Of the registrations of one client address."""

    @property
    def is_secure(self) -> bool:
        """Whether browsers reach the hub over TLS; otherwise it is on their own machine."""
        return self.public_url.startswith("https://")


SIGN_IN = web.AppKey("sign_in", SignInDeps)
