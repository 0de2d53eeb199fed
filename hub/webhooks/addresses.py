"""Which addresses get deliveries: public ones, and those in allowed networks.

The owner of a webhook chooses where the hub sends requests. Addresses that only the hub can
reach (this machine, its network, the metadata service of its cloud) are refused, whether they
are written as a name, as a number or inside an IPv6 address.
"""

import ipaddress
from collections.abc import Sequence
from typing import Final

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_NEVER: Final[tuple[Network, ...]] = tuple(
    map(
        ipaddress.ip_network,
        (
            "168.63.129.16/32",  # Azure's host, a public number
            "192.0.0.0/24",  # protocol assignments; Oracle's metadata
            "192.88.99.0/24",  # 6to4 relays, withdrawn
            "192.31.196.0/24",  # AS112: the nearest server may be inside the operator's network
            "192.52.193.0/24",  # multicast tunnels
            "192.175.48.0/24",  # AS112
            "64:ff9b:1::/48",  # translation into a local IPv4 network
            "2001::/23",  # Teredo and other protocol assignments
            "2620:4f:8000::/48",  # AS112
            "3ffe::/16",  # the 6bone, withdrawn
            "3fff::/20",  # documentation; newer than the lists of some Python versions
            "5f00::/16",  # segment routing
        ),
    )
)
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
_COMPATIBLE: Final = ipaddress.IPv6Network("::/96")
_ISATAP: Final = 0x0000_5EFE
_ISATAP_MASK: Final = 0xFDFF_FFFF
"""Bits 32 to 63 of an ISATAP address, without the bit for "globally unique" (RFC 5214 §6.1)."""


class RefusedAddress(Exception):
    """No delivery to this address. The text hides the operator's network."""


def networks(texts: Sequence[str]) -> tuple[Network, ...]:
    """Raises ValueError for a text that is not a network."""
    return tuple(ipaddress.ip_network(text) for text in texts)


class AddressRules:
    """Refuses addresses that are neither public nor in an allowed network."""

    def __init__(self, allowed: Sequence[Network] = ()) -> None:
        self._allowed = tuple(allowed)

    def check(self, address: str) -> None:
        """Raises RefusedAddress."""
        parsed = ipaddress.ip_address(address)
        if not (self._is_allowed(parsed) or is_public(parsed)):
            raise RefusedAddress("the address is not on the public internet")

    def check_literal(self, host: str) -> None:
        """Checks a host that is an address itself. Raises RefusedAddress.

        Names are checked when they are resolved. Addresses must be written in full: some
        programs take ``127.1`` and ``2130706433`` for addresses, others for names.
        """
        if ":" in host or host.replace(".", "").isdigit():
            try:
                ipaddress.ip_address(host)
            except ValueError:
                raise RefusedAddress("an address of numbers must be written in full") from None
            self.check(host)

    def _is_allowed(self, address: Address) -> bool:
        plain = embedded(address) or address
        return any(plain.version == net.version and plain in net for net in self._allowed)


def is_public(address: Address) -> bool:
    """Whether the address leads to the same public host from everywhere."""
    inner = embedded(address)
    if inner is not None:
        return is_public(inner)
    if isinstance(address, ipaddress.IPv6Address) and (
        address.scope_id is not None or address.is_site_local
    ):
        return False
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and not any(address.version == net.version and address in net for net in _NEVER)
    )


def embedded(address: Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address inside an IPv6 address, if there is one."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if (inner := address.ipv4_mapped or address.sixtofour) is not None:
        return inner
    plain = ipaddress.IPv6Address(int(address))  # without a scope
    is_isatap = (int(plain) >> 32) & _ISATAP_MASK == _ISATAP
    if plain in _NAT64 or is_isatap or (plain in _COMPATIBLE and int(plain) > 1):
        return ipaddress.IPv4Address(int(plain) & 0xFFFF_FFFF)
    return None
