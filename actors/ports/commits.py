"""What a commit is made of, what it returns, and how it fails."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from actors.domain.announcements import Announcement, Body
from actors.domain.channels import Channel
from actors.domain.events import Event
from actors.domain.ids import AppointmentTypeId, DentistId
from actors.domain.outcome import Outcome
from actors.domain.position import Position
from actors.domain.principal import Principal
from actors.domain.refusals import Refusal


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """What the caller gets, and what is stored under its idempotency key."""

    outcome: Outcome
    resource_id: str
    version: int
    body: bytes = field(repr=False)
    """The resource as JSON; empty when the outcome is GONE."""


@dataclass(frozen=True, kw_only=True, slots=True)
class IdempotencyKey:
    scope: str
    key: str
    fingerprint: str
    """Digest of operation and canonical body: the same key must mean the same request."""
    internal: bool = False
    """Made by the hub for a command without one, to settle an unknown outcome."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Turn:
    """One decided command, ready to be committed.

    ``events`` in the order they happened; all rows are written in that order, never
    regrouped. A turn without events writes nothing, except its reply under a key that
    the client sent.
    """

    by: Principal
    at: datetime
    request_id: str
    key: IdempotencyKey
    events: tuple[Event, ...]
    announcements: tuple[Announcement, ...]
    outcome: Outcome
    resource_id: str
    version: int
    reply: Body | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Committed:
    """What a commit brought: a reply per turn, in order, and where the channels are now."""

    replies: tuple[Reply, ...]
    positions: Mapping[Channel, Position]
    """The heads after this commit of every channel it wrote to."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CalendarCommit:
    """One batch of one calendar: all of it is committed, or nothing."""

    dentist_id: DentistId
    fence: int
    types: Mapping[AppointmentTypeId, int]
    """The version of every appointment type the decisions rest on."""
    hold_limit: int
    """How many live holds a patient may have, at all dentists together."""
    turns: tuple[Turn, ...]


class CommitFailure(Exception):
    """Nothing of the commit was written (except for :class:`OutcomeUnknown`)."""


class Fenced(CommitFailure):
    """Another owner raised the fence: this actor must stop."""


class OwnedElsewhere(CommitFailure):
    """A node that is alive has this calendar: ask there."""

    def __init__(self, dentist_id: DentistId, owner: str | None) -> None:
        super().__init__(dentist_id, owner)
        self.dentist_id, self.owner = dentist_id, owner


class StaleTypes(CommitFailure):
    """An appointment type changed since the calendar loaded it."""


class ConstraintViolated(CommitFailure):
    """The database, the last arbiter, refused what ``decide`` allowed: our bug."""


class OutcomeUnknown(CommitFailure):
    """COMMIT was sent and no answer came: it may have been written."""


class StoreUnavailable(CommitFailure):
    """The database cannot be reached or cannot write now."""


class TurnRefused(CommitFailure):
    """Turn ``index`` conflicts with what one calendar cannot know.

    The batch was rolled back; without that turn, the rest may be decided again.
    """

    def __init__(self, index: int, refusal: Refusal) -> None:
        super().__init__(index, refusal)
        self.index, self.refusal = index, refusal


class TurnReplayed(CommitFailure):
    """Turn ``index`` carries a key that already has this stored reply; like a refusal."""

    def __init__(self, index: int, reply: Reply) -> None:
        super().__init__(index, reply)
        self.index, self.reply = index, reply
