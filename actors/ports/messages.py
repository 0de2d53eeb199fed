"""The queue of messages in the store, what they report, and how they are sent."""

from collections.abc import Collection, Sequence
from dataclasses import field
from datetime import datetime, timedelta
from typing import Protocol

from actors.domain.appointment import Appointment, AppointmentType
from actors.domain.events import MessageSaved
from actors.domain.ids import AppointmentId, AppointmentTypeId, PatientId
from actors.domain.message import Message, MessageError, MessageId, MessageKind, MessageState
from actors.domain.practice import Practice
from actors.domain.principal import Principal
from actors.domain.profile import Profile
from actors.domain.values import value
from actors.domain.visit_link import VisitLink


@value
class DueMessage:
    """A message to be attempted now."""

    message: Message
    is_replaced: bool
    """Whether a later message about the visit takes its place."""


@value
class MessageQuery:
    """Filters of a list, the newest first."""

    appointment_id: AppointmentId | None = None
    patient_id: PatientId | None = None
    states: tuple[MessageState, ...] = ()
    """Empty: any."""
    kinds: tuple[MessageKind, ...] = ()
    """Empty: any."""
    limit: int = 50
    after: tuple[datetime, MessageId] | None = None
    """The last message of the page before."""


@value
class MessagePage:
    messages: tuple[Message, ...]
    total: int
    next_after: tuple[datetime, MessageId] | None


class MessageReads(Protocol):
    """Reads messages about visits with the caller's rights. Raises StoreUnavailable."""

    async def page(self, by: Principal, query: MessageQuery) -> MessagePage: ...

    async def get(self, by: Principal, message_id: MessageId) -> Message | None: ...


@value
class VisitEntry:
    """A visit as an entry of a calendar."""

    row: Appointment
    kind: AppointmentType
    dentist: Profile
    practice: Practice | None


class CalendarFiles(Protocol):
    """Makes iCalendar objects."""

    def file(
        self, entry: VisitEntry, *, language: str | None, attendee: str | None = None
    ) -> bytes:
        """``attendee``: the patient's e-mail address, where it may be shown."""
        ...


@value
class VisitDetails(VisitEntry):
    """What a message about a visit reports."""

    patient: Profile

    @property
    def zone(self) -> str:
        """IANA name of the time zone in which the visit takes place."""
        return (self.practice and self.practice.time_zone) or self.dentist.time_zone or "UTC"


@value
class SentToday:
    """How many messages were sent within a day."""

    to_recipient: int
    of_practice: int


class QueuedMessages(Protocol):
    """Reads and writes queued messages, for the sender. Raises a CommitFailure."""

    async def due(
        self, now: datetime, *, claims_before: datetime, limit: int
    ) -> Sequence[DueMessage]:
        """Messages to be attempted: codes and invitations first, then the longest due.

        Of the messages to one patient only the oldest is among them.

        Those that are claimed until ``claims_before`` or earlier are not claimed any more.
        """
        ...

    async def details(self, message: Message) -> VisitDetails | None:
        """What a message about a visit reports; ``None`` if the visit left the calendar."""
        ...

    async def sent_since(self, message: Message, since: datetime) -> SentToday:
        """Counts messages to the same patient, and of the same practice."""
        ...

    async def save(self, changes: Sequence[MessageSaved], links: Sequence[VisitLink] = ()) -> None:
        """Save all changes and new links, and publish the events of the changes, or nothing.

        Raises :class:`~actors.domain.refusals.VersionConflict` if a message changed meanwhile.
        """
        ...


class VisitLinks(Protocol):
    """The links of messages, by which patients reach their visits. Raises a CommitFailure."""

    async def of_token(self, token_hash: str) -> VisitLink | None: ...

    async def revoke(
        self, by: Principal, request_id: str, appointment_id: AppointmentId, now: datetime
    ) -> int:
        """Revoke those of a visit that the caller may see, audited; answers how many."""
        ...


class ReminderQueue(Protocol):
    """Queues reminders, which follow from the visits to come. Raises a CommitFailure."""

    async def remind(
        self,
        lead: timedelta,
        types: Collection[AppointmentTypeId],
        since: datetime,
        now: datetime,
        *,
        asks: bool = False,
    ) -> int:
        """Queue the reminders that became due in ``(since, now]``, ``lead`` before visits.

        Only those of visits of these ``types``. ``asks``: patients who have not confirmed the
        visit are asked to.

        Answers how many. A visit has one reminder for each lead and start, whoever queues it.
        """
        ...


@value
class MailContent:
    """A mail, ready to be sent to one address."""

    message_id: str
    """Of the header: the same at every attempt."""
    to: str = field(repr=False)
    sender_name: str
    sender: str | None = None
    """The address that it comes from; ``None``: that of the hub."""
    reply_to: str | None
    subject: str
    text: str = field(repr=False)
    html: str = field(repr=False)
    calendar: bytes | None = field(default=None, repr=False)
    """An iCalendar object."""
    calendar_method: str = "REQUEST"
    unsubscribe: str | None = None
    """An address to which the recipient may write to get no more of them."""


@value
class TextContent:
    """A text message for one telephone."""

    to: str = field(repr=False)
    """The number in international form (E.164)."""
    text: str = field(repr=False)


class NotAccepted(Exception):
    """A message was not accepted."""

    def __init__(self, error: MessageError, *, for_good: bool = False) -> None:
        super().__init__(error)
        self.error, self.for_good = error, for_good


class MailTransport(Protocol):
    """Hands mails over to a mail server.

    A mail that was accepted is not handed over again, unless the answer was lost: then it has
    the same message id. Mails may be handed over at the same time, in any order.
    """

    async def send(self, mail: MailContent) -> None:
        """Returns once the server has accepted the mail. Raises NotAccepted."""
        ...

    async def close(self) -> None: ...


class TextTransport(Protocol):
    """Hands text messages over to a provider; one whose answer was lost may arrive twice."""

    async def send(self, text: TextContent) -> None:
        """Returns once the provider has accepted the message. Raises NotAccepted."""
        ...

    async def close(self) -> None: ...
