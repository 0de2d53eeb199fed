"""What ``chairside check`` reports about proxies and limits of connections."""

import sys
from typing import Any

import pytest

from api.http.settings import ServerSettings
from hub.cli.check_connections import check_connections
from hub.cluster.settings import RedisSettings
from hub.config import Config
from store.settings import DatabaseSettings

CLUSTER = {
    "redis": RedisSettings(url="redis://redis:6379/0"),
    "database": DatabaseSettings(url="postgresql://user@db/clinic"),
}


def warnings(server: dict[str, Any], **sections: Any) -> list[str]:
    results = list(check_connections(Config(server=ServerSettings(**server), **sections)))
    assert all(result.ok and result.warning for result in results)
    return [result.what for result in results]


@pytest.mark.parametrize(
    ("server", "sections"),
    [({"environment": "production"}, {}), ({}, CLUSTER), ({"environment": "demo"}, CLUSTER)],
)
def test_a_missing_proxy_is_a_warning_where_one_is_likely(
    server: dict[str, Any], sections: dict[str, Any]
) -> None:
    (warned,) = warnings(server, **sections)
    assert "server.trusted_proxies" in warned
    assert warnings({**server, "trusted_proxies": ("10.0.0.7",)}, **sections) == []


def test_a_hub_on_one_machine_needs_no_proxy() -> None:
    assert warnings({}) == []
    assert warnings({"environment": "demo"}) == []


@pytest.mark.parametrize(
    ("network", "is_warned"),
    [("0.0.0.0/0", True), ("::/0", True), ("10.0.0.0/8", False), ("fd00::/16", False)],
)
def test_a_network_that_contains_clients_is_a_warning(network: str, is_warned: bool) -> None:
    assert bool(warnings({"trusted_proxies": (network,)})) is is_warned


def test_a_limit_that_the_system_does_not_allow_is_a_warning() -> None:
    (warned,) = warnings({"max_connections": sys.maxsize - 1})
    assert "server.max_connections" in warned
    assert warnings({"max_connections": 10}) == []
