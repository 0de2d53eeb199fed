"""Events of the hub → what the conversation may want to hear; and which channels to follow."""

from collections.abc import Mapping
from typing import Any

from chairside.chatbot.dialogue.state import (
    Block,
    DialogueState,
    HoldEnded,
    LiveChange,
    OwnAppointmentChanged,
    ScheduleChanged,
    Stage,
    TimesTaken,
)
from chairside.chatbot.patient_calendar import appointment, read

_APPOINTMENTS = frozenset({"appointment.created", "appointment.updated", "appointment.cancelled"})
_HOLD_ENDS = frozenset({"reservation.expired", "reservation.released"})


def heard(kind: str, data: Mapping[str, Any]) -> LiveChange | None:
    """What an event of a type means to a patient's conversation; ``None``: nothing.

    Raises KeyError, ValueError and TypeError when ``data`` is not what the hub sends.
    """
    if kind == "slots.changed":
        blocks = tuple(_block(one) for one in data["taken"])
        return TimesTaken(str(data["dentist_id"]), blocks) if blocks else None
    if kind == "availability.updated":
        return ScheduleChanged(str(data["dentist_id"]))
    if kind in _APPOINTMENTS:
        return OwnAppointmentChanged(appointment(data))
    if kind in _HOLD_ENDS:
        return HoldEnded(str(data["id"]))
    return None


def watched(state: DialogueState) -> tuple[str, ...]:
    """The dentists whose times matter now: those of the offers; ids, ascending."""
    task = state.task
    if task is None or task.stage is not Stage.CHOOSE:
        return ()
    return tuple(sorted({slot.dentist_id for slot in task.offered}))


def _block(raw: Mapping[str, Any]) -> Block:
    return Block(
        start=read(raw["start"]),
        end=read(raw["end"]),
        before=int(raw["buffer_before_minutes"]),
        after=int(raw["buffer_after_minutes"]),
    )
