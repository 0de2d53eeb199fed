"""The hub as an issuer: it signs access tokens, and verifies only its own.

The keys are in the database, so that every node signs and verifies with the same ones. A new one
signs after a while, when every node and every reader of ``/.well-known/jwks.json`` can know it.
"""

import secrets
from collections import OrderedDict
from datetime import datetime, timedelta
from typing import Final

import jwt
import orjson
import structlog
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from actors.domain.principal import Role
from actors.domain.refusals import InvalidToken, Unavailable
from actors.domain.sign_in import TOKEN_LIFE, Account, Session, SessionId
from actors.ports.clock import Clock
from actors.ports.commits import CommitFailure
from actors.ports.sign_in import SigningKey, SigningKeyStore
from actors.services.identity import Claims
from api.keys import JwksKeys
from api.token_claims import own_claims

log = structlog.get_logger(__name__)

OWN_KEY: Final = "hub"
"""The key of the hub's own tokens, as webhooks name it: a rotation ends no right."""
_ALGORITHM: Final = "ES256"
_REFRESH_S: Final = 30.0
_PUBLISHED_FIRST: Final = timedelta(minutes=5)
"""How long a key is published before it signs."""
LEEWAY_MAX: Final = timedelta(minutes=5)
"""``auth.leeway_s`` allows no more."""
_ENDED_MAX: Final = 100_000


class Issuer:
    """Signs and verifies the hub's own tokens. ``name`` is their ``iss`` and ``aud``."""

    def __init__(
        self,
        name: str,
        store: SigningKeyStore,
        clock: Clock,
        *,
        key_life: timedelta,
        password: str = "",
    ) -> None:
        self.name = name
        self._store, self._clock, self._key_life = store, clock, key_life
        self._password = password.encode() or None
        self._keys: tuple[SigningKey, ...] = ()
        self._opened: dict[str, ec.EllipticCurvePrivateKey] = {}
        self._public = JwksKeys("", clock, refresh_s=_REFRESH_S, fetch=self._read)
        self._ended: OrderedDict[SessionId, datetime] = OrderedDict()

    async def start(self) -> None:
        """Make sure that there is a key. Raises CommitFailure."""
        await self.rotate()

    async def rotate(self) -> None:
        """Add a key when the newest is old, and drop those whose tokens have all ended."""
        now = self._clock.now()
        await self._public.refresh()
        usable = [key.created_at for key in self._keys if key.id in self._opened]
        if not usable or now - max(usable) >= self._key_life:
            since = now - self._key_life if usable or not self._keys else now
            await self._store.add(self._new_key(now), unless_since=since)
            log.info("signing_key_added")
        await self._store.forget(now - 2 * self._key_life - TOKEN_LIFE)
        await self._public.refresh()

    def sign(self, account: Account, session: Session, role: Role) -> str:
        """An access token. Raises Unavailable without a key that can be used."""
        now = self._clock.now()
        kid, key = self._signing_key(now)
        payload = {
            "iss": self.name,
            "aud": self.name,
            "sub": account.subject,
            "role": str(role),
            "sid": session.id,
            "iat": now,
            "exp": now + TOKEN_LIFE,
        }
        return jwt.encode(payload, key, algorithm=_ALGORITHM, headers={"kid": kid})

    def issued(self, token: str) -> bool:
        """Whether the token names this hub as its issuer; then no other key may verify it."""
        try:
            payload = jwt.decode(token, options={"verify_signature": False})
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            return False
        return payload.get("iss") == self.name

    async def verify(self, token: str) -> Claims:
        """The claims of a token of this hub; its end is the caller's to check.

        Raises InvalidToken, or Unavailable when the keys cannot be read.
        """
        try:
            header = jwt.get_unverified_header(token)
            if header.get("alg") != _ALGORITHM or not isinstance(header.get("kid"), str):
                raise InvalidToken("algorithm or key of another issuer")
            (key, *_) = await self._public.find(header["kid"], _ALGORITHM)
            payload = jwt.decode(
                token,
                key.key,
                algorithms=[_ALGORITHM],
                audience=self.name,
                issuer=self.name,
                options={
                    "require": ["exp", "sub", "iss", "aud", "sid"],
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            raise InvalidToken(type(error).__name__) from error
        return own_claims(payload, key=OWN_KEY)

    def end_session(self, session: SessionId) -> None:
        """Accept the tokens of this session no more."""
        self._ended[session] = self._clock.now() + TOKEN_LIFE + LEEWAY_MAX
        while self._ended and next(iter(self._ended.values())) <= self._clock.now():
            self._ended.popitem(last=False)
        if len(self._ended) > _ENDED_MAX:
            self._ended.popitem(last=False)

    def has_ended(self, session: SessionId | None) -> bool:
        return session in self._ended

    @property
    def key_set(self) -> bytes:
        """The published keys (RFC 7517)."""
        return _key_set(self._keys)

    def keep_fresh(self) -> None:
        """Read the keys again, in the background, when they are old."""
        self._public.refresh_if_old()

    async def close(self) -> None:
        await self._public.close()

    async def _read(self) -> bytes:
        try:
            self._keys = tuple(await self._store.all())
            self._opened = {key.id: opened for key in self._keys if (opened := self._open(key))}
        except CommitFailure as error:
            raise Unavailable from error
        return _key_set(self._keys)

    def _signing_key(self, now: datetime) -> tuple[str, ec.EllipticCurvePrivateKey]:
        """The newest one that is published long enough, or the oldest."""
        known = [key for key in self._keys if key.id in self._opened]
        if not known:
            raise Unavailable
        published = (key for key in known if key.created_at <= now - _PUBLISHED_FIRST)
        kid = next(published, known[-1]).id
        return kid, self._opened[kid]

    def _open(self, key: SigningKey) -> ec.EllipticCurvePrivateKey | None:
        """``None``: it is of another password, or of none."""
        if key.id in self._opened:
            return self._opened[key.id]
        password = self._password if "ENCRYPTED" in key.private_key else None
        try:
            opened = serialization.load_pem_private_key(key.private_key.encode(), password)
        except (ValueError, TypeError):
            log.error("signing_key_unusable", kid=key.id)
            return None
        assert isinstance(opened, ec.EllipticCurvePrivateKey), "the hub makes no others"
        return opened

    def _new_key(self, now: datetime) -> SigningKey:
        private, kid = ec.generate_private_key(ec.SECP256R1()), secrets.token_urlsafe(12)
        protection: serialization.KeySerializationEncryption = (
            serialization.BestAvailableEncryption(self._password)
            if self._password
            else serialization.NoEncryption()
        )
        pem = private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection
        )
        members = jwt.algorithms.ECAlgorithm.to_jwk(private.public_key(), as_dict=True)
        public = {**members, "kid": kid, "use": "sig", "alg": _ALGORITHM}
        return SigningKey(
            id=kid,
            private_key=pem.decode(),
            public_key=orjson.dumps(public).decode(),
            created_at=now,
        )


def _key_set(keys: tuple[SigningKey, ...]) -> bytes:
    return orjson.dumps({"keys": [orjson.loads(key.public_key) for key in keys]})
