"""What ``chairside check`` reports about connections: limits, and the proxies in front."""

from collections.abc import Iterator
from ipaddress import ip_network
from typing import Final

from api.http.connections import descriptor_limit
from hub.cli.check_result import CheckResult, warning
from hub.config import Config

_EVERYONE_BITS: Final = {4: 8, 6: 16}
"""Networks with shorter prefixes, by version, contain clients too."""


def check_connections(config: Config) -> Iterator[CheckResult]:
    server = config.server
    if not server.trusted_proxies and (why := _why_a_proxy(config)):
        yield warning(
            f"server.trusted_proxies is not set, and {why}: without the addresses of the load"
            " balancer, all its clients count as one"
        )
    for network in server.trusted_proxies:
        parsed = ip_network(network)
        if parsed.prefixlen < _EVERYONE_BITS[parsed.version]:
            yield warning(
                f"server.trusted_proxies contains {network}: clients in it can claim any address"
            )
    allowed = descriptor_limit()
    if server.max_connections > allowed:
        yield warning(
            f"server.max_connections is {server.max_connections}, but the limit of open files"
            f" allows {allowed}: raise it (`ulimit -n`, LimitNOFILE)"
        )


def _why_a_proxy(config: Config) -> str | None:
    """Why a load balancer or a reverse proxy is likely; ``None`` if it is not."""
    if config.is_clustered:
        return "several nodes need a load balancer"
    if config.server.environment == "production":
        return "in production a proxy terminates TLS, for the hub has none"
    return None
