"""One request to one receiver: bounded in every direction, and never somewhere else."""

import asyncio
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import aiohttp
from yarl import URL

from actors.domain.refusals import ValidationFailed
from actors.ports.webhooks import Attempt, Target
from hub import __version__
from hub.webhooks.addresses import AddressRules, Network, RefusedAddress
from hub.webhooks.messages import Message
from hub.webhooks.resolver import NOT_PUBLIC, GuardedResolver, Lookup, SystemLookup

_CHECK_S: Final = 5.0
_RETRY_AFTER_DIGITS: Final = 6


@dataclass(frozen=True, kw_only=True, slots=True)
class SenderSettings:
    allowed: tuple[Network, ...] = ()
    """Networks that may be delivered to although they are not public."""
    allow_http: bool = False
    timeout_s: float = 10.0
    """From the look-up of the name to the status of the answer."""


class Sender:
    """No redirect is followed, no cookie kept, no proxy of the environment used; of an
    answer only the status and one header are looked at."""

    def __init__(self, settings: SenderSettings, lookup: Lookup | None = None) -> None:
        self._settings = settings
        self._rules = AddressRules(settings.allowed)
        self._system = None if lookup else SystemLookup()
        self._resolver = GuardedResolver(self._rules, lookup or self._system)  # type: ignore[arg-type]  # one of the two is there
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                resolver=self._resolver,
                use_dns_cache=False,  # every connection is checked
                limit=0,  # the dispatcher bounds how many there are
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=settings.timeout_s),
            auto_decompress=False,
            headers={"User-Agent": f"Chairside/{__version__} (webhooks)"},
        )

    async def close(self) -> None:
        await self._session.close()
        if self._system is not None:
            self._system.close()

    async def check(self, text: str) -> None:
        """Raises ValidationFailed for an address that nothing will be delivered to now."""
        try:
            url = self._url(text)
            async with asyncio.timeout(_CHECK_S):
                await self._resolver.resolve(url.raw_host or "", url.port or 0)
        except RefusedAddress as refused:
            raise ValidationFailed.of("url", str(refused)) from None
        except TimeoutError:
            raise ValidationFailed.of("url", NOT_PUBLIC) from None

    async def send(self, target: Target, message: Message, now: datetime) -> Attempt:
        """Never raises for what the receiver or the network does."""
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
                retry_after_s = _seconds(response.headers.get("Retry-After"))
                if not response.content.at_eof():
                    response.close()  # nobody reads it, however long it is
        except (TimeoutError, aiohttp.ClientError, OSError, RefusedAddress, ValueError) as error:
            return Attempt(status=None, duration_ms=_ms(began), error=_why(error))
        return Attempt(
            status=status,
            duration_ms=_ms(began),
            error=None if 200 <= status < 300 else f"answered {status}",
            retry_after_s=retry_after_s,
        )

    def _url(self, text: str) -> URL:
        """Raises RefusedAddress; what is written oddly is refused, not guessed at."""
        try:
            url = URL(text)
            port = url.port
        except ValueError:
            raise RefusedAddress("is not an address") from None
        schemes = ("https", "http") if self._settings.allow_http else ("https",)
        if url.scheme not in schemes:
            raise RefusedAddress(f"must begin with {' or '.join(f'{s}://' for s in schemes)}")
        if not url.raw_host or url.raw_user or url.raw_password or url.raw_fragment or not port:
            raise RefusedAddress("must have a host, and neither a user, a password nor a fragment")
        self._rules.check_literal(url.raw_host)
        return url


def target_of(url: str) -> str:
    """Host and port: what is bounded, and what logs say."""
    try:
        parsed = URL(url)
        return f"{parsed.raw_host}:{parsed.port}"
    except ValueError:
        return "?"


def _why(error: Exception) -> str:
    """For the owner, in a few words; never what anybody else said."""
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


def _ms(began: float) -> float:
    return round((time.perf_counter() - began) * 1_000, 2)


def _seconds(retry_after: str | None) -> float | None:
    """Whole seconds only; a date is not worth trusting the receiver's clock."""
    text = (retry_after or "").strip()
    if text.isascii() and text.isdecimal() and len(text) <= _RETRY_AFTER_DIGITS:
        return float(text)
    return None
