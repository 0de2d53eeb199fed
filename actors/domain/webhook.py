"""Webhooks: their owners, channels and rights. ``hub/webhooks`` delivers to them."""

from datetime import datetime
from enum import StrEnum
from typing import NewType

from actors.domain.channels import HUB_STATUS, Channel, may_join
from actors.domain.ids import PatientId
from actors.domain.position import Position
from actors.domain.principal import Principal, Role
from actors.domain.refusals import Forbidden, ValidationFailed
from actors.domain.values import value

WebhookId = NewType("WebhookId", str)

CHANNELS_MAX = 100
"""Channels of one webhook."""


class WebhookStatus(StrEnum):
    ACTIVE = "active"
    DISABLED = "disabled"


class DisabledReason(StrEnum):
    BY_OWNER = "by_owner"
    FAILING = "failing"
    """An event could not be delivered until its retries ended."""
    GONE = "gone"
    """The receiver answered 410."""
    RIGHTS_ENDED = "rights_ended"
    """Its owner may no longer join one of its channels."""
    KEY_REMOVED = "key_removed"
    """The key that verified its owner's token is no longer accepted, or not known."""
    EXPIRED = "expired"
    CONSENT_ENDED = "consent_ended"
    """The patient's consent to the party has ended, or was never recorded."""
    BY_ADMIN = "by_admin"
    """Only an admin may start it again."""


@value
class Webhook:
    """A subscription that delivers the events of some channels to a URL."""

    id: WebhookId
    owner: Principal
    """Whose rights decide what is delivered."""
    url: str
    channels: tuple[Channel, ...]
    description: str | None = None
    status: WebhookStatus = WebhookStatus.ACTIVE
    disabled_reason: DisabledReason | None = None
    disabled_at: datetime | None = None
    rights_until: datetime | None = None
    """When the delegation of a chatbot ends; ``None`` for owners with a role of their own."""
    key_id: str | None
    """The key that verified the owner's token; ``None`` if it is not known."""
    expires_at: datetime | None
    """When it ends unless its owner renews it; ``None``: made by an older node of the hub."""
    created_at: datetime
    updated_at: datetime
    version: int = 1

    @property
    def patient(self) -> PatientId | None:
        """The patient whose events are delivered in addition to free times, if any."""
        return PatientId(self.owner.person) if self.owner.person else None

    @property
    def party(self) -> str:
        """The party that acts: a chatbot is one party for all its patients."""
        return party_of(self.owner)


@value
class DeliveryProgress:
    """How far the deliveries of one channel to one webhook are."""

    channel: Channel
    position: Position
    """Everything up to here was delivered."""
    attempts: int = 0
    """Failed attempts of the event after it, so far."""
    failing_since: datetime | None = None
    next_attempt_at: datetime | None = None
    moves: int = 0
    """Counts changes, so that a delivery under way notices a change made meanwhile."""


def party_of(principal: Principal) -> str:
    """The party whose webhooks are counted: a chatbot counts once for all its patients."""
    acting = principal.acting
    return f"{Role.CHATBOT}:{acting}" if acting else f"{principal.role}:{principal.subject}"


def check_owner(principal: Principal) -> None:
    """Raise Forbidden unless the principal may own webhooks: a chatbot or an admin."""
    if principal.acting is None and principal.role not in (Role.CHATBOT, Role.ADMIN):
        raise Forbidden("Webhooks are for chatbots and admins")


def concerned_patient(principal: Principal) -> PatientId | None:
    """The patient who asks in their own name, and may see and end what concerns them."""
    is_alone = principal.role is Role.PATIENT and principal.acting is None
    return PatientId(principal.person) if is_alone and principal.person else None


def check_channels(principal: Principal, channels: tuple[Channel, ...]) -> None:
    """Raise Forbidden, or ValidationFailed, for a channel that cannot be delivered."""
    for channel in channels:
        if not may_deliver(principal, channel):
            if channel == HUB_STATUS:
                raise ValidationFailed.of("channels", f"{HUB_STATUS} keeps no history")
            raise Forbidden("You may not join this channel")


def may_deliver(principal: Principal, channel: Channel) -> bool:
    """Whether a webhook of this principal may deliver events of the channel."""
    return channel != HUB_STATUS and may_join(principal, channel)
