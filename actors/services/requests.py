"""The requests that services take, the same from REST and Socket.IO.

``api/schemas`` loads them from JSON. A field that is ``UNSET`` was not sent and stays as it
is; ``None`` empties it.
"""

from collections.abc import Mapping
from datetime import date, datetime
from typing import TYPE_CHECKING, TypeVar

from actors.domain.appointment import BOOKABLE_BY, Status
from actors.domain.cancel_reason import CancelReason
from actors.domain.channels import Channel
from actors.domain.commands import UNSET, Unset
from actors.domain.ids import AppointmentId, AppointmentTypeId, DentistId, PracticeId, ProfileId
from actors.domain.position import Position
from actors.domain.principal import Role
from actors.domain.profile import ConsentSource
from actors.domain.schedule import Closure, StaffTerms
from actors.domain.slots import Minute
from actors.domain.values import value
from actors.domain.webhook import WebhookStatus

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T")


# --- slots and appointments ----------------------------------------------------------


@value
class HoldRequest:
    dentist_id: DentistId
    appointment_type_id: AppointmentTypeId
    start: datetime


@value
class BookReservationRequest:
    reservation_id: AppointmentId
    notes: str | Unset | None = UNSET


@value
class BookSlotRequest:
    dentist_id: DentistId
    appointment_type_id: AppointmentTypeId
    start: datetime
    patient_id: ProfileId | None = None
    """Required of a dentist; a patient books for themselves."""
    notes: str | None = None
    overbook: bool = False


BookingRequest = BookReservationRequest | BookSlotRequest


@value
class AppointmentChange:
    """What to change of an appointment; ``None`` in a required field means ``UNSET``."""

    dentist_id: DentistId | None = None
    """To whom it moves."""
    start: datetime | None = None
    appointment_type_id: AppointmentTypeId | None = None
    status: Status | None = None
    notes: str | Unset | None = UNSET
    cancel_reason: CancelReason | Unset | None = UNSET
    overbook: bool | None = None


@value
class Cancellation:
    reason: CancelReason | None = None


@value
class SlotRange:
    """Free slots of one dentist that start in ``[starts_from, starts_before)``."""

    appointment_type_id: AppointmentTypeId
    starts_from: datetime
    starts_before: datetime


@value
class SlotSearch(SlotRange):
    """The first free slots over several dentists; no ``dentist_ids``: all of the clinic."""

    dentist_ids: tuple[DentistId, ...] = ()
    time_from: Minute | None = None
    """Minute of the dentist's local day: only starts in ``[time_from, time_to)``."""
    time_to: Minute | None = None
    terms: StaffTerms | None = None
    """Given by staff and dentists: the times of their calendars that they may book."""
    limit: int
    after: tuple[datetime, DentistId] | None = None
    """The last slot of the page before."""


# --- people and appointment types ----------------------------------------------------


@value
class ConsentAnswers:
    """Whether a patient agrees to messages; ``None``: not asked now."""

    email: bool | None = None
    sms: bool | None = None
    source: ConsentSource | None = None
    """``None``: as the caller's role says."""


@value
class NewInvitation:
    profile_id: ProfileId | None = None
    name: str | None = None
    """Of an admin, who has no profile."""
    send: bool = False
    """Whether the link is sent to the patient by mail."""


@value
class NewProfile:
    role: Role
    name: str
    subject: str | None = None
    email: str | None = None
    phone: str | None = None
    time_zone: str | None = None
    practice_id: PracticeId | None = None
    """Where a dentist or staff works, or a patient is entered; ``None``: the only practice."""
    date_of_birth: date | None = None
    language: str | None = None
    consent: ConsentAnswers | None = None
    allow_duplicate: bool = False
    """Although the practice knows a patient like this one."""


@value
class ProfileChange:
    name: str | Unset = UNSET
    email: str | Unset | None = UNSET
    phone: str | Unset | None = UNSET
    time_zone: str | Unset | None = UNSET
    date_of_birth: date | Unset | None = UNSET
    language: str | Unset | None = UNSET
    consent: ConsentAnswers | Unset = UNSET


