"""What the core needs of the world, as Protocols that state their guarantees.

``store`` implements the repositories, ``api`` the renderer and the broadcaster, ``hub``
the clock, the ids and the wiring. All coroutines are cancel-safe for their callers: a
commit once begun is finished or rolled back whether or not anybody still waits.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, runtime_checkable

from actors.domain.announcements import Announcement, Body
from actors.domain.appointment import Appointment, AppointmentType, Status
from actors.domain.channels import Channel
from actors.domain.events import Event
from actors.domain.ids import (
    AppointmentId,
    AppointmentTypeId,
    DentistId,
    EventId,
    PatientId,
    ProfileId,
)
from actors.domain.outcome import Outcome as Outcome
from actors.domain.principal import Principal, Role
from actors.domain.profile import Profile
from actors.domain.refusals import Refusal
from actors.domain.schedule import Schedule

# --- time, identity, rendering -------------------------------------------------------


class Clock(Protocol):
    def now(self) -> datetime:
        """The current instant, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back; for deadlines and durations only."""
        ...


NewId = Callable[[], str]
"""A fresh UUIDv7 in text form."""

Names = Mapping[ProfileId, str]
"""Names of the people a body mentions, as of the transaction that renders it."""

Render = Callable[[Body, Names], bytes]
"""A body as the JSON that REST shows; the only place where JSON is made (api/schemas.py)."""


# --- commits -------------------------------------------------------------------------


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
class Position:
    """A place in a channel: everything up to ``offset`` of this ``epoch`` is included."""

    channel: Channel
    epoch: int
    offset: int


@dataclass(frozen=True, kw_only=True, slots=True)
class EventRecord:
    """One row of ``realtime_events``: an announcement in one channel, at its offset."""

    channel: Channel
    epoch: int
    offset: int
    event_id: EventId
    type: str
    time: datetime
    payload: bytes = field(repr=False)
    """The rendered body: the ``data`` of the envelope."""


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


# --- calendars -----------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredReply:
    key: IdempotencyKey
    reply: Reply
    at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadedCalendar:
    """All an actor starts from, read in the transaction that raised the fence."""

    dentist_id: DentistId
    fence: int
    schedule: Schedule
    types: tuple[AppointmentType, ...]
    rows: tuple[Appointment, ...]
    """Live rows (overdue holds included) and completed ones that end after the instant
    asked for."""
    replies: tuple[StoredReply, ...]
    """Replies to clients' keys of the last day at this calendar, oldest first, bounded."""
    position: Position
    """Head of ``availability:dentist:{id}``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DueHold:
    expires_at: datetime
    dentist_id: DentistId
    appointment_id: AppointmentId


class CalendarStore(Protocol):
    """The actors' side of the store.

    ``commit`` is durable when it returns; its announcements reach the outbox in commit
    order, after the awaiting actors were resumed (so a snapshot is published before
    anybody hears of it). Commits of different calendars are independent.
    """

    async def open(
        self, dentist_id: DentistId, *, live_after: datetime, owner: str | None = None
    ) -> LoadedCalendar | None:
        """Raise the fence, then load; ``None`` if there is no such calendar.

        Waits for a half-dead transaction of the previous owner. With ``owner``, a node's id
        (PostgreSQL), the calendar becomes that node's, unless a node that is alive has it:
        raises OwnedElsewhere. Raises StoreUnavailable.
        """
        ...

    async def view(self, dentist_id: DentistId, *, live_after: datetime) -> LoadedCalendar | None:
        """What ``open`` would load, as it is committed now; nobody is fenced."""
        ...

    async def load_rows(
        self, dentist_id: DentistId, ids: Sequence[AppointmentId]
    ) -> Sequence[Appointment]:
        """Rows of this calendar by id, whatever their age or status."""
        ...

    async def load_types(self) -> Sequence[AppointmentType]: ...

    async def replies(self, keys: Sequence[IdempotencyKey]) -> Sequence[StoredReply]:
        """What is stored under these keys: settles an unknown outcome."""
        ...

    async def commit(self, commit: CalendarCommit) -> Committed:
        """Fence, channels, checks, rows, events, replies, audit: one transaction.

        Raises a :class:`CommitFailure`.
        """
        ...

    async def live_holds(self) -> Sequence[DueHold]:
        """Every row that is ``held``, of all calendars, overdue ones included."""
        ...


# --- records without an actor: profiles and appointment types ------------------------


class RecordStore(Protocol):
    """Writes of profiles and appointment types, through the same committer."""

    async def commit_record(self, turn: Turn) -> Reply:
        """Write ``turn.events`` (ProfileSaved, AppointmentTypeSaved) and announce them.

        A changed row must still have ``before.version``, else raises
        :class:`~actors.domain.refusals.VersionConflict`. A new dentist gets a calendar
        with an empty schedule in the profile's zone. Raises TurnReplayed,
        IdempotencyMismatch, ValidationFailed (subject already used) or a CommitFailure.
        """
        ...


# --- reads, as the caller ------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class AppointmentQuery:
    """Filters of a list; ``starts_from``/``starts_before`` select starts in ``[from, to)``."""

    statuses: frozenset[Status]
    """Empty means the default: every status but held, released and expired."""
    starts_from: datetime | None = None
    starts_before: datetime | None = None
    dentist_id: DentistId | None = None
    patient_id: PatientId | None = None
    appointment_type_id: AppointmentTypeId | None = None
    descending: bool = False
    limit: int = 50
    after: tuple[datetime, AppointmentId] | None = None
    """The last row of the page before: keyset, so that inserts shift nothing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AppointmentPage:
    rows: tuple[Appointment, ...]
    names: Names
    total: int
    next_after: tuple[datetime, AppointmentId] | None
    position: Position | None
    """Of the caller's own channel, read in the same transaction as the rows."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HistoryEntry:
    """What was done to an appointment, from the audit log: statuses and times, no names."""

    at: datetime
    action: str
    """E.g. ``slot.held``, ``appointment.booked``, ``hold.expired``."""
    by: Role
    """Whose rights it was done with: patient, dentist, or system."""
    via: Role
    """``chatbot`` when one acted, else the same."""
    old_status: Status | None
    new_status: Status
    old_start: datetime | None
    new_start: datetime
    old_end: datetime | None
    new_end: datetime
    version: int


class Appointments(Protocol):
    """Reads of rows, as the caller: what is not theirs does not exist."""

    async def page(self, principal: Principal, query: AppointmentQuery) -> AppointmentPage: ...

    async def get(
        self, principal: Principal, appointment_id: AppointmentId
    ) -> tuple[Appointment, Names] | None: ...

    async def history(
        self, principal: Principal, appointment_id: AppointmentId
    ) -> Sequence[HistoryEntry] | None:
        """Everything done to the row, oldest first; ``None`` if it is not the caller's."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class ProfilePage:
    profiles: tuple[Profile, ...]
    total: int
    next_after: tuple[str, ProfileId] | None
    """(name, id) of the last row."""
    own: frozenset[ProfileId] = frozenset()
    """In a search: whose contact data the searching dentist may see, too."""


