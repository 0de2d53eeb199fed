"""Whether a webhook may still receive events."""

from actors.domain.channels import Channel
from actors.domain.refusals import NotFound
from actors.domain.webhook import Webhook, may_deliver
from actors.ports.clock import Clock
from actors.services.directory import Directory


class DeliveryRights:
    """Checks the rights of a webhook's owner before each delivery."""

    def __init__(self, directory: Directory, clock: Clock) -> None:
        self._directory, self._clock = directory, clock

    async def __call__(self, webhook: Webhook, channel: Channel) -> bool:
        if webhook.rights_until is not None and self._clock.now() >= webhook.rights_until:
            return False
        if webhook.patient is not None:
            try:
                await self._directory.patient(webhook.patient)
            except NotFound:
                return False
        return may_deliver(webhook.owner, channel)
