"""Bearer tokens: verified before anything else happens (criteria 5.1, 5.2).

Every failure is an ``InvalidToken`` whose reason goes to the log only.
"""

import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Literal

import jwt
from annotated_types import Ge, Le
from cachetools import LRUCache

from actors.bounds import Positive
from actors.domain.issuers import HUB
from actors.domain.principal import Role
from actors.domain.refusals import InvalidToken
from actors.domain.sign_in import SessionId
from actors.ports.clock import Clock
from actors.services.identity import Claims
from api.issuer import OWN_KEY, Issuer
from api.keys import (
    ASYMMETRIC,
    SYMMETRIC,
    JwksKeys,
    KeysStatus,
    VerifyingKey,
    refuse_unsafe_source,
)
from api.token_claims import Payload, claims_of, numeric_date

MIN_SECRET_BYTES: Final = 32
"""HS256 keys are at least as long as the hash (RFC 7518 §3.2)."""
TOKEN_MAX_CHARS: Final = 8_192
CACHE_MAX: Final = 10_000
_UNKNOWN_KEY_INTERVAL_S: Final = 5.0
"""Shortest time between two reads of the key set because of unknown keys."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AuthSettings:
    """Which keys verify tokens, and which claims they need; section ``[auth]``."""

    secret: str = field(default="", repr=False)
    """For HS256, at least 32 bytes; empty: no shared secret."""
    jwks: str = ""
    """File or https address of a key set; http only from this machine; empty: none."""
    jwks_refresh_s: Positive = 300.0
    jwks_max_age_s: Positive = 86_400.0
    """How long keys are used when the set cannot be read again."""
    algorithms: tuple[str, ...] = ()
    """The allow-list; empty: what the given keys can verify."""
    audience: str = ""
    issuer: str = ""
    role_claim: str = "role"
    """Name or path of the role's claim: ``https://clinic.example/role``, ``app_metadata.role``."""
    leeway_s: Annotated[float, Ge(0), Le(300)] = 0.0
    adopt_by_email: Literal["", True, False] = ""
    """Whether the record that the clinic entered with a verified e-mail address becomes that of
    the token's patient; not set: as :attr:`hub.config.Config.adopts_by_email` says."""

    def __post_init__(self) -> None:
        if not all(self.role_claim.split(".")):
            raise ValueError(
                'role_claim must be a path such as "role" or "app_metadata.role",'
                f' not "{self.role_claim}"'
            )
        refuse_unsafe_source(self.jwks)
        if self.jwks_max_age_s < self.jwks_refresh_s:
            raise ValueError("jwks_max_age_s must not be shorter than jwks_refresh_s")
        if self.secret and len(self.secret.encode()) < MIN_SECRET_BYTES:
            raise ValueError(f"the secret must have at least {MIN_SECRET_BYTES} bytes")
        impossible = sorted(set(self.algorithms) - self._possible)
        if self.has_keys and impossible:
            raise ValueError(f"no key for {', '.join(impossible)}")

    @property
    def has_keys(self) -> bool:
        """Whether any token can be verified."""
        return bool(self.secret or self.jwks)

    @property
    def allowed_algorithms(self) -> tuple[str, ...]:
        """``algorithms``, or all that the keys can verify."""
        return self.algorithms or tuple(sorted(self._possible))

    @property
    def _possible(self) -> frozenset[str]:
        symmetric = SYMMETRIC if self.secret else frozenset()
        return symmetric | (ASYMMETRIC if self.jwks else frozenset())


