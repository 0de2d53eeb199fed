"""Bearer tokens: verified before anything else happens (criteria 5.1, 5.2).

Every failure is an ``InvalidToken`` whose reason goes to the log only.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, TypeAlias, TypeGuard

import jwt
from annotated_types import Ge, Le
from cachetools import LRUCache

from actors.bounds import Positive
from actors.domain.principal import Role
from actors.domain.refusals import InvalidToken
from actors.ports.clock import Clock
from actors.services.identity import Claims
from api.keys import ASYMMETRIC, SYMMETRIC, JwksKeys
from api.schemas.fields import MAX_EMAIL_CHARS, MAX_NAME_CHARS, MAX_SUBJECT_CHARS

MIN_SECRET_BYTES: Final = 32
"""HS256 keys are at least as long as the hash (RFC 7518 §3.2)."""
TOKEN_MAX_CHARS: Final = 8_192
CACHE_MAX: Final = 10_000
_UNKNOWN_KEY_INTERVAL_S: Final = 5.0
"""Shortest time between two reads of the key set because of unknown keys."""
Payload: TypeAlias = Mapping[str, object]
"""The claims of a token as its issuer wrote them."""
ROLES: Final = frozenset({Role.PATIENT, Role.DENTIST, Role.CHATBOT, Role.ADMIN})
"""``system`` is the hub itself, and never in a token."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AuthSettings:
    """Which keys verify tokens, and which claims they need; section ``[auth]``."""

    secret: str = field(default="", repr=False)
    """For HS256, at least 32 bytes; empty: no shared secret."""
    jwks: str = ""
    """File or http(s) address of a key set; empty: none."""
    jwks_refresh_s: Positive = 300.0
    algorithms: tuple[str, ...] = ()
    """The allow-list; empty: what the given keys can verify."""
    audience: str = ""
    issuer: str = ""
    role_claim: str = "role"
    """Path of the role's claim, e.g. ``app_metadata.role``."""
    leeway_s: Annotated[float, Ge(0), Le(300)] = 0.0

    def __post_init__(self) -> None:
        if not all(self.role_claim.split(".")):
            raise ValueError(
                'role_claim must be a path such as "role" or "app_metadata.role",'
                f' not "{self.role_claim}"'
            )
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

    def __init__(self, settings: AuthSettings, clock: Clock) -> None:
        """Raises ValueError for settings without any key."""
        if not settings.has_keys:
            raise ValueError("a secret or a JWKS is needed to verify tokens")
        self._settings, self._clock = settings, clock
        self._algorithms = settings.allowed_algorithms
        self._leeway = timedelta(seconds=settings.leeway_s)
        self._keys = (
            JwksKeys(
                settings.jwks,
                clock,
                refresh_s=settings.jwks_refresh_s,
                min_interval_s=min(_UNKNOWN_KEY_INTERVAL_S, settings.jwks_refresh_s),
                on_change=self._rotated,
            )
            if settings.jwks
            else None
        )
        self._verified: LRUCache[bytes, Claims] = LRUCache(CACHE_MAX)
        self._on_rotation: list[Callable[[], None]] = []

    async def verify(self, token: str) -> Claims:
        """The claims of the token; raises InvalidToken, or Unavailable without keys."""
        if not token or len(token) > TOKEN_MAX_CHARS or not token.isascii():
            raise InvalidToken("malformed")
        self.keep_fresh()
        digest = hashlib.sha256(token.encode()).digest()
        claims = self._verified.get(digest)
        if claims is None:
            claims = await self._decode(token)
            self._check_end(claims)
            if self.trusts(claims):
                self._verified[digest] = claims
        else:
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

    def on_rotation(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` whenever keys were added or removed: see :meth:`trusts`."""
        self._on_rotation.append(callback)

    def trusts(self, claims: Claims) -> bool:
        """Whether the key that verified the token is still in the key set."""
        return not claims.key or (self._keys is not None and self._keys.has(claims.key))

    async def close(self) -> None:
        if self._keys is not None:
            await self._keys.close()

    async def _decode(self, token: str) -> Claims:
        """The claims of a genuine token that is already valid by the hub's clock."""
        settings = self._settings
        try:
            header = jwt.get_unverified_header(token)
            algorithm = header.get("alg")
            if algorithm not in self._algorithms:
                raise InvalidToken(f"algorithm {algorithm!r:.40}")
            key, name = await self._key(header, algorithm)
            payload = jwt.decode(
                token,
                key,
                algorithms=[algorithm],
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
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            # PyJWT does not wrap every error of malformed input and of its crypto library
            raise InvalidToken(type(error).__name__) from error
        self._check_begin(payload.get("nbf"))
        return self._claims(payload, name)

    async def _key(self, header: Mapping[str, Any], algorithm: str) -> tuple[Any, str]:
        """The key in PyJWT's form, and its name in :attr:`Claims.key`."""
        if algorithm in SYMMETRIC:
            return self._settings.secret, ""
        assert self._keys is not None, "settings allow only what there are keys for"
        found = await self._keys.find(header.get("kid"), algorithm)
        return found.key, found.name

    def _claims(self, payload: Payload, key: str) -> Claims:
        subject, role, actor = payload["sub"], self._role(payload), _actor(payload)
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
            expires_at=_instant(payload["exp"]),
            key=key,
        )

    def _role(self, payload: Payload) -> Role:
        value: object = payload
        for part in self._settings.role_claim.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        if not isinstance(value, str) or value not in ROLES:
            raise InvalidToken("role")
        return Role(value)

    def _check_begin(self, nbf: object) -> None:
        if nbf is not None and self._clock.now() + self._leeway < _instant(nbf):
            raise InvalidToken("not yet valid")

    def _check_end(self, claims: Claims) -> None:
        if self._clock.now() >= claims.expires_at + self._leeway:
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
    *folders, last = role_claim.split(".")
    holder = payload
    for folder in folders:
        holder = holder.setdefault(folder, {})
    holder[last] = str(role)
    return jwt.encode(payload, secret, algorithm="HS256")


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


def _instant(value: object) -> datetime:
    """A NumericDate (RFC 7519 §2)."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidToken("not a NumericDate")
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise InvalidToken("not a NumericDate") from error


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
