"""The settings of the HTTP server: section ``[server]`` of ``config.toml``."""

import re
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Annotated, Literal

from annotated_types import Ge, Le

from actors.bounds import NotNegative, Positive

_PUBLIC_URL = re.compile(
    r"https://[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::[0-9]{1,5})?"
    r"|http://localhost(?::[0-9]{1,5})?",
    re.ASCII,
)
"""As browsers write it in ``Origin``, so that the two can be compared."""
CountOrNone = Annotated[int, Ge(0)]
"""0: no limit."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerSettings:
    """Where the hub listens, what its connections may take, and how it stops."""

    environment: Literal["development", "production", "demo"] = "development"
    host: str = "127.0.0.1"
    port: Annotated[int, Ge(0), Le(65_535)] = 8080
    public_url: str = ""
    """Where browsers reach the hub: https, or http://localhost; empty: nobody signs in there."""
    shutdown_grace_s: NotNegative = 10.0
    first_byte_timeout_s: Positive = 10.0
    head_timeout_s: Positive = 10.0
    body_timeout_s: Positive = 30.0
    send_timeout_s: Positive = 120.0
    keep_alive_s: Positive = 30.0
    max_connections: CountOrNone = 0
    """Never more than the limit of open files allows."""
    max_connections_per_address: CountOrNone = 1000
    trusted_proxies: tuple[str, ...] = ()
    """Addresses and networks whose ``Forwarded`` and ``X-Forwarded-*`` headers are believed."""

    @property
    def is_demo(self) -> bool:
        """Whether the people are invented: links with tokens sign in, and codes do staff."""
        return self.environment == "demo"

    def __post_init__(self) -> None:
        if self.public_url and not _PUBLIC_URL.fullmatch(self.public_url):
            raise ValueError(
                'public_url must be an address without a path, such as "https://clinic.example";'
                " http is accepted for localhost only"
            )
        for network in self.trusted_proxies:
            try:
                ip_network(network)
            except ValueError:
                raise ValueError(
                    f'trusted_proxies: "{network}" is no address or network;'
                    ' write it like "10.0.0.7" or "10.0.0.0/24"'
                ) from None
