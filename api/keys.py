"""The keys that verify tokens: one shared secret, or a JWKS in a file or at an address.

A token's algorithm selects the kind of key, so a public key is never used as a secret
(RFC 8725 §3.1).
"""

import asyncio
import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
import jwt
import orjson
import structlog

from actors.domain.refusals import InvalidToken, Unavailable
from actors.ports.clock import Clock

log = structlog.get_logger(__name__)

SYMMETRIC: Final = frozenset({"HS256"})
ASYMMETRIC: Final = frozenset({"RS256", "ES256", "EdDSA"})

JWKS_MAX_BYTES: Final = 256 * 1024
JWKS_TIMEOUT_S: Final = 5.0


@dataclass(frozen=True, kw_only=True, slots=True)
class VerifyingKey:
    name: str
    """A hash of the whole key: an issuer may use a ``kid`` again for another key."""
    kid: str | None
    algorithm: str
    key: Any
    """As PyJWT takes it."""


class JwksKeys:
    """A key set (JWKS), read when first needed and again when it is old or a key is unknown.

    Reads are at least ``min_interval_s`` apart, so that forged ``kid`` values cost nothing.
    An old set is read again in the background, and stays in use if that fails.
    """

    def __init__(
        self,
        source: str,
        clock: Clock,
        *,
        refresh_s: float = 300.0,
        min_interval_s: float = 5.0,
        timeout_s: float = JWKS_TIMEOUT_S,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self._source, self._clock = source, clock
        self._refresh_s, self._min_interval_s = refresh_s, min_interval_s
        self._timeout_s, self._on_change = timeout_s, on_change
        self._keys: tuple[VerifyingKey, ...] | None = None
        self._text = b""
        self._read_at = self._tried_at = -math.inf
        self._reading = asyncio.Lock()
        self._refreshing: asyncio.Task[None] | None = None

    def has(self, name: str) -> bool:
        """Whether the key of this name is in the set that was read last."""
        return any(key.name == name for key in self._keys or ())

    async def find(self, kid: str | None, algorithm: str) -> VerifyingKey:
        """The key a token names; raises InvalidToken, or Unavailable without any keys."""
        key = self._find(kid, algorithm)
        if key is None:
            await self._read()
            key = self._find(kid, algorithm)
        if self._keys is None:
            raise Unavailable
        if key is None:
            raise InvalidToken("no such key")
        return key

    def refresh_if_old(self) -> None:
        """Start a read in the background when the set is old."""
        running = self._refreshing is not None and not self._refreshing.done()
        old = self._clock.monotonic() - self._read_at >= self._refresh_s
        if self._keys is not None and old and not running:
            self._refreshing = asyncio.create_task(self._read(), name="jwks-refresh")

    async def close(self) -> None:
        """Cancel the read in the background."""
        if self._refreshing is not None:
            self._refreshing.cancel()
            await asyncio.gather(self._refreshing, return_exceptions=True)

    def _find(self, kid: str | None, algorithm: str) -> VerifyingKey | None:
        """By ``kid``; a token without one needs a set with just one fitting key."""
        fitting = [
            key for key in self._keys or () if kid in (None, key.kid) and key.algorithm == algorithm
        ]
        return fitting[0] if len(fitting) == 1 else None

    async def _read(self) -> None:
        async with self._reading:
            if self._clock.monotonic() - self._tried_at < self._min_interval_s:
                return
            self._tried_at = self._clock.monotonic()
            try:
                text = await self._fetch()
                keys = _parse(text)
            except (OSError, ValueError, aiohttp.ClientError, TimeoutError):
                log.warning("jwks_unreadable", source=self._source, exc_info=True)
                return
            self._read_at = self._clock.monotonic()
            if text != self._text:
                self._text, self._keys = text, keys
                log.info("jwks_read", keys=len(keys))
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


def _parse(text: bytes) -> tuple[VerifyingKey, ...]:
    """The signature keys; keys of other kinds are skipped."""
    document = orjson.loads(text)
    if not isinstance(document, dict) or not isinstance(document.get("keys"), list):
        raise ValueError("the key set has no keys")
    return tuple(key for key in map(_key, document["keys"]) if key is not None)


def _key(data: object) -> VerifyingKey | None:
    if not isinstance(data, dict) or data.get("use", "sig") != "sig":
        return None
    if not isinstance(data.get("kid"), str | None):
        return None
    try:
        key = jwt.PyJWK(data)
    except jwt.PyJWTError:
        return None
    if key.algorithm_name not in ASYMMETRIC or data.get("kty") == "oct":
        return None
    name = hashlib.sha256(orjson.dumps(data, option=orjson.OPT_SORT_KEYS)).hexdigest()
    kid = data.get("kid")
    return VerifyingKey(name=name, kid=kid, algorithm=key.algorithm_name, key=key.key)
