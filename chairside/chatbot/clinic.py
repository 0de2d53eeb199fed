"""What the chatbot knows of a clinic, and of one patient's calendar there. Instants are UTC."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from chairside.client import FreeSlot
from chairside.client.slot_table import TypeTimes


@dataclass(frozen=True, kw_only=True, slots=True)
class Practitioner:
    id: str
    name: str
    time_zone: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Treatment:
    """An appointment type, by the name that patients see."""

    id: str
    name: str
    times: TypeTimes

    @property
    def minutes(self) -> int:
        return self.times.duration // timedelta(minutes=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """The clinic's public directory, and the zone that the patient thinks in."""

    dentists: tuple[Practitioner, ...]
    treatments: tuple[Treatment, ...]
    time_zone: str = "UTC"

    def dentist(self, dentist_id: str) -> Practitioner | None:
        return next((one for one in self.dentists if one.id == dentist_id), None)

    def treatment(self, type_id: str | None) -> Treatment | None:
        return next((one for one in self.treatments if one.id == type_id), None)

    def ids(self, dentist_ids: Sequence[str]) -> tuple[str, ...]:
        """The given dentists; every dentist if none is given."""
        return tuple(dentist_ids) or tuple(one.id for one in self.dentists)


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

    @property
    def slot(self) -> FreeSlot:
        """The time that it takes."""
        return FreeSlot(self.dentist_id, self.appointment_type_id, self.start, self.end)

    def overlaps(self, slot: FreeSlot) -> bool:
        is_same = slot.dentist_id == self.dentist_id
        return is_same and slot.start < self.end and slot.end > self.start


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
