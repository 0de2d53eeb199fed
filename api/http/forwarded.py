"""The address of a client, from the socket or from the headers of a trusted proxy.

``Forwarded`` is RFC 7239; ``X-Forwarded-For`` and ``X-Forwarded-Host`` have no standard.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, TypeAlias

from multidict import MultiMapping

Address: TypeAlias = IPv4Address | IPv6Address

_SUBSCRIBER_BITS: Final = 64
"""The prefix of IPv6 that one subscriber has at least: it may use any address of it."""
_HOPS_MAX: Final = 32
"""Hops that are looked at, from the nearest; a chain of more proxies is a malformed header."""
_NODE: Final = re.compile(
    r"\[(?P<bracketed>[^\]]+)\](?::\d{1,5})?|(?P<v4>[0-9.]+)(?::\d{1,5})?|(?P<v6>[0-9a-fA-F:.]+)",
    re.ASCII,
)
_NAME: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PAIR: Final = re.compile(rf'\s*({_NAME})=({_NAME}|"(?:[^"\\]|\\.)*")\s*(;|,|$)')
_HOST: Final = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]{1,255})(?::\d{1,5})?", re.ASCII)


class MalformedHeader(ValueError):
    """A forwarding header without a usable address."""


class TrustedProxies:
    """Decides which address a request came from.

    The headers of a trusted proxy name its peers, the nearest last. The client is the last of
    them that is not itself a trusted proxy: what stands before it was sent by the client.
    """

    def __init__(self, networks: Sequence[str] = ()) -> None:
        self._networks = tuple(ip_network(network) for network in networks)

    def __bool__(self) -> bool:
        return bool(self._networks)

    def trusts(self, peer: str) -> bool:
        """Whether ``peer``, the address of a socket, is a trusted proxy."""
        if not self._networks:
            return False
        address = _address(peer)
        return address is not None and self._includes(address)

    def _includes(self, address: Address) -> bool:
        return any(address in network for network in self._networks)

    def client(self, peer: str, headers: MultiMapping[str]) -> str:
        """The address of the client whose request came from the trusted proxy ``peer``.

        It is ``peer`` itself without a header, with a malformed one, and if the two headers
        disagree: then one of them was written by the client.
        """
        found: set[Address] = set()
        for name, hops_of in (("Forwarded", _forwarded_for), ("X-Forwarded-For", _listed)):
            if values := headers.getall(name, None):
                try:
                    found.add(self._client_of(hops_of(",".join(values))))
                except MalformedHeader:
                    return peer
        return str(found.pop()) if len(found) == 1 else peer

    def _client_of(self, hops: Sequence[str]) -> Address:
        address: Address | None = None
        for number, hop in enumerate(reversed(hops)):
            address = _hop_address(hop)
            if address is None or number >= _HOPS_MAX:
                raise MalformedHeader
            if not self._includes(address):
                return address
        if address is None:
            raise MalformedHeader
        return address


def forwarded_host(headers: MultiMapping[str]) -> str | None:
    """The host that the client named, as the nearest proxy forwards it."""
    host = headers.get("X-Forwarded-Host", "").rpartition(",")[2].strip()
    return host if _HOST.fullmatch(host) else None


def counted_as(peer: str) -> str:
    """What connections and requests of ``peer`` are counted under: an IPv6 subscriber is one."""
    address = _address(peer)
    if isinstance(address, IPv6Address):
        return str(IPv6Network((address, _SUBSCRIBER_BITS), strict=False))
    return peer if address is None else str(address)


def _address(text: str) -> Address | None:
    """``None`` if it is no address. IPv4 in the form of IPv6 is IPv4."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _hop_address(hop: str) -> Address | None:
    """The address of a node as the headers write it, perhaps with a port."""
    found = _NODE.fullmatch(hop)
    return _address(found["bracketed"] or found["v4"] or found["v6"]) if found else None


def _listed(text: str) -> Sequence[str]:
    return [hop.strip() for hop in text.split(",")]


def _forwarded_for(text: str) -> Sequence[str]:
    """The ``for`` of each hop, empty where there is none; raises MalformedHeader."""
    return [pairs.get("for", "") for pairs in _elements(text)]


def _elements(text: str) -> Iterator[Mapping[str, str]]:
    """The pairs of each hop, in the order of the header; names in lower case."""
    at, pairs = 0, dict[str, str]()
    while at < len(text):
        found = _PAIR.match(text, at)
        if found is None or found[1].lower() in pairs:
            raise MalformedHeader
        value = found[2]
        if value.startswith('"'):
            value = re.sub(r"\\(.)", r"\1", value[1:-1])
        pairs[found[1].lower()] = value
        if found[3] != ";":
            yield pairs
            pairs = {}
        at = found.end()
    if pairs:
        raise MalformedHeader