class TokenVerifier:
    """Turns tokens into claims; caches verified tokens until they expire."""

    def __init__(self, settings: AuthSettings, clock: Clock, issuer: Issuer | None = None) -> None:
        """``issuer``: the hub itself, if people sign in there.

        Raises ValueError if there is no key at all.
        """
        if not settings.has_keys and issuer is None:
            raise ValueError("a secret or a JWKS is needed to verify tokens")
        self._issuer = issuer
        self._settings, self._clock = settings, clock
        self._algorithms = settings.allowed_algorithms
        self._leeway = timedelta(seconds=settings.leeway_s)
        self._keys = (
            JwksKeys(
                settings.jwks,
                clock,
                refresh_s=settings.jwks_refresh_s,
                max_age_s=settings.jwks_max_age_s,
                min_interval_s=min(_UNKNOWN_KEY_INTERVAL_S, settings.jwks_refresh_s),
                on_change=self._rotated,
            )
            if settings.jwks
            else None
        )
        self._secret_id = _secret_id(settings.secret) if SYMMETRIC & {*self._algorithms} else ""
        self._verified: LRUCache[bytes, Claims] = LRUCache(CACHE_MAX)
        self._on_rotation: list[Callable[[], None]] = []

    async def verify(self, token: str) -> Claims:
        """The claims of the token; raises InvalidToken, or Unavailable without keys."""
        claims = self.verified(token)
        if claims is None:
            if self._issuer is not None and self._issuer.issued(token):
                claims = await self._issuer.verify(token)
            else:
                claims = await self._decode(token)
            self._check_end(claims)
            if self.trusts(claims):
                self._verified[_digest(token)] = claims
        return claims

    def verified(self, token: str) -> Claims | None:
        """The claims of a token that was verified before; raises InvalidToken when it has ended.

        ``None``: it must be verified.
        """
        if not token or len(token) > TOKEN_MAX_CHARS or not token.isascii():
            raise InvalidToken("malformed")
        self.keep_fresh()
        claims = self._verified.get(_digest(token))
        if claims is not None:
            self._check_end(claims)
        return claims

    @property
    def leeway_s(self) -> float:
        """How long after its end a token is still accepted."""
        return self._settings.leeway_s

    def keep_fresh(self) -> None:
        """Read the key set again, in the background, when it is old.

        Also called while no requests come: a key that was removed from the set must end the
        live connections of its tokens.
        """
        if self._keys is not None:
            self._keys.refresh_if_old()
        if self._issuer is not None:
            self._issuer.keep_fresh()

    def on_rotation(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` whenever keys were added or removed: see :meth:`trusts`."""
        self._on_rotation.append(callback)

    def trusts(self, claims: Claims) -> bool:
        """Whether the key that verified the token is still in the key set, or its session is on."""
        if claims.issuer == HUB:
            return self._issuer is not None and not self._issuer.has_ended(claims.session)
        return claims.key == self._secret_id or (
            self._keys is not None and self._keys.has(claims.key)
        )

    async def accepts(self, key_id: str | None) -> bool:
        """Implements :class:`actors.ports.webhooks.TrustedKeys`; may read the key set."""
        if key_id == OWN_KEY:
            return self._issuer is not None
        if key_id is None or key_id == self._secret_id:
            return key_id is not None
        return self._keys is not None and await self._keys.holds(key_id, self._algorithms)

    def end_session(self, session: SessionId) -> None:
        """Accept the tokens of a session of this hub no more."""
        if self._issuer is not None:
            self._issuer.end_session(session)

    @property
    def keys_status(self) -> KeysStatus:
        """The state of the key set; ``ok`` without one."""
        return KeysStatus.OK if self._keys is None else self._keys.status

    async def close(self) -> None:
        if self._keys is not None:
            await self._keys.close()
        if self._issuer is not None:
            await self._issuer.close()

    async def _decode(self, token: str) -> Claims:
        """The claims of a genuine token that is already valid by the hub's clock."""
        try:
            header = jwt.get_unverified_header(token)
            algorithm = header.get("alg")
            if algorithm not in self._algorithms:
                raise InvalidToken(f"algorithm {algorithm!r:.40}")
            payload, key = self._verified_by(await self._candidates(header, algorithm), token)
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            # PyJWT does not wrap every error of malformed input and of its crypto library
            raise InvalidToken(type(error).__name__) from error
        self._check_begin(payload)
        return claims_of(payload, role_claim=self._settings.role_claim, key=key.name)

    async def _candidates(
        self, header: Mapping[str, Any], algorithm: str
    ) -> Sequence[VerifyingKey]:
        """The keys that a token of this header may be signed with; at least one."""
        if algorithm in SYMMETRIC:
            name, secret = self._secret_id, self._settings.secret
            return (VerifyingKey(name=name, kid=None, algorithm="HS256", key=secret),)
        assert self._keys is not None, "settings allow only what there are keys for"
        return await self._keys.find(header.get("kid"), algorithm)

    def _verified_by(
        self, keys: Sequence[VerifyingKey], token: str
    ) -> tuple[Payload, VerifyingKey]:
        """The claims, and the key that verifies them; raises PyJWT's errors."""
        *others, last = keys
        for key in others:
            with suppress(jwt.InvalidSignatureError):
                return self._payload(token, key), key
        return self._payload(token, last), last

    def _payload(self, token: str, key: VerifyingKey) -> Payload:
        settings = self._settings
        payload: Payload = jwt.decode(
            token,
            key.key,
            algorithms=[key.algorithm],
            audience=settings.audience or None,
            issuer=settings.issuer or None,
            options={
                "require": ["exp", "sub"],
                "verify_aud": bool(settings.audience),
                "verify_exp": False,
                "verify_nbf": False,
                "verify_iat": False,
            },
        )
        return payload

    def _check_begin(self, payload: Payload) -> None:
        """``iat`` may lie in the future: issuers' clocks differ, and only ``nbf`` has a meaning."""
        if payload.get("iat") is not None:
            numeric_date(payload["iat"])
        begin = payload.get("nbf")
        if begin is not None and self._clock.now() + self._leeway < numeric_date(begin):
            raise InvalidToken("not yet valid")

    def _check_end(self, claims: Claims) -> None:
        if self._issuer is not None and self._issuer.has_ended(claims.session):
            raise InvalidToken("its session has ended")
        if self._clock.now() - self._leeway >= claims.expires_at:
            raise InvalidToken("expired")

    def _rotated(self) -> None:
        """Forget verified tokens: their key may have been removed."""
        self._verified.clear()
        for callback in self._on_rotation:
            callback()


def bearer(header: str | None) -> str:
    """The token of an ``Authorization`` header; raises InvalidToken."""
    scheme, _, token = (header or "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise InvalidToken("no bearer token")
    return token.strip()


def issue_token(
    secret: str,
    *,
    subject: str,
    role: Role,
    now: datetime,
    ttl: timedelta,
    audience: str = "",
    issuer: str = "",
    role_claim: str = "role",
    actor: str | None = None,
    **claims: object,
) -> str:
    """An HS256 token for development, demonstrations and tests, with further ``claims``."""
    payload: dict[str, Any] = {"sub": subject, "iat": now, "exp": now + ttl, **claims}
    if audience:
        payload["aud"] = audience
    if issuer:
        payload["iss"] = issuer
    if actor is not None:
        payload["act"] = {"sub": actor}
    # A name with a slash is one claim (RFC 7519 §4.2), although it may contain dots.
    *folders, last = [role_claim] if "/" in role_claim else role_claim.split(".")
    holder = payload
    for folder in folders:
        holder = holder.setdefault(folder, {})
    holder[last] = str(role)
    return jwt.encode(payload, secret, algorithm="HS256")


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _secret_id(secret: str) -> str:
    """Identifies a shared secret without revealing it: a hash under the secret itself."""
    return "hs256:" + hmac.digest(secret.encode(), b"chairside key id", hashlib.sha256).hex()
