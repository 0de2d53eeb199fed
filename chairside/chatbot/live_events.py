"""The hub's events as inputs of the dialogue, and the dentists whose events matter.

Events may come from a client (``POST /api/chat``), so their data is checked.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from chairside.chatbot.clinic import Facts, OwnAppointment
from chairside.chatbot.dialogue.state import (
    Goal,
    HoldEnded,
    LiveChange,
    OwnAppointmentChanged,
    ScheduleChanged,
    Stage,
    Task,
    TimesTaken,
)
from chairside.client.slot_table import Block

_APPOINTMENTS: Final = frozenset(
    {"appointment.created", "appointment.updated", "appointment.cancelled"}
)
_HOLD_ENDS: Final = frozenset({"reservation.expired", "reservation.released"})
_YEARS: Final = range(1970, 9000)
_MINUTES_MAX: Final = 24 * 60


def live_change(event_type: str, data: Mapping[str, object]) -> LiveChange | None:
    """What an event means to the patient's conversation; None if nothing.

    Raises ValueError if ``data`` is not what the hub sends.
    """
    match event_type:
        case "slots.changed":
            taken = data.get("taken")
            if not isinstance(taken, list):
                raise ValueError("taken is no list")
            blocks = tuple(map(_block, taken))
            return TimesTaken(_text(data, "dentist_id"), blocks) if blocks else None
        case "availability.updated":
            return ScheduleChanged(_text(data, "dentist_id"))
        case event_type if event_type in _APPOINTMENTS:
            return OwnAppointmentChanged(_appointment(data))
        case event_type if event_type in _HOLD_ENDS:
            return HoldEnded(_text(data, "id"))
        case _:
            return None


def offering(task: Task | None) -> tuple[str, ...]:
    """The dentists of the offered times; ids, ascending."""
    if task is None or task.stage is not Stage.CHOOSE:
        return ()
    return tuple(sorted({slot.dentist_id for slot in task.offered}))


def searched(task: Task, facts: Facts, dentists_max: int) -> tuple[str, ...]:
    """The dentists among whom a task searches, if they are few; else those of its offers."""
    if task.goal is Goal.CANCEL:
        return ()
    among = facts.ids(task.dentist_ids)
    return among if len(among) <= dentists_max else offering(task)


# --- checked data ----------------------------------------------------------------------------


def _appointment(data: Mapping[str, object]) -> OwnAppointment:
    return OwnAppointment(
        id=_text(data, "id"),
        dentist_id=_text(data, "dentist_id"),
        appointment_type_id=_text(data, "appointment_type_id"),
        start=_instant(data, "start"),
        end=_instant(data, "end"),
        status=_text(data, "status"),
        version=_number(data, "version"),
    )


def _block(data: object) -> Block:
    if not isinstance(data, Mapping):
        raise ValueError("a taken time is no object")
    before, after = (
        timedelta(minutes=min(_number(data, name), _MINUTES_MAX))
        for name in ("buffer_before_minutes", "buffer_after_minutes")
    )
    return Block(_instant(data, "start"), _instant(data, "end"), before, after)


def _text(data: Mapping[str, object], name: str) -> str:
    value = data.get(name)
    if not isinstance(value, str):
        raise ValueError(f"{name} is no text")
    return value


def _number(data: Mapping[str, object], name: str) -> int:
    value = data.get(name)
    if not isinstance(value, int) or value < 0:
        raise ValueError(f"{name} is no number from 0 on")
    return value


def _instant(data: Mapping[str, object], name: str) -> datetime:
    instant = datetime.fromisoformat(_text(data, name))
    if instant.tzinfo is None or instant.year not in _YEARS:
        raise ValueError(f"{name} is no instant of a calendar")
    return instant
