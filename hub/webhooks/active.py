"""The active webhooks in memory: their channels and their progress."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence, Set
from dataclasses import dataclass

from actors.domain.channels import Channel
from actors.domain.webhook import DeliveryProgress, Webhook, WebhookId
from actors.ports.webhooks import Target

Feed = tuple[WebhookId, Channel]
"""One channel of one webhook; its events are delivered in order."""


@dataclass(slots=True, eq=False)
class ActiveWebhook:
    """A webhook as it was loaded, and its progress since then.

    A change replaces the object, so a delivery under way sees that its object is outdated.
    """

    target: Target
    progress: dict[Channel, DeliveryProgress]

    @property
    def webhook(self) -> Webhook:
        return self.target.view.webhook


class ActiveWebhooks:
    """The webhooks that this process delivers, by id and by channel."""

    def __init__(self) -> None:
        self._by_id: dict[WebhookId, ActiveWebhook] = {}
        self._by_channel: dict[Channel, set[WebhookId]] = defaultdict(set)

    def __len__(self) -> int:
        return len(self._by_id)

    def get(self, webhook_id: WebhookId) -> ActiveWebhook | None:
        return self._by_id.get(webhook_id)

    def is_current(self, active: ActiveWebhook) -> bool:
        """False once the webhook was changed, moved or removed."""
        return self._by_id.get(active.webhook.id) is active

    def put(self, target: Target) -> ActiveWebhook:
        webhook_id = target.view.webhook.id
        self.drop(webhook_id)
        progress = {each.channel: each for each in target.view.progress}
        active = self._by_id[webhook_id] = ActiveWebhook(target, progress)
        for channel in progress:
            self._by_channel[channel].add(webhook_id)
        return active

    def drop(self, webhook_id: WebhookId) -> None:
        active = self._by_id.pop(webhook_id, None)
        for channel in active.progress if active else ():
            subscribed = self._by_channel[channel]
            subscribed.discard(webhook_id)
            if not subscribed:
                del self._by_channel[channel]

    @property
    def all(self) -> Sequence[ActiveWebhook]:
        return tuple(self._by_id.values())

    @property
    def ids(self) -> Set[WebhookId]:
        return self._by_id.keys()

    def is_newer(self, target: Target) -> bool:
        """Whether the target is not in memory, or was changed or moved elsewhere since."""
        active = self._by_id.get(target.view.webhook.id)
        if active is None or active.webhook.version < target.view.webhook.version:
            return True
        return any(
            each.channel not in active.progress or each.moves > active.progress[each.channel].moves
            for each in target.view.progress
        )

    def subscribed_to(self, channel: Channel) -> Collection[WebhookId]:
        return tuple(self._by_channel.get(channel, ()))

    @property
    def channels(self) -> Sequence[Channel]:
        return tuple(self._by_channel)

    @property
    def feeds(self) -> Iterator[tuple[Feed, DeliveryProgress]]:
        for webhook_id, active in self._by_id.items():
            for channel, progress in active.progress.items():
                yield (webhook_id, channel), progress
