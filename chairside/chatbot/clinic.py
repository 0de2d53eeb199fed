"""What the conversation needs of a clinic. Nothing else of the hub is known to it."""

from dataclasses import dataclass
from datetime import datetime, time
from typing import Protocol

from chairside.client import FreeSlot


@dataclass(frozen=True, kw_only=True, slots=True)
class Practitioner:
    id: str
    name: str
    time_zone: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Treatment:
    """An appointment type."""

    id: str
    name: str
    minutes: int
    before: int = 0
    """Minutes kept free before it."""
    after: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """What everybody may know of the clinic, and the zone the patient thinks in."""

    dentists: tuple[Practitioner, ...]
    treatments: tuple[Treatment, ...]
    time_zone: str = "UTC"

    def dentist(self, dentist_id: str) -> Practitioner | None:
        return next((one for one in self.dentists if one.id == dentist_id), None)

    def treatment(self, appointment_type_id: str | None) -> Treatment | None:
        return next((one for one in self.treatments if one.id == appointment_type_id), None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Hold:
    id: str
    slot: FreeSlot
    expires_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnAppointment:
    """One of the patient's own appointments."""

    id: str
    dentist_id: str
    appointment_type_id: str
    start: datetime
    end: datetime
    status: str
    version: int


@dataclass(frozen=True, kw_only=True, slots=True)
class SlotQuery:
    """Starts in ``[first, before)``; the times of day are the dentist's."""

    appointment_type_id: str
    dentist_ids: tuple[str, ...] = ()
    """Every dentist if there is none."""
    first: datetime
    before: datetime
    time_from: time | None = None
    time_to: time | None = None
    weekdays: tuple[int, ...] = ()
    """Only these are of use (Monday is 0); more may be answered."""


class ClinicError(Exception):
    """Base of what a clinic may answer instead of yes."""


class ClinicRefused(ClinicError):
    """The hub said no; ``code`` is one of its codes, ``message`` its sentence."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code, self.message = code, message


class ClinicUnreachable(ClinicError):
    """Nobody answered: whether a command was carried out is unknown. Same key, once more."""


class Clinic(Protocol):
    """One patient's view of a clinic; every call is made as that patient.

    Commands take a ``key``: repeated with it they are carried out once. All raise
    :class:`ClinicRefused` and :class:`ClinicUnreachable`, and nothing else.
    """

    async def facts(self) -> Facts: ...

    async def slots(self, query: SlotQuery) -> tuple[FreeSlot, ...]:
        """Free slots, ascending by start; the first few hundred."""
        ...

    async def mine(self) -> tuple[OwnAppointment, ...]:
        """The patient's confirmed and past appointments, ascending; never holds."""
        ...

    async def hold(self, slot: FreeSlot, key: str) -> Hold: ...

    async def release(self, hold_id: str, key: str) -> None: ...

    async def book(self, hold_id: str, key: str) -> OwnAppointment: ...

    async def move(
        self, appointment: OwnAppointment, start: datetime, key: str
    ) -> OwnAppointment: ...

    async def cancel(self, appointment: OwnAppointment, key: str) -> None: ...
