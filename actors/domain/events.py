"""Domain events: what a command changed, with the row before and after.

Everything else is derived from them: the rows to write, the audit log, the announcements to
subscribers (:mod:`actors.domain.announcements`), and the next state of the calendar.
"""

from dataclasses import dataclass, field
from datetime import datetime

from actors.domain.appointment import Appointment, AppointmentType
from actors.domain.consent import Consent
from actors.domain.ids import DentistId
from actors.domain.profile import Profile
from actors.domain.schedule import Schedule
from actors.domain.webhook import DeliveryProgress, Webhook


@dataclass(frozen=True, kw_only=True, slots=True)
class RowEvent:
    """A change of one appointment row; ``before`` is ``None`` when the row is new."""

    before: Appointment | None
    after: Appointment


@dataclass(frozen=True, kw_only=True, slots=True)
class SlotHeld(RowEvent): ...


@dataclass(frozen=True, kw_only=True, slots=True)
class HoldReleased(RowEvent): ...


@dataclass(frozen=True, kw_only=True, slots=True)
class HoldExpired(RowEvent): ...


@dataclass(frozen=True, kw_only=True, slots=True)
class AppointmentBooked(RowEvent): ...


@dataclass(frozen=True, kw_only=True, slots=True)
class AppointmentChanged(RowEvent): ...


@dataclass(frozen=True, kw_only=True, slots=True)
class AppointmentCancelled(RowEvent): ...


@dataclass(frozen=True, kw_only=True, slots=True)
class ScheduleReplaced:
    dentist_id: DentistId
    before: Schedule
    after: Schedule


@dataclass(frozen=True, kw_only=True, slots=True)
class ProfileSaved:
    """A profile was created (``before`` is ``None``) or changed."""

    before: Profile | None
    after: Profile


@dataclass(frozen=True, kw_only=True, slots=True)
class AppointmentTypeSaved:
    before: AppointmentType | None
    after: AppointmentType


@dataclass(frozen=True, kw_only=True, slots=True)
class WebhookSaved:
    """A webhook was created (``before`` is ``None``), changed, or given a new secret."""

    before: Webhook | None
    after: Webhook
    secret: str | None = field(default=None, repr=False)
    """A new secret, ``whsec_…``, if there is one."""
    old_secrets_until: datetime | None = None
    """With a new secret: until when deliveries are signed with the old ones, too."""
    moved_to: tuple[DeliveryProgress, ...] = ()
    """New positions of channels: where their deliveries begin, or begin again."""
    retries_now: bool = False
    """Whether failed deliveries are due at once, with their failures forgotten."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WebhookDeleted:
    before: Webhook


@dataclass(frozen=True, kw_only=True, slots=True)
class ConsentSaved:
    """A consent was given (``before`` is ``None``), renewed or ended."""

    before: Consent | None
    after: Consent


CalendarEvent = RowEvent | ScheduleReplaced
RecordEvent = ProfileSaved | AppointmentTypeSaved | WebhookSaved | WebhookDeleted | ConsentSaved
Event = CalendarEvent | RecordEvent
