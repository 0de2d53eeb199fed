"""The state of webhooks in the store, and the dispatcher that delivers to receivers."""

from collections.abc import Sequence
from dataclasses import field
from datetime import datetime
from typing import Protocol

from actors.domain.channels import Channel
from actors.domain.ids import EventId, PatientId
from actors.domain.position import Position
from actors.domain.principal import SYSTEM, Principal
from actors.domain.values import value
from actors.domain.webhook import DeliveryProgress, DisabledReason, Webhook, WebhookId


@value
class WebhookView:
    """A webhook, with the progress of its deliveries in each channel."""

    webhook: Webhook
    progress: tuple[DeliveryProgress, ...]


@value
class WebhookPage:
    webhooks: tuple[WebhookView, ...]
    next_after: WebhookId | None
    total: int


@value
class WebhookDelivery:
    """The outcome of one event at one webhook, over all its attempts."""

    channel: Channel
    position: Position
    event_id: EventId
    type: str
    delivered: bool
    attempts: int
    first_at: datetime
    last_at: datetime
    response_status: int | None
    """HTTP status of the last attempt; ``None`` if there was no response."""
    duration_ms: float | None
    error: str | None


@value
class Target:
    """A webhook with all that a delivery needs."""

    view: WebhookView
    secrets: tuple[str, ...] = field(repr=False)
    """Secrets to sign with, the newest first."""


class WebhookReads(Protocol):
    """Reads webhooks with the owner's rights; webhooks of others do not exist for them."""

    async def page(
        self,
        principal: Principal,
        *,
        limit: int,
        after: WebhookId | None,
        party: str | None = None,
        everyones: bool = False,
    ) -> WebhookPage:
        """The principal's own webhooks, oldest first, or all that the principal may see.

        An admin sees everyone's, and a patient those that concern them; ``party`` limits them.
        The progress of another owner's webhook is not shown.
        """
        ...

    async def get(self, principal: Principal, webhook_id: WebhookId) -> WebhookView | None:
        """One of those that the principal may see."""
        ...

    async def deliveries(
        self, principal: Principal, webhook_id: WebhookId, *, limit: int
    ) -> Sequence[WebhookDelivery]:
        """The latest deliveries, newest first."""
        ...


class WebhookQueue(Protocol):
    """Reads and writes the progress of deliveries, for the dispatcher.

    Progress is only written if it has not changed since it was read (``moves``). So a delivery
    under way never overwrites a change that the owner made meanwhile.
    """

    async def active(
        self, *, after: WebhookId | None, limit: int, now: datetime
    ) -> Sequence[Target]:
        """One page of the active webhooks, sorted by id."""
        ...

    async def target(self, webhook_id: WebhookId, now: datetime) -> Target | None:
        """A webhook, active or not; ``None`` if it does not exist."""
        ...

    async def record(
        self,
        webhook_id: WebhookId,
        before: DeliveryProgress,
        after: DeliveryProgress,
        delivery: WebhookDelivery | None,
    ) -> bool:
        """Write progress or a failure; returns false if the progress changed meanwhile."""
        ...

    async def active_of(self, party: str, patient: PatientId | None) -> Sequence[Webhook]:
        """The active webhooks of a party, of one patient if given."""
        ...

    async def disable(
        self,
        webhook: Webhook,
        reason: DisabledReason,
        now: datetime,
        by: Principal = SYSTEM,
    ) -> Webhook | None:
        """Disable and audit it; returns ``None`` if it was changed since it was read."""
        ...


class TrustedKeys(Protocol):
    """The keys whose tokens are accepted."""

    async def accepts(self, key_id: str | None) -> bool:
        """Whether tokens of this key are accepted; ``None`` is a key that is not known.

        Raises :class:`~actors.domain.refusals.Unavailable` while that cannot be said, because
        the key set cannot be read.
        """
        ...


@value
class Attempt:
    """The result of one request to a receiver."""

    status: int | None
    """HTTP status of the response; ``None`` if there was none."""
    duration_ms: float
    error: str | None = None
    """A message for the owner; never the content of the response."""
    retry_after_s: float | None = None

    @property
    def delivered(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


class WebhookDispatcher(Protocol):
    """Delivers events to receivers."""

    async def check(self, url: str) -> None:
        """Raises ValidationFailed for an address that deliveries would be refused to."""
        ...

    async def ping(self, target: Target) -> Attempt:
        """Sends a test event now, ahead of every queue."""
        ...

    def changed(self, webhook_id: WebhookId) -> None:
        """Reloads the webhook soon; never blocks."""
        ...
