"""What an identity provider publishes of itself (OpenID Connect Discovery 1.0), and requests to it.

Every request has a time limit, every response a size limit; redirects are not followed.
"""

import asyncio
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

import aiohttp
import orjson
import structlog
from authlib.oidc.discovery import get_well_known_url

from actors.domain.refusals import InvalidToken, Unavailable
from actors.ports.clock import Clock
from api.keys import refuse_unsafe_source

log = structlog.get_logger(__name__)

Json: TypeAlias = Mapping[str, object]

RESPONSE_MAX_BYTES: Final = 256 * 1024
_KEPT_S: Final = 300.0
_RETRY_S: Final = 2.0
"""Shortest time between two attempts to read it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ProviderMetadata:
    """Addresses of the provider, and how it does things."""

    authorization: str
    token: str
    jwks: str
    userinfo: str | None
    client_auth: tuple[str, ...]
    sends_issuer: bool
    """Whether its responses always name it (RFC 9207)."""


class Discovery:
    """Reads the metadata when they are needed and old. The last ones are used if that fails."""

    def __init__(self, issuer: str, clock: Clock, *, timeout_s: float) -> None:
        self._issuer, self._clock, self._timeout_s = issuer, clock, timeout_s
        self._found: ProviderMetadata | None = None
        self._read_at = self._tried_at = -math.inf
        self._reading = asyncio.Lock()

    async def metadata(self) -> ProviderMetadata:
        """Raises Unavailable."""
        async with self._reading:
            now = self._clock.monotonic()
            if now - self._read_at >= _KEPT_S and now - self._tried_at >= _RETRY_S:
                self._tried_at = now
                await self._read()
        if self._found is None:
            raise Unavailable
        return self._found

    async def _read(self) -> None:
        try:
            address = get_well_known_url(self._issuer, external=True)
            self._found = _parsed(await self.request("GET", address), self._issuer)
            self._read_at = self._clock.monotonic()
        except (Unavailable, InvalidToken, ValueError) as error:
            why = f"{type(error).__name__}: {error}"[:200]
            log.warning("identity_provider_unreadable", reason=why)

    async def request(
        self, method: str, address: str, *, body: str | None = None, headers: Json | None = None
    ) -> Json:
        """A JSON object of the provider. Raises Unavailable, and InvalidToken if it refuses."""
        content = orjson.loads(await self.read(method, address, body=body, headers=headers))
        if not isinstance(content, dict):
            raise InvalidToken("the provider's response is no JSON object")
        return content

    async def read(
        self, method: str, address: str, *, body: str | None = None, headers: Json | None = None
    ) -> bytes:
        """The body of a response with status 200. Raises as :meth:`request`."""
        timeout = aiohttp.ClientTimeout(total=self._timeout_s)
        sent = {"Accept": "application/json", **{k: str(v) for k, v in (headers or {}).items()}}
        try:
            async with (
                aiohttp.ClientSession(
                    timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()
                ) as session,
                session.request(
                    method, address, data=body, headers=sent, allow_redirects=False
                ) as response,
            ):
                if 400 <= response.status < 500:
                    raise InvalidToken(f"the provider answered {response.status}")
                if response.status != 200:
                    raise Unavailable
                return await _bounded(response)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            log.warning("identity_provider_unreachable", reason=type(error).__name__)
            raise Unavailable from error


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    content = bytearray()
    async for part in response.content.iter_chunked(16 * 1024):
        content += part
        if len(content) > RESPONSE_MAX_BYTES:
            raise InvalidToken("the provider's response is too large")
    return bytes(content)


def _parsed(document: Json, issuer: str) -> ProviderMetadata:
    """Raises ValueError unless it is of this issuer, and its addresses are safe."""
    if document.get("issuer") != issuer:
        raise ValueError("the metadata are of another issuer")
    userinfo = document.get("userinfo_endpoint")
    methods = document.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
    return ProviderMetadata(
        authorization=_address(document.get("authorization_endpoint")),
        token=_address(document.get("token_endpoint")),
        jwks=_address(document.get("jwks_uri")),
        userinfo=None if userinfo is None else _address(userinfo),
        client_auth=tuple(map(str, methods)) if isinstance(methods, list) else (),
        sends_issuer=document.get("authorization_response_iss_parameter_supported") is True,
    )


def _address(value: object) -> str:
    if not isinstance(value, str) or "://" not in value:
        raise ValueError("an address is missing")
    refuse_unsafe_source(value)
    return value
