"""Commits: their parts, their results, and how they fail."""

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from typing import Protocol

from actors.domain.announcements import Announcement, Body
from actors.domain.channels import Channel
from actors.domain.events import Event
from actors.domain.ids import AppointmentTypeId, DentistId
from actors.domain.outcome import Outcome
from actors.domain.position import Position
from actors.domain.principal import Principal
from actors.domain.refusals import Refusal
from actors.domain.values import value


@value
class Reply:
    """The reply to a command, also stored under its idempotency key."""

    outcome: Outcome
    resource_id: str
    version: int
    body: bytes = field(repr=False)
    """The resource as JSON; empty when the outcome is GONE."""


@value
class IdempotencyKey:
    """Identifies a request, so that a repetition gets the stored reply."""

    scope: str
    key: str
    fingerprint: str
    """Digest of operation and body: requests with the same key must have the same one."""
    internal: bool = False
    """Whether the hub made the key for a command without one, to find its outcome."""


@value
class Turn:
    """One decided command, ready to be committed.

    Rows are written in the order of ``events``. A turn without events writes only its reply,
    and that only under a key that the client sent.
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


@value
class Committed:
    """The result of a commit: the reply of each turn, in order, and the new heads."""

    replies: tuple[Reply, ...]
    positions: Mapping[Channel, Position]
    """The head of every channel that the commit wrote to."""


@value
class CalendarCommit:
    """A batch of one calendar, committed as a whole or not at all."""

    dentist_id: DentistId
    fence: int
    types: Mapping[AppointmentTypeId, int]
    """The version of every appointment type that the decisions rest on."""
    hold_limit: int
    """How many live holds a patient may have, at all dentists together."""
    future_limit: int
    """How many appointments and holds a patient may have ahead, at all dentists; 0: no limit."""
    turns: tuple[Turn, ...]


class CommitFailure(Exception):
    """A commit failed. Nothing was written, except perhaps for :class:`OutcomeUnknown`."""


class Fenced(CommitFailure):
    """Another owner, or a change of the practice or the dentist, has raised the fence; this actor
    must stop."""


class OwnedElsewhere(CommitFailure):
    """Another live node owns the calendar; commands belong there."""

    def __init__(self, dentist_id: DentistId, owner: str | None) -> None:
        super().__init__(dentist_id, owner)
        self.dentist_id, self.owner = dentist_id, owner


class StaleTypes(CommitFailure):
    """An appointment type has changed since the calendar loaded it."""


class ConstraintViolated(CommitFailure):
    """A constraint of the database refused what ``decide`` allowed: a bug of ours."""


class OutcomeUnknown(CommitFailure):
    """COMMIT was sent and got no answer; the commit may have been written."""


class StoreUnavailable(CommitFailure):
    """The database cannot be reached, or cannot write now."""


class TurnRefused(CommitFailure):
    """Turn ``index`` conflicts with data outside its calendar.

    The batch was rolled back. It can be decided again without that turn.
    """

    def __init__(self, index: int, refusal: Refusal) -> None:
        super().__init__(index, refusal)
        self.index, self.refusal = index, refusal


class TurnReplayed(CommitFailure):
    """The key of turn ``index`` already has a stored reply; otherwise like TurnRefused."""

    def __init__(self, index: int, reply: Reply) -> None:
        super().__init__(index, reply)
        self.index, self.reply = index, reply


class RecordStore(Protocol):
    """Writes records in the same way as calendars: audited, and with events."""

    async def commit_record(self, turn: Turn) -> Reply:
        """Write ``turn.events`` in one transaction, and publish its announcements.

        A new dentist gets a calendar with an empty schedule in the profile's time zone. Where a
        practice or a dentist changes what can be booked, the fences of the calendars are
        raised: no booking is committed on what their actors knew before.
        Raises :class:`~actors.domain.refusals.VersionConflict` if a changed row no longer has
        ``before.version``; also TurnReplayed, IdempotencyMismatch, ValidationFailed (the
        subject is used already) or another CommitFailure.
        """
        ...
