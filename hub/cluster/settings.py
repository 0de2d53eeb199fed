"""The settings of a cluster: sections ``[cluster]`` and ``[redis]`` of ``config.toml``."""

from dataclasses import dataclass, field
from typing import Annotated

from annotated_types import Ge, Le

from actors.bounds import NotNegative
from api.auth import MIN_SECRET_BYTES


@dataclass(frozen=True, kw_only=True, slots=True)
class RedisSettings:
    """The Redis stream between the nodes; without ``url`` this process is alone."""

    url: str = field(default="", repr=False)  # may hold a password
    stream: str = "chairside:events"
    keep_entries: Annotated[int, Ge(100)] = 20_000

    def __post_init__(self) -> None:
        if self.url and not self.url.startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("url begins with redis:// (or rediss://, unix://)")


@dataclass(frozen=True, kw_only=True, slots=True)
class ClusterSettings:
    """The internal address of this node, and the times of its lease."""

    name: str = ""
    """For people; not set: host and port."""
    host: str = ""
    """Where the other nodes reach this one; not set: as the database sees this machine."""
    port: Annotated[int, Ge(0), Le(65_535)] = 0
    advertise: str = ""
    """The address that other nodes use, if it is not host and port."""
    key: str = field(default="", repr=False)
    lease_s: Annotated[float, Ge(1), Le(60)] = 6.0
    renew_s: Annotated[float, Ge(0.1), Le(20)] = 2.0
    repair_s: Annotated[float, Ge(0.1), Le(60)] = 2.0
    drain_s: NotNegative = 3.0

    def __post_init__(self) -> None:
        if self.lease_s < 2 * self.renew_s:
            raise ValueError(
                "lease_s must be twice cluster.renew_s or more"
                f" ({2 * self.renew_s:g}), not {self.lease_s:g}: one renewal may fail"
            )
        if self.key and len(self.key.encode()) < MIN_SECRET_BYTES:
            raise ValueError(f"key must be {MIN_SECRET_BYTES} bytes or more")
        if self.advertise and not self.advertise.startswith(("http://", "https://")):
            raise ValueError("advertise is an address such as http://10.0.0.7:8090")
