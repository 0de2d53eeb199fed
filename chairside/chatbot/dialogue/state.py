"""The dialogue's state, its inputs and its outputs: replies, and effects to carry out.

All values are frozen. The state travels to the client and back (``sealing``), so renaming a
field or a value ends the conversations of the older version.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from chairside.chatbot.clinic import Hold, OwnAppointment, SlotQuery
from chairside.chatbot.understanding.acts import DialogueAct
from chairside.chatbot.understanding.when import When
from chairside.client import FreeSlot
from chairside.client.slot_table import Block

OFFERED_MAX: Final = 3
"""Times that are offered at once."""
LISTED_MAX: Final = 10
SEEN_MAX: Final = 20
EXCLUDED_MAX: Final = 20


class Goal(StrEnum):
    BOOK = "book"
    MOVE = "move"
    CANCEL = "cancel"


class Stage(StrEnum):
    """What a task needs next from the patient."""

    TREATMENT = "treatment"
    DENTIST = "dentist"
    WHICH = "which"
    WHEN = "when"
    CHOOSE = "choose"
    CONFIRM = "confirm"


class Waiting(StrEnum):
    """What the result of the last effect is for."""

    LIST = "list"
    """Own appointments, to be shown."""
    USUAL = "usual"
    """Own appointments, to find the usual dentist."""
    PICK = "pick"
    """Own appointments, to find the one that is meant."""
    OFFER = "offer"
    NEAREST = "nearest"
    """Slots around the wanted time, which had none."""
    HOLD = "hold"
    CHANGE = "change"
    """The booking, the move or the cancellation itself."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """One goal of the patient, from the first message to the confirmation."""

    goal: Goal
    stage: Stage
    act: DialogueAct
    appointment_type_id: str | None = None
    dentist_ids: tuple[str, ...] = ()
    """Empty: any dentist."""
    when: When = field(default_factory=When)
    appointment: OwnAppointment | None = None
    """The appointment that is moved or cancelled."""
    beyond: datetime | None = None
    """Earlier starts were offered before and are skipped."""
    excluded: tuple[tuple[str, datetime], ...] = ()
    """Dentist and start of what the hub refused, so that it is not tried for ever."""
    offered: tuple[FreeSlot, ...] = ()
    chosen: FreeSlot | None = None
    hold: Hold | None = None
    key: str = ""
    """Idempotency key of the last command; kept until its outcome is known."""
    retaken: bool = False
    """The hold expired once and was placed again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DialogueState:
    id: str
    """Of the conversation, unguessable; idempotency keys begin with it."""
    commands: int = 0
    """Idempotency keys made so far."""
    task: Task | None = None
    waiting: Waiting | None = None
    queue: tuple[DialogueAct, ...] = ()
    """Later acts of the same message."""
    listed: tuple[OwnAppointment, ...] = ()
    """The appointments that were shown with numbers."""
    last: OwnAppointment | None = None
    """The appointment that the patient dealt with last: "it"."""
    seen: tuple[tuple[str, int], ...] = ()
    """Id and version of appointments that the patient was shown."""
    misses: int = 0
    """Messages in a row that were not understood."""


# --- replies -----------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Option:
    """A button below a reply; pressing it sends ``message``."""

    label: str
    message: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ChatReply:
    text: str
    options: tuple[Option, ...] = ()
    notice: bool = False
    """Caused by a change at the clinic, not by a message."""


# --- effects -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FindSlots:
    query: SlotQuery


@dataclass(frozen=True, slots=True)
class FindOwnAppointments:
    pass


@dataclass(frozen=True, slots=True)
class PlaceHold:
    slot: FreeSlot
    key: str


@dataclass(frozen=True, slots=True)
class DropHold:
    """Its result is ignored: a hold ends by itself."""

    hold_id: str
    key: str


@dataclass(frozen=True, slots=True)
class BookHold:
    hold_id: str
    key: str


@dataclass(frozen=True, slots=True)
class MoveOwnAppointment:
    appointment: OwnAppointment
    start: datetime
    key: str


@dataclass(frozen=True, slots=True)
class CancelOwnAppointment:
    appointment: OwnAppointment
    key: str


Effect = (
    FindSlots
    | FindOwnAppointments
    | PlaceHold
    | DropHold
    | BookHold
    | MoveOwnAppointment
    | CancelOwnAppointment
)


# --- inputs ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Utterance:
    """A message of the patient, understood."""

    acts: tuple[DialogueAct, ...]


@dataclass(frozen=True, slots=True)
class SlotsFound:
    slots: tuple[FreeSlot, ...]


@dataclass(frozen=True, slots=True)
class OwnAppointmentsFound:
    appointments: tuple[OwnAppointment, ...]


@dataclass(frozen=True, slots=True)
class HoldPlaced:
    hold: Hold


@dataclass(frozen=True, slots=True)
class ChangeDone:
    """Booked or moved (the appointment as it is now), or cancelled (``None``)."""

    appointment: OwnAppointment | None


@dataclass(frozen=True, slots=True)
class EffectFailed:
    code: str
    """One of the hub's, or :data:`UNREACHABLE`."""


UNREACHABLE: Final = "UNREACHABLE"
"""No answer: it is unknown whether the command was carried out."""


@dataclass(frozen=True, slots=True)
class TimesTaken:
    """Live: these times of a dentist are no longer free."""

    dentist_id: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class ScheduleChanged:
    """Live: a dentist has other working hours now."""

    dentist_id: str


@dataclass(frozen=True, slots=True)
class OwnAppointmentChanged:
    """Live: one of the patient's appointments was made, changed or cancelled."""

    appointment: OwnAppointment


@dataclass(frozen=True, slots=True)
class HoldEnded:
    """Live: a hold of the patient ended without having been booked."""

    hold_id: str


EffectResult = SlotsFound | OwnAppointmentsFound | HoldPlaced | ChangeDone | EffectFailed
LiveChange = TimesTaken | ScheduleChanged | OwnAppointmentChanged | HoldEnded
DialogueInput = Utterance | EffectResult | LiveChange


@dataclass(frozen=True, kw_only=True, slots=True)
class DialogueStep:
    """The outcome of one input."""

    state: DialogueState
    replies: tuple[ChatReply, ...] = ()
    effects: tuple[Effect, ...] = ()
    """To be carried out in this order; only the result of the last one is waited for."""
