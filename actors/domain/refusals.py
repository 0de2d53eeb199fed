"""Refusals: all reasons for which the hub rejects a request, each with a stable code.

::

    Refusal
    ├── ValidationFailed        VALIDATION_ERROR       the input is not valid
    ├── InvalidToken            UNAUTHORIZED           the caller is not authenticated
    ├── Forbidden               FORBIDDEN              the caller's role may not do this
    ├── ConsentRequired         CONSENT_REQUIRED       the patient has not consented to the chatbot
    ├── NotFound                NOT_FOUND              missing, or not the caller's
    ├── SlotTaken               SLOT_TAKEN             the time is taken
    ├── PatientConflict         PATIENT_CONFLICT       the patient has another appointment then
    ├── DuplicatePatient        DUPLICATE_PATIENT      perhaps known to the practice already
    ├── MergeConflict           MERGE_CONFLICT         two patients cannot become one
    ├── InvalidTransition       INVALID_TRANSITION     the status cannot change this way
    ├── ReservationExpired      RESERVATION_EXPIRED    the hold's time is over
    ├── VersionConflict         VERSION_CONFLICT       changed since it was read
    ├── OutsideAvailability     OUTSIDE_AVAILABILITY   closed, off the grid, not offered
    ├── TooSoon                 TOO_SOON               inside the minimum notice, or past
    ├── TooFar                  TOO_FAR                beyond the booking horizon
    ├── ProfileIncomplete       PROFILE_INCOMPLETE     the patient's name or contact is missing
    ├── TooLate                 TOO_LATE               too close to the start, or past it
    ├── IdempotencyMismatch     IDEMPOTENCY_MISMATCH   the key was used for something else
    ├── RateLimited             RATE_LIMITED           too many requests, connections or bytes
    ├── TooManyReservations     TOO_MANY_RESERVATIONS  the patient holds as many as allowed
    ├── TooManyAppointments     TOO_MANY_APPOINTMENTS  the patient has as many ahead as allowed
    ├── CalendarBusy            CALENDAR_BUSY          the mailbox is full, or the wait too long
    └── Unavailable             UNAVAILABLE            outcome unknown: retry with the same key

``api/errors.py`` is the only place that maps them to HTTP statuses. An instance carries data;
``str()`` gives the message for people.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import ClassVar

from actors.domain.values import value


@value
class FieldError:
    """One field of the input and what is wrong with it."""

    field: str
    message: str


class Refusal(Exception):
    """Base of all refusals. ``code`` is part of the API and never changes."""

    code: ClassVar[str]
    sentence: ClassVar[str]
    """The message; ``{0}`` is the refusal itself."""

    def __str__(self) -> str:
        return self.sentence.format(self)

    @property
    def details(self) -> Sequence[FieldError]:
        return ()


class ValidationFailed(Refusal):
    code = "VALIDATION_ERROR"
    sentence = "The request is not valid"

    def __init__(self, *errors: FieldError) -> None:
        super().__init__(*errors)

    @classmethod
    def of(cls, field: str, message: str) -> "ValidationFailed":
        return cls(FieldError(field=field, message=message))

    @property
    def details(self) -> Sequence[FieldError]:
        return self.args


@dataclass(eq=False)
class InvalidToken(Refusal):
    """The token was not accepted. The reason is logged, never sent (criterion 5.2)."""

    code = "UNAUTHORIZED"
    sentence = "Invalid token"
    reason: str = ""


@dataclass(eq=False)
class Forbidden(Refusal):
    code = "FORBIDDEN"
    sentence = "Your role may not do this"
    reason: str | None = None

    def __str__(self) -> str:
        return self.reason or self.sentence


class ConsentRequired(Refusal):
    """A chatbot acts for a patient who has not consented to that, or has ended it."""

    code = "CONSENT_REQUIRED"
    sentence = "The patient has not consented to this chatbot"


@dataclass(eq=False)
class NotFound(Refusal):
    code = "NOT_FOUND"
    sentence = "No such {0.what}"
    what: str


class SlotTaken(Refusal):
    code = "SLOT_TAKEN"
    sentence = "This time is already taken"


class PatientConflict(Refusal):
    code = "PATIENT_CONFLICT"
    sentence = "The patient has another appointment at this time"


@value
class KnownPatient:
    """A patient whom a new one may be."""

    id: str
    name: str
    date_of_birth: date | None


@dataclass(eq=False)
class DuplicatePatient(Refusal):
    """Goes on with ``allow_duplicate``."""

    code = "DUPLICATE_PATIENT"
    sentence = "The practice has a patient with this contact data, or name and date of birth"
    candidates: tuple[KnownPatient, ...] = ()
    """Those whom the caller may see."""


@value
class OverlappingVisit:
    """A live appointment that overlaps one of the other patient."""

    id: str
    patient_id: str
    dentist_id: str
    start: datetime
    end: datetime


@dataclass(eq=False)
class MergeConflict(Refusal):
    code = "MERGE_CONFLICT"
    sentence = "The two patients cannot be merged: {0.reason}"
    reason: str
    appointments: tuple[OverlappingVisit, ...] = ()


@dataclass(eq=False)
class InvalidTransition(Refusal):
    code = "INVALID_TRANSITION"
    sentence = "An appointment that is {0.current} cannot become {0.wanted}"
    current: str
    wanted: str


class MessageOutdated(Refusal):
    code = "MESSAGE_OUTDATED"
    sentence = "The visit has begun, or is not as the message says any more"


class ReservationExpired(Refusal):
    code = "RESERVATION_EXPIRED"
    sentence = "The reservation has expired"


@dataclass(eq=False)
class VersionConflict(Refusal):
    code = "VERSION_CONFLICT"
    sentence = "It was changed meanwhile: the current version is {0.current}"
    current: int


class OutsideAvailability(Refusal):
    code = "OUTSIDE_AVAILABILITY"
    sentence = "The dentist does not offer this time"


@dataclass(eq=False)
class TooSoon(Refusal):
    code = "TOO_SOON"
    sentence = "The earliest start that can be booked now is {0.earliest:%Y-%m-%dT%H:%M:%SZ}"
    earliest: datetime


@dataclass(eq=False)
class TooFar(Refusal):
    code = "TOO_FAR"
    sentence = "Appointments can be booked at most {0.horizon_days} days ahead"
    horizon_days: int


class ProfileIncomplete(Refusal):
    """The practice must be able to reach who books (``practice.require_contact``)."""

    code = "PROFILE_INCOMPLETE"
    sentence = "Please enter a name, and a telephone number or an e-mail address, before booking"


class TooLate(Refusal):
    code = "TOO_LATE"
    sentence = "It is too late to change this appointment; please call the clinic"


class IdempotencyMismatch(Refusal):
    code = "IDEMPOTENCY_MISMATCH"
    sentence = "This idempotency key was used for a different request"


@dataclass(eq=False)
class RateLimited(Refusal):
    code = "RATE_LIMITED"
    sentence = "Too many requests; please slow down"
    retry_after_s: float
    reason: str | None = None
    """What there is too much of, if not requests."""

    def __str__(self) -> str:
        return self.reason or self.sentence


@dataclass(eq=False)
class TooManyReservations(Refusal):
    code = "TOO_MANY_RESERVATIONS"
    sentence = "At most {0.limit} slots can be held at once"
    limit: int


@dataclass(eq=False)
class TooManyAppointments(Refusal):
    code = "TOO_MANY_APPOINTMENTS"
    sentence = "At most {0.limit} appointments can lie ahead, reservations included"
    limit: int


class CalendarBusy(Refusal):
    code = "CALENDAR_BUSY"
    sentence = "The calendar is busy; please try again"
    retry_after_s: ClassVar[float] = 1


class Unavailable(Refusal):
    """The outcome is not known; a retry with the same idempotency key is safe."""

    code = "UNAVAILABLE"
    sentence = "The hub cannot answer right now; retrying with the same idempotency key is safe"
    retry_after_s: ClassVar[float] = 2