class Profiles(Protocol):
    """Reads of people. ``by_subject``, ``adoptable`` and ``by_id`` serve the hub itself
    (who is this token, does this person exist); ``dentists``, ``own_patient`` and
    ``search`` read as the caller, and show of a person what the caller may see.
    """

    async def by_subject(self, subject: str) -> Profile | None: ...

    async def by_id(self, profile_id: ProfileId) -> Profile | None: ...

    async def adoptable(self, email: str) -> Sequence[Profile]:
        """Patients without a subject that have this e-mail (case-insensitive), at most 2."""
        ...

    async def dentists(
        self, by: Principal, *, limit: int, after: tuple[str, ProfileId] | None
    ) -> ProfilePage:
        """Every dentist, by name then id; of each what is public."""
        ...

    async def own_patient(self, dentist_id: DentistId, patient_id: PatientId) -> Profile | None:
        """The patient, if they are this dentist's: any appointment confirmed or later,
        or entered by this dentist."""
        ...

    async def search(
        self,
        dentist_id: DentistId | None,
        text: str,
        *,
        limit: int,
        after: tuple[str, ProfileId] | None,
    ) -> ProfilePage:
        """A dentist's own patients whose name, e-mail or phone contains ``text``
        (case-insensitive; empty: all of them), and any patient whose e-mail or phone is
        exactly ``text``; with ``dentist_id=None`` only the exact ones. By name then id."""
        ...

    async def record_search(self, by: Principal, request_id: str, found: int) -> None:
        """Audit a search of people: who searched and how many were found, never the text."""
        ...

    async def record_disconnect(self, by: Principal, request_id: str, person: Profile) -> None:
        """Audit that somebody's connections are being ended: who did it, and whose."""
        ...