@value
class PersonChange(ProfileChange):
    """A change of someone else's profile."""

    practice_id: PracticeId | Unset = UNSET
    active: bool | Unset = UNSET


@value
class PatientMerge:
    into: ProfileId


@value
class PatientIdentifiers:
    """What identifies a patient: one contact, and the date of birth."""

    date_of_birth: date
    phone: str | None = None
    email: str | None = None

    @property
    def contact(self) -> str:
        """The one that was sent."""
        return self.phone or self.email or ""


@value
class RemarkChange:
    remark: str | None


@value
class PatientLink:
    patient_id: ProfileId


@value
class NewPractice:
    name: str
    time_zone: str
    region: str | None = None
    address: str | None = None
    phone: str | None = None
    email: str | None = None
    website: str | None = None
    closures: tuple[Closure, ...] = ()


@value
class PracticeChange:
    name: str | Unset = UNSET
    time_zone: str | Unset = UNSET
    region: str | Unset | None = UNSET
    address: str | Unset | None = UNSET
    phone: str | Unset | None = UNSET
    email: str | Unset | None = UNSET
    website: str | Unset | None = UNSET
    closures: tuple[Closure, ...] | Unset = UNSET


@value
class NewAppointmentType:
    name: str
    duration_minutes: int
    buffer_before_minutes: int = 0
    buffer_after_minutes: int = 0
    description: str | None = None
    order: int = 0
    color: str | None = None
    bookable_by: tuple[Role, ...] = BOOKABLE_BY
    active: bool = True
    practice_id: PracticeId | None = None
    reminder_hours: tuple[int, ...] | None = None


@value
class AppointmentTypeChange:
    name: str | Unset = UNSET
    duration_minutes: int | Unset = UNSET
    buffer_before_minutes: int | Unset = UNSET
    buffer_after_minutes: int | Unset = UNSET
    description: str | Unset | None = UNSET
    order: int | Unset = UNSET
    color: str | Unset | None = UNSET
    bookable_by: tuple[Role, ...] | Unset = UNSET
    active: bool | Unset = UNSET
    practice_id: PracticeId | Unset | None = UNSET
    reminder_hours: tuple[int, ...] | Unset | None = UNSET


# --- webhooks ------------------------------------------------------------------------


@value
class NewWebhook:
    url: str
    channels: tuple[Channel, ...] | None = None
    """``None``: the owner's own channels."""
    description: str | None = None
    secret: str | None = None
    """``None``: the service generates one."""


@value
class WebhookChange:
    url: str | Unset = UNSET
    channels: tuple[Channel, ...] | Unset = UNSET
    description: str | Unset | None = UNSET
    status: WebhookStatus | Unset = UNSET


@value
class NewConsent:
    party: str
    patient_id: ProfileId | None = None
    """Required of a dentist or an admin; a patient consents for themselves."""
    expires_at: datetime | None = None
    """``None``: after the lifetime of consents."""


@value
class WebhookGrant:
    """What the token of a request means for the webhook that it creates or renews."""

    key_id: str
    """The key that verified the token."""
    rights_until: datetime | None
    """The end of a delegation by token; ``None`` for other tokens."""


@value
class SecretRotation:
    secret: str | None = None
    """``None``: the service generates one."""


@value
class WebhookReplay:
    """From where to deliver a channel's events again."""

    channel: Channel
    since: Position


# --- fields of a request -------------------------------------------------------------


def all_fields(request: "DataclassInstance") -> dict[str, object]:
    """Every field by name, also those that were not sent."""
    return {name: getattr(request, name) for name in request.__dataclass_fields__}


def sent_fields(request: "DataclassInstance") -> Mapping[str, object]:
    """The fields that were sent, by name."""
    return {name: value for name, value in all_fields(request).items() if value is not UNSET}


def sent_or(value: T | Unset, kept: T) -> T:
    """The value that was sent, or the one to keep."""
    return kept if isinstance(value, Unset) else value
