"""Domain events: what a command changed, with the row before and after.

Everything else is derived from them: the rows to write, the audit log, the announcements to
subscribers (:mod:`actors.domain.announcements`), and the next state of the calendar.
"""

from dataclasses import field, replace
from datetime import datetime

from actors.domain.appointment import Appointment, AppointmentType
from actors.domain.consent import Consent
from actors.domain.ids import DentistId, PracticeId
from actors.domain.likeness import Traits
from actors.domain.message import Message
from actors.domain.practice import Practice, PracticePatient
from actors.domain.profile import Profile
from actors.domain.schedule import Schedule
from actors.domain.values import value
from actors.domain.webhook import DeliveryProgress, Webhook


@value
class RowEvent:
    """A change of one appointment row; ``before`` is ``None`` when the row is new."""

    before: Appointment | None
    after: Appointment


@value
class SlotHeld(RowEvent): ...


@value
class HoldReleased(RowEvent): ...


@value
class HoldExpired(RowEvent): ...


@value
class AppointmentBooked(RowEvent): ...


@value
class AppointmentChanged(RowEvent): ...


@value
class AppointmentMoved(RowEvent):
    """The appointment came from the calendar of another dentist, perhaps changed."""

    practices: tuple[PracticeId, ...] = ()
    """Where the patient belongs from now on, if it came from another practice: to both."""


@value
class AppointmentCancelled(RowEvent): ...


@value
class RowInherited(RowEvent):
    """The row's patient was merged into another one, who has it now."""


@value
class ScheduleReplaced:
    dentist_id: DentistId
    before: Schedule
    after: Schedule


@value
class ProfileSaved:
    """A profile was created (``before`` is ``None``) or changed."""

    before: Profile | None
    after: Profile
    joins: PracticeId | None = None
    """The practice that a new patient was entered at."""
    unless_known: Traits | None = None
    """If set, the commit is refused when the practice knows a patient like the new one."""
    only_of: PracticeId | None = None
    """If set, the commit is refused when the patient belongs to another practice, too."""


@value
class PatientLinked:
    """A patient who is known to the hub became a patient of a practice, too."""

    practice_id: PracticeId
    patient: Profile
    is_new: bool = True
    """Whether they were not before. Otherwise only the audit has it."""


@value
class PatientsMerged:
    """Two records of one person became one: the other one is merged into the survivor."""

    merged: Profile
    before: Profile
    """The survivor, as it was."""
    after: Profile
    """The survivor, with what only the merged person had."""
    dentists: tuple[DentistId, ...]
    """Whose calendars have rows of the merged person; the commit checks that these are all."""
    practices: tuple[PracticeId, ...]
    """Whose patient the merged person is; likewise."""
    only_of: PracticeId | None = None
    """If set, the commit is refused when one of them belongs to another practice, too."""

    @property
    def ended(self) -> Profile:
        """The merged person, from now on."""
        return replace(
            self.merged,
            subject=None,
            active=False,
            merged_into=self.after.id,
            version=self.merged.version + 1,
        )


@value
class PracticePatientSaved:
    """What a practice keeps of a patient was changed."""

    before: PracticePatient
    after: PracticePatient
    patient: Profile


@value
class PracticeSaved:
    """A practice was created (``before`` is ``None``) or changed."""

    before: Practice | None
    after: Practice
    dentists: tuple[DentistId, ...] = ()
    """Whose calendars it has; the commit checks that these are all."""

    @property
    def changes_calendars(self) -> bool:
        return self.before is not None and self.before.closures != self.after.closures


@value
class AppointmentTypeSaved:
    """An appointment type was created (``before`` is ``None``) or changed."""

    before: AppointmentType | None
    after: AppointmentType


@value
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


@value
class WebhookDeleted:
    before: Webhook


@value
class ConsentSaved:
    """A consent was given (``before`` is ``None``), renewed or ended."""

    before: Consent | None
    after: Consent


@value
class MessageSaved:
    """A message was queued (``before`` is ``None``), or what became of it has changed."""

    before: Message | None
    after: Message


CalendarEvent = RowEvent | ScheduleReplaced
RecordEvent = (
    ProfileSaved
    | PatientLinked
    | PatientsMerged
    | PracticePatientSaved
    | PracticeSaved
    | AppointmentTypeSaved
    | WebhookSaved
    | WebhookDeleted
    | ConsentSaved
    | MessageSaved
)
Event = CalendarEvent | RecordEvent