class Connections(Protocol):
    """The live connections of everybody, whatever they speak, at every node of the hub."""

    async def end(self, person: ProfileId) -> None:
        """End all there are now of a person, those of chatbots that act for them included.

        Raises :class:`~actors.domain.refusals.Unavailable` when a node did not answer: then
        those of all other nodes have been ended, and asking again does no harm.
        """
        ...


class EventLog(Protocol):
    """``realtime_events``: the outbox, the history for catch-up, the log of 10.1."""

    async def heads(
        self, channels: Sequence[Channel], by: Principal | None = None
    ) -> Mapping[Channel, Position]:
        """The committed head of each channel; a channel nothing was sent to is at the
        hub's first epoch with offset 0. Read as ``by``; ``None`` is the relay."""
        ...

    async def read(
        self,
        channel: Channel,
        *,
        after: int,
        up_to: int,
        limit: int,
        max_bytes: int,
        by: Principal | None = None,
    ) -> Sequence[EventRecord]:
        """Events with ``after < offset <= up_to`` in order, without a gap, at most
        ``limit`` and about ``max_bytes`` of payload (at least one if there is one).
        Read as ``by``, to whom no other channel exists; ``None`` is the relay.
        """
        ...

    async def oldest(self, channel: Channel) -> int | None:
        """The offset of the oldest event still kept, ``None`` if there is none."""
        ...

    async def pending(self, *, limit: int) -> Sequence[EventRecord]:
        """Committed and never broadcast (a crash left them), by channel and offset."""
        ...

    async def mark(self, deliveries: Sequence["Delivery"]) -> None:
        """Write what became of broadcasts; off the hot path, in batches."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """What became of one broadcast (criterion 10.1)."""

    channel: Channel
    epoch: int
    offset: int
    sent: bool
    at: datetime
    latency_ms: float
    """From the commit of the event to the end of the broadcast."""
    attempts: int
    recipients: int
    error: str | None = None
    problem: str | None = None
    """The kind of exception of the last attempt that failed, also if a later one did not."""


# --- telling others ------------------------------------------------------------------


class Outbox(Protocol):
    def announce(self, records: Sequence[EventRecord]) -> None:
        """Take committed events, in commit order; never blocks, never raises."""
        ...


class Broadcaster(Protocol):
    async def broadcast(self, record: EventRecord) -> int:
        """Hand the event to every subscriber of its channel; returns how many there were.

        Raises if that failed; it will be called again (criterion 7.5).
        """
        ...


@runtime_checkable
class BatchBroadcaster(Broadcaster, Protocol):
    async def broadcast_all(self, records: Sequence[EventRecord]) -> int:
        """``broadcast`` of consecutive events of one channel at once; how many got them.

        If it raises, some may have got some of them: each is then broadcast alone.
        """
        ...
