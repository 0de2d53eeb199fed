"""Which address a request came from, behind proxies and without."""

import pytest
from aiohttp import web
from multidict import CIMultiDict

from api.http.forwarded import TrustedProxies
from hub.config import load_config
from hub.config_reader import ConfigError
from tests.unit.http_world import http_world

PEER = "10.0.0.1"
PROXIES = TrustedProxies(["10.0.0.0/24", "192.0.2.9", "2001:db8:1::/48"])


def client(*headers: tuple[str, str]) -> str:
    return PROXIES.client(PEER, CIMultiDict(headers))


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("1.1.1.1, 203.0.113.7", "203.0.113.7"),
        ("203.0.113.7, 10.0.0.2", "203.0.113.7"),
        ("203.0.113.7 ,192.0.2.9,10.0.0.2", "203.0.113.7"),
        ("203.0.113.7:4711", "203.0.113.7"),
        ("[2001:db8:2::1]:4711", "2001:db8:2::1"),
        ("2001:db8:2::1, 2001:db8:1::5", "2001:db8:2::1"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("::ffff:10.0.0.2", "10.0.0.2"),  # all hops are proxies: the first of them asks
        ("nonsense, 203.0.113.7", "203.0.113.7"),  # what stands before was sent by the client
        ("203.0.113.7, nonsense", PEER),
        ("203.0.113.7, unknown", PEER),
        ("203.0.113.7,", PEER),
        ("", PEER),
        (" ", PEER),
        ("203.0.113.007", PEER),
        ("203.0.113.7:port", PEER),
        ("203.0.113.7\x00", PEER),
        ("1" * 20_000, PEER),
        (",".join(["10.0.0.2"] * 5_000), PEER),
    ],
)
def test_the_last_hop_that_is_no_proxy_is_the_client(sent: str, expected: str) -> None:
    assert client(("X-Forwarded-For", sent)) == expected


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("for=203.0.113.7", "203.0.113.7"),
        ("For=203.0.113.7;proto=https;by=10.0.0.1", "203.0.113.7"),
        ('proto=http; for="203.0.113.7:4711"', "203.0.113.7"),
        ('for="[2001:db8:2::1]:4711"', "2001:db8:2::1"),
        ("for=1.1.1.1, for=203.0.113.7, for=10.0.0.3", "203.0.113.7"),
        ('for="1.1.1.1, for=2.2.2.2", for=203.0.113.7', "203.0.113.7"),
        ("proto=https, for=203.0.113.7", "203.0.113.7"),
        ("for=203.0.113.7, proto=https", PEER),
        ("for=_hidden", PEER),
        ("for=unknown", PEER),
        ("for=2001:db8:2::1", PEER),  # an IPv6 address must be quoted
        ('for="203.0.113.7', PEER),
        ("for=1.1.1.1;for=203.0.113.7", PEER),
        ("203.0.113.7", PEER),
        ("for=203.0.113.7;", PEER),
        ("=", PEER),
    ],
)
def test_the_standard_header_is_read_in_the_same_way(sent: str, expected: str) -> None:
    assert client(("Forwarded", sent)) == expected


def test_several_headers_are_one_list() -> None:
    sent = [("X-Forwarded-For", hop) for hop in ("1.1.1.1", "203.0.113.7", "10.0.0.2")]
    assert client(*sent) == "203.0.113.7"


def test_headers_that_disagree_are_ignored() -> None:
    """A proxy writes one of them, and passes on what its client wrote into the other."""
    both = (("Forwarded", "for=198.51.100.1"), ("X-Forwarded-For", "203.0.113.7"))
    assert client(*both) == PEER
    same = (("Forwarded", "for=203.0.113.7"), ("X-Forwarded-For", "203.0.113.7"))
    assert client(*same) == "203.0.113.7"


def test_without_a_header_the_proxy_is_the_client() -> None:
    assert client() == PEER


@pytest.mark.parametrize("network", ["10.0.0.1/24", "proxy.example", "10.0.0.0/33", "*", "::1/x"])
def test_a_network_that_is_none_is_refused(network: str) -> None:
    with pytest.raises(ConfigError, match=r"server\.trusted_proxies"):
        load_config(None, {"CHAIRSIDE_SERVER_TRUSTED_PROXIES": network})


def test_networks_are_a_setting() -> None:
    config = load_config(None, {"CHAIRSIDE_SERVER_TRUSTED_PROXIES": "10.0.0.7, 2001:db8::/32"})
    assert config.server.trusted_proxies == ("10.0.0.7", "2001:db8::/32")


async def _seen(request: web.Request) -> web.Response:
    return web.Response(text=f"{request.remote} {request.host}")


@pytest.mark.parametrize(
    ("trusted", "expected"),
    [(("127.0.0.1",), b"203.0.113.7 clinic.example"), ((), b"127.0.0.1 hub")],
)
async def test_only_a_trusted_proxy_is_believed(trusted: tuple[str, ...], expected: bytes) -> None:
    async with http_world([web.get("/seen", _seen)], trusted_proxies=trusted) as w:
        connection = await w.connect()
        for _ in range(2):
            answer = await connection.get(
                "/seen", "X-Forwarded-For: 203.0.113.7", "X-Forwarded-Host: clinic.example"
            )
            assert answer.body == expected


@pytest.mark.parametrize("host", ["", "a b", "clinic.example/evil", "[::1", "é"])
async def test_a_malformed_host_is_not_believed(host: str) -> None:
    async with http_world([web.get("/seen", _seen)], trusted_proxies=("127.0.0.1",)) as w:
        answer = await (await w.connect()).get("/seen", f"X-Forwarded-Host: {host}")
        assert answer.body == b"127.0.0.1 hub"
