"""Messages to patients about their visits, and to people who sign in.

A message is a row that is written in the transaction of its cause. A visit gets at most one for
each change; reminders are derived from appointments when they are due. The address of a patient
is read when the message is sent.
"""

from collections.abc import Collection
from dataclasses import field, replace
from datetime import datetime
from enum import StrEnum
from typing import Final, NewType

from actors.domain.appointment import ATTENDING, Appointment, Status
from actors.domain.ids import AppointmentId, DentistId, PatientId, PracticeId
from actors.domain.profile import MessageConsent, MessageConsents
from actors.domain.values import value

MessageId = NewType("MessageId", str)


class MessageKind(StrEnum):
    CONFIRMATION = "confirmation"
    """The visit was booked."""
    CHANGE = "change"
    """It is at another time, or with another dentist."""
    CANCELLATION = "cancellation"
    REMINDER = "reminder"
    CONFIRMATION_REQUEST = "confirmation_request"
    """A reminder that asks whether the patient will come."""
    CODE = "code"
    """A code or link with which someone signs in."""
    INVITATION = "invitation"


OF_VISITS: Final = frozenset(
    {MessageKind.CONFIRMATION, MessageKind.CHANGE, MessageKind.CANCELLATION}
)
"""Kinds that report a change of a visit; a later one replaces what was not sent yet."""
REMINDERS: Final = frozenset({MessageKind.REMINDER, MessageKind.CONFIRMATION_REQUEST})
"""Kinds that are due some time before a visit; there is one of them for each lead."""
SECRET: Final = frozenset({MessageKind.CODE, MessageKind.INVITATION})
"""Kinds with an address and a content of their own, which no one is shown."""


class MessageChannel(StrEnum):
    EMAIL = "email"
    SMS = "sms"


class MessageState(StrEnum):
    QUEUED = "queued"
    """To be sent, perhaps again."""
    SENT = "sent"
    """Accepted by the mail server, or by the provider of text messages."""
    FAILED = "failed"
    EXPIRED = "expired"
    """Not sent in time, or replaced by a later message."""


class MessageError(StrEnum):
    """Why a message was not sent, or not yet."""

    ADDRESS_MISSING = "address_missing"
    """The patient has no address any more, or does not want messages there."""
    MAILBOX_UNKNOWN = "mailbox_unknown"
    """Also of a telephone number that takes no text messages."""
    REGION_NOT_ALLOWED = "region_not_allowed"
    """Text messages are not sent to numbers of this country."""
    REFUSED = "refused"
    """The server refuses the message for good."""
    DEFERRED = "deferred"
    """The server refuses it for now."""
    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    DAILY_LIMIT = "daily_limit"
    """The recipient or the practice has reached the number of messages of a day."""
    GAVE_UP = "gave_up"
    """No attempt succeeded for as long as attempts are made."""
    REPLACED = "replaced"
    """A later message about the visit takes its place."""
    TOO_LATE = "too_late"
    """The visit has begun, or is not as the message says."""


def is_true_of(kind: MessageKind, visit_start: datetime | None, row: Appointment) -> bool:
    """Whether a message of the kind, about a visit at this time, is true of the visit now."""
    if kind is MessageKind.CANCELLATION:
        return row.status is Status.CANCELLED
    if kind is MessageKind.CONFIRMATION_REQUEST and row.patient_confirmed_at:
        return False
    return row.status in ATTENDING and row.start == visit_start


@value
class Message:
    """One row of ``messages``."""

    id: MessageId
    kind: MessageKind
    channel: MessageChannel
    practice_id: PracticeId | None = None
    dentist_id: DentistId | None = None
    """In whose calendar the visit was; ``None`` for a message about no visit."""
    patient_id: PatientId | None = None
    appointment_id: AppointmentId | None = None
    visit_start: datetime | None = None
    lead_minutes: int | None = None
    """Of a reminder: how long before the visit it is due."""
    address: str | None = field(default=None, repr=False)
    """Of a message that no patient gets; a patient's is read when it is sent."""
    content: str | None = field(default=None, repr=False)
    """Of a code or invitation, until it was sent."""
    state: MessageState = MessageState.QUEUED
    attempts: int = 0
    error: MessageError | None = None
    created_at: datetime
    expires_at: datetime
    """Not sent later than this."""
    next_attempt_at: datetime | None
    """``None`` once it was sent, or will not be."""
    claimed_until: datetime | None = None
    """Until then only the node that claimed it sends it."""
    sent_at: datetime | None = None
    version: int = 1

    def changed(self, **changes: object) -> "Message":
        """As the next version."""
        return replace(self, version=self.version + 1, **changes)  # type: ignore[arg-type]  # fields

    def ended(self, state: MessageState, error: MessageError | None = None) -> "Message":
        """Not to be attempted any more; a secret content is erased."""
        return self.changed(
            state=state, error=error, next_attempt_at=None, claimed_until=None, content=None
        )

    def claimed(self, until: datetime) -> "Message":
        """Attempted once more, by whoever stores this version."""
        return self.changed(attempts=self.attempts + 1, claimed_until=until)

    def sent(self, at: datetime) -> "Message":
        return replace(self.ended(MessageState.SENT), sent_at=at)

    def postponed(self, until: datetime, error: MessageError) -> "Message":
        return self.changed(next_attempt_at=until, claimed_until=None, error=error)


@value
class Recipient:
    """What decides by which channel a person is reached."""

    email: str | None
    phone: str | None
    consents: MessageConsents

    def channel(self, offered: Collection[MessageChannel]) -> MessageChannel | None:
        """The first channel with an address to which messages were not refused."""
        for channel in MessageChannel:
            if channel in offered and self.address(channel):
                return channel
        return None

    def address(self, channel: MessageChannel) -> str | None:
        if channel is MessageChannel.EMAIL:
            return None if _is_refused(self.consents.email) else self.email
        return None if _is_refused(self.consents.sms) else self.phone


def _is_refused(consent: MessageConsent) -> bool:
    return consent.at is not None and not consent.given
