"""Whether a webhook may still receive events."""

from actors.domain.channels import Channel
from actors.domain.refusals import ConsentRequired, NotFound
from actors.domain.webhook import DisabledReason, Webhook, may_deliver
from actors.ports.clock import Clock
from actors.ports.webhooks import TrustedKeys
from actors.services.consents import ConsentCheck
from actors.services.directory import Directory


class DeliveryRights:
    """Checks the rights of a webhook's owner, before each delivery and when they may have ended."""

    def __init__(
        self, directory: Directory, consents: ConsentCheck, keys: TrustedKeys, clock: Clock
    ) -> None:
        self._directory, self._consents = directory, consents
        self._keys, self._clock = keys, clock

    async def lapsed(self, webhook: Webhook) -> DisabledReason | None:
        """Why the webhook ends without any event: its time, or its key. Reads no database.

        Raises Unavailable while the keys are not known.
        """
        now = self._clock.now()
        if webhook.expires_at is not None and now >= webhook.expires_at:
            return DisabledReason.EXPIRED
        if webhook.rights_until is not None and now >= webhook.rights_until:
            return DisabledReason.RIGHTS_ENDED
        if not await self._keys.accepts(webhook.key_id):
            return DisabledReason.KEY_REMOVED
        return None

    async def ended(self, webhook: Webhook, channel: Channel) -> DisabledReason | None:
        """Why an event of the channel may not be delivered; ``None`` if it may.

        Raises Unavailable while the keys are not known.
        """
        if reason := await self.lapsed(webhook):
            return reason
        if webhook.patient is not None:
            try:
                if await self._directory.patient(webhook.patient) != webhook.patient:
                    return DisabledReason.RIGHTS_ENDED  # merged into another one
                await self._consents.require(webhook.owner)
            except NotFound:
                return DisabledReason.RIGHTS_ENDED
            except ConsentRequired:
                return DisabledReason.CONSENT_ENDED
        return None if may_deliver(webhook.owner, channel) else DisabledReason.RIGHTS_ENDED
