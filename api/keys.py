"""The keys that verify tokens: one shared secret, or a JWKS in a file or at an address.

A token's algorithm selects the kind of key, so a public key is never used as a secret
(RFC 8725 §3.1).
"""

import asyncio
import hashlib
import ipaddress
import math
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
import jwt
import orjson
import structlog
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from actors.domain.refusals import InvalidToken, Unavailable
from actors.ports.clock import Clock

log = structlog.get_logger(__name__)

SYMMETRIC: Final = frozenset({"HS256"})
ASYMMETRIC: Final = frozenset({"RS256", "ES256", "EdDSA"})

JWKS_MAX_BYTES: Final = 256 * 1024
JWKS_TIMEOUT_S: Final = 5.0
MIN_RSA_BITS: Final = 2_048
"""RFC 7518 §3.3."""
_SAME_KID_MAX: Final = 4
"""Keys of one ``kid`` that a token is tried with, so that its verification stays bounded."""
_CURVES: Final = {"ES256": "P-256", "EdDSA": "Ed25519"}
"""The one curve of an algorithm (RFC 7518 §3.4, RFC 8037 §3.1)."""

_IDENTITY: Final = ("crv", "e", "kid", "kty", "n", "x", "y")
"""The members that make a key another one (RFC 7638 §3.2, and ``kid``); others may change."""


@dataclass(frozen=True, kw_only=True, slots=True)
class VerifyingKey:
    name: str
    """A hash of the key and its ``kid``, which an issuer may use again for another key."""
    kid: str | None
    algorithm: str
    key: Any
    """As PyJWT takes it."""


class KeysStatus(StrEnum):
    OK = "ok"
    DEGRADED = "degraded"
    """The set could not be read again; its old keys are still used."""
    DOWN = "down"
    """There are no keys: tokens of the set are refused."""


class JwksKeys:
    """A key set (JWKS), read when first needed and again when it is old or a key is unknown.

    Reads are at least ``min_interval_s`` apart, so that forged ``kid`` values cost nothing.
    An old set is read again in the background. If that fails, its keys stay in use until they
    are ``max_age_s`` old: otherwise a key that was withdrawn, but not here, would last for ever.
    """

    def __init__(
        self,
        source: str,
        clock: Clock,
        *,
        refresh_s: float = 300.0,
        max_age_s: float = 86_400.0,
        min_interval_s: float = 5.0,
        timeout_s: float = JWKS_TIMEOUT_S,
        on_change: Callable[[], None] = lambda: None,
        fetch: Callable[[], Awaitable[bytes]] | None = None,
    ) -> None:
        """``fetch`` reads a set that is neither a file nor at an address."""
        self._read_text = fetch or self._fetch
        self._source, self._clock = source, clock
        self._refresh_s, self._max_age_s = refresh_s, max_age_s
        self._min_interval_s = min_interval_s
        self._timeout_s, self._on_change = timeout_s, on_change
        self._keys: tuple[VerifyingKey, ...] | None = None
        self._text, self._failed = b"", False
        self._read_at = self._tried_at = -math.inf
        self._reading = asyncio.Lock()
        self._refreshing: asyncio.Task[None] | None = None

    def has(self, name: str) -> bool:
        """Whether the key of this name is in the set that was read last."""
        return any(key.name == name for key in self._keys or ())

    @property
    def status(self) -> KeysStatus:
        if not self._failed:
            return KeysStatus.OK
        return KeysStatus.DOWN if self._keys is None else KeysStatus.DEGRADED

    async def holds(self, name: str, algorithms: Collection[str]) -> bool:
        """Whether the key is in the newest set, and of one of the algorithms.

        The set is read again if the key is not in this one. Raises Unavailable if it cannot be
        read.
        """
        if not self.has(name):
            await self._read()
            if self._keys is None or self._failed:
                raise Unavailable
        return any(key.name == name and key.algorithm in algorithms for key in self._keys or ())

    async def find(self, kid: str | None, algorithm: str) -> Sequence[VerifyingKey]:
        """The keys a token names; raises InvalidToken, or Unavailable without any keys."""
        keys = self._find(kid, algorithm)
        if not keys:
            await self._read()
            keys = self._find(kid, algorithm)
        if self._keys is None:
            raise Unavailable
        if not keys:
            raise InvalidToken("no such key")
        return keys

    def refresh_if_old(self) -> None:
        """Start a read in the background when the set is old; forget one that is too old."""
        age_s = self._clock.monotonic() - self._read_at
        was_wanted = self._keys is not None or self._failed
        if not was_wanted or age_s < self._refresh_s:
            return
        if self._keys is not None and self._failed and age_s >= self._max_age_s:
            log.error("jwks_too_old", source=_shown(self._source), age_s=round(age_s))
            self._keys, self._text = None, b""
            self._on_change()
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = asyncio.create_task(self._read(), name="jwks-refresh")

    async def refresh(self) -> None:
        """Read the set now. A failure is logged, and the keys that there are stay."""
        self._tried_at = -math.inf
        await self._read()

    async def close(self) -> None:
        """Cancel the read in the background."""
        if self._refreshing is not None:
            self._refreshing.cancel()
            await asyncio.gather(self._refreshing, return_exceptions=True)

    def _find(self, kid: str | None, algorithm: str) -> Sequence[VerifyingKey]:
        """By ``kid``; a token without one needs a set with just one fitting key."""
        fitting = [
            key for key in self._keys or () if kid in (None, key.kid) and key.algorithm == algorithm
        ]
        return fitting[:_SAME_KID_MAX] if kid is not None or len(fitting) == 1 else ()

    async def _read(self) -> None:
        async with self._reading:
            if self._clock.monotonic() - self._tried_at < self._min_interval_s:
                return
            self._tried_at = self._clock.monotonic()
            try:
                text = await self._read_text()
                keys = parse_keys(text) if text != self._text else self._keys
            except (OSError, ValueError, aiohttp.ClientError, TimeoutError, Unavailable) as error:
                self._failed = True
                why = f"{type(error).__name__}: {error}"[:200]
                log.warning("jwks_unreadable", source=_shown(self._source), reason=why)
                return
            self._read_at, self._failed = self._clock.monotonic(), False
            if text != self._text:
                self._text, self._keys = text, keys
                log.info("jwks_read", keys=len(keys or ()))
                self._on_change()

    async def _fetch(self) -> bytes:
        if not self._source.startswith(("http://", "https://")):
            return await asyncio.to_thread(Path(self._source).read_bytes)
        timeout = aiohttp.ClientTimeout(total=self._timeout_s)
        async with (
            aiohttp.ClientSession(timeout=timeout, raise_for_status=True) as session,
            session.get(self._source, allow_redirects=False) as response,
        ):
            if response.status != 200:
                raise ValueError(f"the key set responded with status {response.status}")
            text = bytearray()
            async for part in response.content.iter_chunked(16 * 1024):
                text += part
                if len(text) > JWKS_MAX_BYTES:
                    raise ValueError("the key set is too large")
            return bytes(text)


