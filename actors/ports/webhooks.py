"""What webhooks need of the world: a place for their state, and a way to their receivers."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from actors.domain.channels import Channel
from actors.domain.ids import EventId
from actors.domain.position import Position
from actors.domain.principal import Principal
from actors.domain.webhook import DeliveryProgress, DisabledReason, Webhook, WebhookId


@dataclass(frozen=True, kw_only=True, slots=True)
class WebhookView:
    """A webhook, and how far it is in each of its channels."""

    webhook: Webhook
    progress: tuple[DeliveryProgress, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class WebhookPage:
    webhooks: tuple[WebhookView, ...]
    next_after: WebhookId | None
    total: int


@dataclass(frozen=True, kw_only=True, slots=True)
class WebhookDelivery:
    """What became of one event at one webhook, over all its attempts."""

    channel: Channel
    position: Position
    event_id: EventId
    type: str
    delivered: bool
    attempts: int
    first_at: datetime
    last_at: datetime
    response_status: int | None
    """Of the last attempt; ``None`` when there was no answer."""
    duration_ms: float | None
    error: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """All that a delivery needs to know of its webhook."""

    view: WebhookView
    secrets: tuple[str, ...] = field(repr=False)
    """To sign with, the newest first."""


class WebhookReads(Protocol):
    """Reads as the owner: other parties' webhooks do not exist."""

    async def page(
        self, principal: Principal, *, limit: int, after: WebhookId | None
    ) -> WebhookPage:
        """Own webhooks, the oldest first."""
        ...

    async def get(self, principal: Principal, webhook_id: WebhookId) -> WebhookView | None: ...

    async def deliveries(
        self, principal: Principal, webhook_id: WebhookId, *, limit: int
    ) -> Sequence[WebhookDelivery]:
        """The latest ones, the newest first."""
        ...


class WebhookQueue(Protocol):
    """The hub's own side: what is to be delivered, and what was.

    A place in a channel only moves from where the hub knew it to be (``moves``), so that
    a delivery that was under way never undoes what the owner did meanwhile.
    """

    async def active(
        self, *, after: WebhookId | None, limit: int, now: datetime
    ) -> Sequence[Target]:
        """Active webhooks by id, a page at a time."""
        ...

    async def target(self, webhook_id: WebhookId, now: datetime) -> Target | None:
        """One webhook, active or not."""
        ...

    async def record(
        self,
        webhook_id: WebhookId,
        before: DeliveryProgress,
        after: DeliveryProgress,
        delivery: WebhookDelivery | None,
    ) -> bool:
        """Move on, or write down a failure; false when it was moved elsewhere meanwhile."""
        ...

    async def disable(
        self, webhook_id: WebhookId, reason: DisabledReason, now: datetime
    ) -> Webhook | None:
        """Audited as done by the hub; ``None`` when it is not active any more."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """How one request to a receiver went."""

    status: int | None
    """Of the answer; ``None`` when there was none."""
    duration_ms: float
    error: str | None = None
    """In words for the owner: never what the receiver said."""
    retry_after_s: float | None = None

    @property
    def delivered(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


class WebhookDispatcher(Protocol):
    """Delivers to receivers."""

    async def check(self, url: str) -> None:
        """Raises ValidationFailed for an address that deliveries would be refused to."""
        ...

    async def ping(self, target: Target) -> Attempt:
        """Sends a test event now, ahead of every queue."""
        ...

    def changed(self, webhook_id: WebhookId) -> None:
        """Reloads the webhook soon; never blocks."""
        ...
