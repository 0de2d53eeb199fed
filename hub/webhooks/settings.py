"""The settings of webhooks: section ``[webhooks]`` of ``config.toml``."""

import ipaddress
from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Le

from actors.bounds import Count, NotNegative, Positive


@dataclass(frozen=True, kw_only=True, slots=True)
class WebhookSettings:
    """Which receivers are allowed, and the limits of deliveries to them."""

    allowed_networks: tuple[str, ...] = ()
    """Networks that may be delivered to although they are not public."""
    allow_http: bool = False
    timeout_s: Positive = 10.0
    """From the look-up of the name to the status of the answer."""
    concurrency: Count = 50
    """Requests under way at once."""
    concurrency_per_target: Count = 4
    retry_first_s: Positive = 5.0
    retry_longest_s: Positive = 14_400.0
    give_up_after_hours: Positive = 24.0
    old_secret_hours: NotNegative = 24.0
    lifetime_days: Annotated[float, Ge(0.001), Le(3_650)] = 90.0
    """After its last renewal by its owner."""

    def retry_wait_s(self, attempts: int, jitter: float) -> float:
        """The wait after so many failures, exponential as Standard Webhooks recommends.

        ``jitter`` in [0, 1) shortens it by up to half.
        """
        assert attempts >= 1, "an attempt has failed"
        assert 0 <= jitter < 1
        step_s = min(self.retry_longest_s, self.retry_first_s * 2.0 ** min(attempts - 1, 30))
        return step_s * (1 - jitter / 2)

    def __post_init__(self) -> None:
        for text in self.allowed_networks:
            try:
                ipaddress.ip_network(text)
            except ValueError:
                raise ValueError(
                    f'allowed_networks must hold networks such as "10.1.0.0/16", not "{text}"'
                ) from None