def refuse_unsafe_source(jwks: str) -> None:
    """Raise ValueError unless it is a file, an https address, or http from this machine.

    A machine between that changes an http answer chooses the keys, and so every token.
    """
    if "://" not in jwks:
        return
    parts = urlsplit(jwks)
    if parts.scheme == "https" and parts.hostname:
        return
    if parts.scheme != "http" or not _is_loopback(parts.hostname or ""):
        raise ValueError(
            "jwks must be a file or an https address; http is accepted from this machine only"
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _shown(source: str) -> str:
    """The source without a password, for the log."""
    if "://" not in source:
        return source
    parts = urlsplit(source)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()


_REASONS_MAX: Final = 5
"""Reasons that the line about unusable keys names."""


class UnusableKey(ValueError):
    """A key that is too weak, or of another curve than its algorithm's."""


def parse_keys(text: bytes) -> tuple[VerifyingKey, ...]:
    """The signature keys. One that cannot be used disables only itself.

    Raises ValueError for a text that is no key set.
    """
    document = orjson.loads(text)
    if not isinstance(document, dict) or not isinstance(document.get("keys"), list):
        raise ValueError("the key set has no keys")
    keys: dict[str, VerifyingKey] = {}
    unusable: Counter[str] = Counter()
    for data in document["keys"]:
        try:
            key = _key(data)
        except UnusableKey as error:
            unusable[str(error)] += 1
        except Exception as error:  # of any kind, and its text may contain the key
            unusable[type(error).__name__] += 1
        else:
            if key is not None:
                keys[key.name] = key  # a key that is listed twice is one key
    if unusable:
        reasons = [reason for reason, _ in unusable.most_common(_REASONS_MAX)]
        log.warning("jwks_key_unusable", count=unusable.total(), reasons=reasons)
    return tuple(keys.values())


def _key(data: object) -> VerifyingKey | None:
    """``None``: of a kind that the hub does not use. Raises any error for a broken key."""
    if not isinstance(data, dict) or data.get("use", "sig") != "sig":
        return None
    kid, curve = data.get("kid"), data.get("crv")
    if not isinstance(kid, str | None) or "verify" not in data.get("key_ops", ("verify",)):
        return None
    key = jwt.PyJWK(data)
    algorithm = key.algorithm_name
    if algorithm not in ASYMMETRIC or data.get("kty") == "oct":
        return None
    if algorithm in _CURVES and curve != _CURVES[algorithm]:
        raise UnusableKey(f"{algorithm} needs the curve {_CURVES[algorithm]}")
    if isinstance(key.key, RSAPublicKey | RSAPrivateKey) and key.key.key_size < MIN_RSA_BITS:
        raise UnusableKey(f"an RSA key needs {MIN_RSA_BITS} bits, not {key.key.key_size}")
    identity = [algorithm, {each: data[each] for each in _IDENTITY if each in data}]
    name = hashlib.sha256(orjson.dumps(identity, option=orjson.OPT_SORT_KEYS)).hexdigest()
    return VerifyingKey(name=name, kid=kid, algorithm=algorithm, key=key.key)
