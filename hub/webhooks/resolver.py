"""Names to addresses, checked before anything connects to them.

The connection is made to the very addresses that were checked: there is no second look-up
whose answer could be another one (DNS rebinding).
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from aiohttp.abc import AbstractResolver, ResolveResult

from hub.webhooks.addresses import AddressRules, RefusedAddress

NOT_PUBLIC = "the name does not lead to an address on the public internet"

_THREADS = 8
"""Look-ups at once; a name server that hangs costs nobody else's threads."""

Lookup = Callable[[str, int], Awaitable[Sequence[str]]]
"""A name's addresses; raises OSError."""


class SystemLookup:
    """``getaddrinfo``, in threads of its own: it understands ``127.1`` and ``0x7f000001``,
    too, so that these are checked as what they mean."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="webhook-dns")

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(
            self._threads, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        )
        return [str(address[0]) for _, _, _, _, address in found]

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


class GuardedResolver(AbstractResolver):
    """For aiohttp's connector. One refused address refuses the name: what answers one
    question with a public and a private address is a trick, or a mistake."""

    def __init__(self, rules: AddressRules, lookup: Lookup) -> None:
        self._rules, self._lookup = rules, lookup

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Raises RefusedAddress, in the same words for a name that nobody knows: who may
        only ask does not learn which names the operator's network has."""
        try:
            addresses = await self._lookup(host, port)
            for address in addresses:
                self._rules.check(address)
        except (OSError, UnicodeError, RefusedAddress):
            raise RefusedAddress(NOT_PUBLIC) from None
        if not addresses:
            raise RefusedAddress(NOT_PUBLIC)
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address in dict.fromkeys(addresses)
        ]

    async def close(self) -> None:
        """Whoever made the look-up ends it."""
