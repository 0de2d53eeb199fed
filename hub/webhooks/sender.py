"""Sends one message to one receiver, with bounds on time, size and destination."""

import asyncio
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

import aiohttp
from yarl import URL

from actors.domain.refusals import ValidationFailed
from actors.ports.webhooks import Attempt, Target
from hub import __version__
from hub.webhooks.addresses import AddressRules, RefusedAddress, networks
from hub.webhooks.messages import WebhookMessage
from hub.webhooks.resolver import NOT_PUBLIC, GuardedResolver, Lookup, SystemLookup
from hub.webhooks.settings import WebhookSettings

_CHECK_S: Final = 5.0
_RETRY_AFTER_DIGITS: Final = 12
"""Longer numbers mean "never"; the caller caps the wait."""


class Sender:
    """Posts messages to receivers.

    It follows no redirect, keeps no cookie and ignores proxies of the environment. Of an
    answer it reads only the status and ``Retry-After``.
    """

    def __init__(self, settings: WebhookSettings, lookup: Lookup | None = None) -> None:
        self._schemes = ("https", "http") if settings.allow_http else ("https",)
        self._rules = AddressRules(networks(settings.allowed_networks))
        self._lookup: Lookup = lookup or SystemLookup()
        self._resolver = GuardedResolver(self._rules, self._lookup)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                resolver=self._resolver,
                use_dns_cache=False,  # every connection is checked
                limit=0,  # the dispatcher limits the connections
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=settings.timeout_s),
            auto_decompress=False,
            headers={"User-Agent": f"Chairside/{__version__} (webhooks)"},
        )

    async def close(self) -> None:
        await self._session.close()
        if isinstance(self._lookup, SystemLookup):
            self._lookup.close()

    async def check(self, text: str) -> None:
        """Raises ValidationFailed for an address that would be refused now."""
        try:
            url = self._url(text)
            async with asyncio.timeout(_CHECK_S):
                await self._resolver.resolve(url.raw_host or "", url.port or 0)
        except RefusedAddress as refused:
            raise ValidationFailed.of("url", str(refused)) from None
        except TimeoutError:
            raise ValidationFailed.of("url", NOT_PUBLIC) from None

    async def send(self, target: Target, message: WebhookMessage, now: datetime) -> Attempt:
        """Makes one attempt; failures of the receiver or network are in the result."""
        began = time.perf_counter()
        try:
            url = self._url(target.view.webhook.url)
            async with self._session.post(
                url,
                data=message.body,
                headers=message.headers(target.secrets, now),
                allow_redirects=False,
            ) as response:
                status = response.status
                asked_s = retry_after_s(response.headers.get("Retry-After"), now)
                if not response.content.at_eof():
                    response.close()  # the body is never read, whatever its length
        except (TimeoutError, aiohttp.ClientError, OSError, RefusedAddress, ValueError) as error:
            return Attempt(status=None, duration_ms=_ms_since(began), error=_reason(error))
        return Attempt(
            status=status,
            duration_ms=_ms_since(began),
            error=None if 200 <= status < 300 else f"answered {status}",
            retry_after_s=asked_s,
        )

    def _url(self, text: str) -> URL:
        """Parses strictly. Raises RefusedAddress."""
        try:
            url = URL(text)
            port = url.port
        except ValueError:
            raise RefusedAddress("is not an address") from None
        if url.scheme not in self._schemes:
            schemes = " or ".join(f"{scheme}://" for scheme in self._schemes)
            raise RefusedAddress(f"must begin with {schemes}")
        if not url.raw_host or url.raw_user or url.raw_password or url.raw_fragment or not port:
            raise RefusedAddress("must have a host, and neither a user, a password nor a fragment")
        self._rules.check_literal(url.raw_host)
        return url


def host_and_port(url: str) -> str:
    """Identifies the receiver in limits and logs, without the path."""
    try:
        parsed = URL(url)
        return f"{parsed.raw_host}:{parsed.port}"
    except ValueError:
        return "?"


def _reason(error: Exception) -> str:
    """The reason in a few words for the owner, without any text of the receiver."""
    match error:
        case RefusedAddress():
            return str(error)
        case TimeoutError():
            return "no answer in time"
        case aiohttp.ClientSSLError():
            return "the certificate is not accepted"
        case aiohttp.ClientConnectionError() | OSError():
            return "the connection failed"
        case _:
            return "the answer is not HTTP"


def _ms_since(began: float) -> float:
    return round((time.perf_counter() - began) * 1_000, 2)


def retry_after_s(header: str | None, now: datetime) -> float | None:
    """The wait of a ``Retry-After`` header, not capped: seconds or an HTTP-date (RFC 9110 §10.2.3).

    ``None`` without the header, or for any other text; 0 for a date in the past.
    """
    text = (header or "").strip()
    if text.isascii() and text.isdecimal():
        return float(text) if len(text) <= _RETRY_AFTER_DIGITS else float("inf")
    try:
        until = parsedate_to_datetime(text)
        # the asctime form has no zone, and means UTC as the others do
        until = until if until.tzinfo else until.replace(tzinfo=UTC)
        return max(0.0, (until - now).total_seconds())
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
