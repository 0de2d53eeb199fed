"""What the conversation needs of a clinic. Nothing else of the hub is known to it."""

from dataclasses import dataclass
from datetime import datetime, time
from typing import Protocol

from chairside.chatbot.understanding.acts import Facts


@dataclass(frozen=True, kw_only=True, slots=True)
class Slot:
    """A time that can be booked; instants are UTC."""

    dentist_id: str
    kind_id: str
    start: datetime
    end: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Hold:
    id: str
    slot: Slot
    expires_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Visit:
    """One of the patient's own appointments."""

    id: str
    dentist_id: str
    kind_id: str
    start: datetime
    end: datetime
    status: str
    version: int


@dataclass(frozen=True, kw_only=True, slots=True)
class SlotQuery:
    """Starts in ``[first, before)``; the times of day are the dentist's."""

    kind_id: str
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

    async def slots(self, query: SlotQuery) -> tuple[Slot, ...]:
        """Free slots, ascending by start; the first few hundred."""
        ...

    async def mine(self) -> tuple[Visit, ...]:
        """The patient's confirmed and past appointments, ascending; never holds."""
        ...

    async def hold(self, slot: Slot, key: str) -> Hold: ...

    async def release(self, hold_id: str, key: str) -> None: ...

    async def book(self, hold_id: str, key: str) -> Visit: ...

    async def move(self, visit: Visit, start: datetime, key: str) -> Visit: ...

    async def cancel(self, visit: Visit, key: str) -> None: ...
