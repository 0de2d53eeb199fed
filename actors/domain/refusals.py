"""Refusals: all reasons for which the hub rejects a request, each with a stable code.

::

    Refusal
    ├── ValidationFailed        VALIDATION_ERROR       the input is not valid
    ├── InvalidToken            UNAUTHORIZED           the caller is not authenticated
    ├── Forbidden               FORBIDDEN              the caller's role may not do this
    ├── NotFound                NOT_FOUND              missing, or not the caller's
    ├── SlotTaken               SLOT_TAKEN             the time is taken
    ├── PatientConflict         PATIENT_CONFLICT       the patient has another appointment then
    ├── InvalidTransition       INVALID_TRANSITION     the status cannot change this way
    ├── ReservationExpired      RESERVATION_EXPIRED    the hold's time is over
    ├── VersionConflict         VERSION_CONFLICT       changed since it was read
    ├── OutsideAvailability     OUTSIDE_AVAILABILITY   closed, off the grid, not offered
    ├── TooSoon                 TOO_SOON               inside the minimum notice, or past
    ├── TooFar                  TOO_FAR                beyond the booking horizon
    ├── TooLate                 TOO_LATE               too close to the start, or past it
    ├── IdempotencyMismatch     IDEMPOTENCY_MISMATCH   the key was used for something else
    ├── RateLimited             RATE_LIMITED           too many requests of one principal
    ├── TooManyReservations     TOO_MANY_RESERVATIONS  the patient holds as many as allowed
    ├── CalendarBusy            CALENDAR_BUSY          the mailbox is full, or the wait too long
    └── Unavailable             UNAVAILABLE            outcome unknown: retry with the same key

``api/errors.py`` is the only place that maps them to HTTP statuses. An instance carries data;
``str()`` gives the message for people.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar


@dataclass(frozen=True, kw_only=True, slots=True)
class FieldError:
    """One field of the input and what is wrong with it."""

    field: str
    message: str


class Refusal(Exception):
    """Base of all refusals. ``code`` is part of the API and never changes."""

    code: ClassVar[str]
    sentence: ClassVar[str]

    def __str__(self) -> str:
        return self.sentence

    @property
    def details(self) -> Sequence[FieldError]:
        return ()


class ValidationFailed(Refusal):
    code = "VALIDATION_ERROR"
    sentence = "The request is not valid"

    def __init__(self, *errors: FieldError) -> None:
        super().__init__(errors)
        self._errors = errors

    @classmethod
    def of(cls, field: str, message: str) -> "ValidationFailed":
        return cls(FieldError(field=field, message=message))

    @property
    def details(self) -> Sequence[FieldError]:
        return self._errors


class InvalidToken(Refusal):
    """The token was not accepted. The reason is logged, never sent (criterion 5.2)."""

    code = "UNAUTHORIZED"
    sentence = "Invalid token"

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason = reason


class Forbidden(Refusal):
    code = "FORBIDDEN"
    sentence = "Your role may not do this"

    def __init__(self, sentence: str | None = None) -> None:
        super().__init__(sentence)
        self._sentence = sentence

    def __str__(self) -> str:
        return self._sentence or self.sentence


class NotFound(Refusal):
    code = "NOT_FOUND"

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what

    def __str__(self) -> str:
        return f"No such {self.what}"


class SlotTaken(Refusal):
    code = "SLOT_TAKEN"
    sentence = "This time is already taken"


class PatientConflict(Refusal):
    code = "PATIENT_CONFLICT"
    sentence = "The patient has another appointment at this time"


class InvalidTransition(Refusal):
    code = "INVALID_TRANSITION"

    def __init__(self, current: str, wanted: str) -> None:
        super().__init__(current, wanted)
        self.current, self.wanted = current, wanted

    def __str__(self) -> str:
        return f"An appointment that is {self.current} cannot become {self.wanted}"


class ReservationExpired(Refusal):
    code = "RESERVATION_EXPIRED"
    sentence = "The reservation has expired"


class VersionConflict(Refusal):
    code = "VERSION_CONFLICT"

    def __init__(self, current: int) -> None:
        super().__init__(current)
        self.current = current

    def __str__(self) -> str:
        return f"It was changed meanwhile: the current version is {self.current}"


class OutsideAvailability(Refusal):
    code = "OUTSIDE_AVAILABILITY"
    sentence = "The dentist does not offer this time"


class TooSoon(Refusal):
    code = "TOO_SOON"

    def __init__(self, earliest: datetime) -> None:
        super().__init__(earliest)
        self.earliest = earliest

    def __str__(self) -> str:
        return f"The earliest start that can be booked now is {self.earliest:%Y-%m-%dT%H:%M:%SZ}"


class TooFar(Refusal):
    code = "TOO_FAR"

    def __init__(self, horizon_days: int) -> None:
        super().__init__(horizon_days)
        self.horizon_days = horizon_days

    def __str__(self) -> str:
        return f"Appointments can be booked at most {self.horizon_days} days ahead"


class TooLate(Refusal):
    code = "TOO_LATE"
    sentence = "It is too late to change this appointment; please call the clinic"


class IdempotencyMismatch(Refusal):
    code = "IDEMPOTENCY_MISMATCH"
    sentence = "This idempotency key was used for a different request"


class RateLimited(Refusal):
    code = "RATE_LIMITED"
    sentence = "Too many requests; please slow down"

    def __init__(self, retry_after_s: float) -> None:
        super().__init__(retry_after_s)
        self.retry_after_s = retry_after_s


class TooManyReservations(Refusal):
    code = "TOO_MANY_RESERVATIONS"

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.limit = limit

    def __str__(self) -> str:
        return f"At most {self.limit} slots can be held at once"


class CalendarBusy(Refusal):
    code = "CALENDAR_BUSY"
    sentence = "The calendar is busy; please try again"
    retry_after_s: ClassVar[float] = 1


class Unavailable(Refusal):
    """The outcome is not known; a retry with the same idempotency key is safe."""

    code = "UNAVAILABLE"
    sentence = "The hub cannot answer right now; retrying with the same idempotency key is safe"
    retry_after_s: ClassVar[float] = 2
