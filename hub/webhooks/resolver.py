"""Resolves names of receivers and checks the addresses before it connects.

A connection goes to the addresses that were checked. No second lookup happens whose answer
could differ (DNS rebinding).
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from aiohttp.abc import AbstractResolver, ResolveResult

from hub.webhooks.addresses import AddressRules, RefusedAddress

NOT_PUBLIC = "the name does not lead to an address on the public internet"

_THREADS = 8
"""Concurrent lookups. Webhooks have their own threads, so a slow name server delays no one else."""

Lookup = Callable[[str, int], Awaitable[Sequence[str]]]
"""Returns the addresses of a host name, for a port; raises OSError."""


class SystemLookup:
    """Looks names up with ``getaddrinfo``, in threads of its own.

    ``getaddrinfo`` also understands ``127.1`` and ``0x7f000001``; the address that they mean
    is what is checked.
    """

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
    """The resolver of aiohttp's connector: it refuses names with any refused address.

    A name with a public and a private address is an attack or a mistake.
    """

    def __init__(self, rules: AddressRules, lookup: Lookup) -> None:
        self._rules, self._lookup = rules, lookup

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Raises RefusedAddress, with one text for unknown and for private names.

        So a caller cannot find out which names the operator's network has.
        """
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
        """Nothing to close: the lookup belongs to the caller."""
