"""The active webhooks in memory: whom an event concerns, and how far each of them is."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence, Set
from dataclasses import dataclass

from actors.domain.channels import Channel
from actors.domain.webhook import DeliveryProgress, Webhook, WebhookId
from actors.ports.webhooks import Target

Place = tuple[WebhookId, Channel]
"""One channel of one webhook: what is delivered in order."""


@dataclass(slots=True, eq=False)
class Known:
    """As it was loaded; replaced as a whole when it changes, so that whoever works on the
    old one notices."""

    target: Target
    progress: dict[Channel, DeliveryProgress]

    @property
    def webhook(self) -> Webhook:
        return self.target.view.webhook


class KnownWebhooks:
    def __init__(self) -> None:
        self._by_id: dict[WebhookId, Known] = {}
        self._by_channel: dict[Channel, set[WebhookId]] = defaultdict(set)

    def __len__(self) -> int:
        return len(self._by_id)

    def get(self, webhook_id: WebhookId) -> Known | None:
        return self._by_id.get(webhook_id)

    def put(self, target: Target) -> Known:
        webhook_id = target.view.webhook.id
        self.drop(webhook_id)
        progress = {place.channel: place for place in target.view.progress}
        known = self._by_id[webhook_id] = Known(target, progress)
        for channel in progress:
            self._by_channel[channel].add(webhook_id)
        return known

    def drop(self, webhook_id: WebhookId) -> None:
        known = self._by_id.pop(webhook_id, None)
        for channel in known.progress if known else ():
            listening = self._by_channel[channel]
            listening.discard(webhook_id)
            if not listening:
                del self._by_channel[channel]

    @property
    def ids(self) -> Set[WebhookId]:
        return self._by_id.keys()

    def is_news(self, target: Target) -> bool:
        """Whether it is not known so far, or was changed or moved elsewhere since."""
        known = self._by_id.get(target.view.webhook.id)
        if known is None or known.webhook.version < target.view.webhook.version:
            return True
        return any(
            place.channel not in known.progress or place.moves > known.progress[place.channel].moves
            for place in target.view.progress
        )

    def listening(self, channel: Channel) -> Collection[WebhookId]:
        return tuple(self._by_channel.get(channel, ()))

    @property
    def channels(self) -> Sequence[Channel]:
        return tuple(self._by_channel)

    @property
    def places(self) -> Iterator[tuple[Place, DeliveryProgress]]:
        for webhook_id, known in self._by_id.items():
            for channel, progress in known.progress.items():
                yield (webhook_id, channel), progress
