"""The hub's events as inputs of the dialogue, and the dentists whose events matter.

Events may come from a client (``POST /api/chat``), so their data is checked.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeVar

from cattrs import BaseValidationError

from chairside.chatbot.clinic import Facts, OwnAppointment
from chairside.chatbot.dialogue import state
from chairside.chatbot.json_values import value_converter
from chairside.chatbot.understanding.acts import Intent
from chairside.client.channels import canonical_id
from chairside.client.slot_table import Block

T = TypeVar("T")

_CONVERTER: Final = value_converter(forbid_extra_keys=False)
_BUFFER_MINUTES_MAX: Final = 24 * 60


@dataclass(frozen=True, kw_only=True, slots=True)
class _TakenTime:
    start: datetime
    end: datetime
    buffer_before_minutes: int
    buffer_after_minutes: int

    @property
    def block(self) -> Block:
        before, after = (
            timedelta(minutes=min(minutes, _BUFFER_MINUTES_MAX))
            for minutes in (self.buffer_before_minutes, self.buffer_after_minutes)
        )
        return Block(self.start, self.end, before, after)


@dataclass(frozen=True, kw_only=True, slots=True)
class _SlotsChanged:
    dentist_id: str
    taken: tuple[_TakenTime, ...]


def live_change(event_type: str, data: Mapping[str, object]) -> state.LiveChange | None:
    """What an event means to the patient's conversation; None if nothing.

    Raises ValueError if ``data`` is not what the hub sends.
    """
    data = {name: _canonical(value) for name, value in data.items()}
    match event_type:
        case "slots.changed":
            slots = _checked(data, _SlotsChanged)
            blocks = tuple(one.block for one in slots.taken)
            return state.TimesTaken(slots.dentist_id, blocks) if blocks else None
        case "availability.updated":
            return state.ScheduleChanged(_checked(data.get("dentist_id"), str))
        case "appointment.created" | "appointment.updated" | "appointment.cancelled":
            return state.OwnAppointmentChanged(_checked(data, OwnAppointment))
        case "reservation.expired" | "reservation.released":
            return state.HoldEnded(_checked(data.get("id"), str))
        case _:
            return None


def offering(task: state.Task | None) -> tuple[str, ...]:
    """The dentists of the offered times; ids, ascending."""
    if task is None or task.stage is not state.Stage.CHOOSE:
        return ()
    return tuple(sorted({slot.dentist_id for slot in task.offered}))


def searched(task: state.Task, facts: Facts, dentists_max: int) -> tuple[str, ...]:
    """The dentists among whom a task searches, if they are few; else those of its offers."""
    if task.goal is Intent.CANCEL:
        return ()
    among = facts.ids(task.dentist_ids)
    return among if len(among) <= dentists_max else offering(task)


def _canonical(value: object) -> object:
    return canonical_id(value) if isinstance(value, str) else value


def _checked(data: object, cls: type[T]) -> T:
    try:
        return _CONVERTER.structure(data, cls)
    except (BaseValidationError, TypeError) as error:
        raise ValueError(f"not as the hub sends it: {cls.__name__}") from error
