"""What a conversation remembers, what it hears and what it asks to be done. All frozen."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from chairside.chatbot.clinic import Hold, OwnAppointment, SlotQuery
from chairside.chatbot.understanding.acts import DialogueAct
from chairside.chatbot.understanding.when import When
from chairside.client import FreeSlot

OFFERED_MAX = 3
"""How many times are offered at once: more nobody keeps in mind."""
LISTED_MAX = 10
KNOWN_MAX = 20
EXCLUDED_MAX = 20


class Goal(StrEnum):
    BOOK = "book"
    MOVE = "move"
    CANCEL = "cancel"


class Stage(StrEnum):
    """Which answer of the patient a task waits for."""

    TREATMENT = "treatment"
    DENTIST = "dentist"
    WHICH = "which"
    WHEN = "when"
    CHOOSE = "choose"
    CONFIRM = "confirm"


class Waiting(StrEnum):
    """Which answer of the clinic is on its way."""

    LIST = "list"
    """One's appointments, to be shown."""
    USUAL = "usual"
    """One's appointments, for the usual dentist."""
    PICK = "pick"
    """One's appointments, to find the one that is meant."""
    OFFER = "offer"
    NEAREST = "nearest"
    """Slots around what was asked for, as that had none."""
    HOLD = "hold"
    DO = "do"
    """The booking, the move or the cancellation itself."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """One thing to be done, from the wish to the confirmation."""

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
    """Only starts after it are of interest: the others were offered before."""
    excluded: tuple[tuple[str, datetime], ...] = ()
    """Dentist and start of what the clinic refused, so that it is not tried for ever."""
    offered: tuple[FreeSlot, ...] = ()
    chosen: FreeSlot | None = None
    hold: Hold | None = None
    key: str = ""
    """Idempotency key of the last step; kept until its outcome is known."""
    retaken: bool = False
    """The hold ran out once and was taken again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DialogueState:
    id: str
    """Of the conversation, unguessable; idempotency keys begin with it."""
    turn: int = 0
    task: Task | None = None
    waiting: Waiting | None = None
    queue: tuple[DialogueAct, ...] = ()
    """Wishes of the same message that come later."""
    listed: tuple[OwnAppointment, ...] = ()
    """The appointments that were shown with numbers."""
    last: OwnAppointment | None = None
    """The appointment that was dealt with last: "it"."""
    known: tuple[tuple[str, int], ...] = ()
    """Versions of appointments that the patient has heard of."""
    misses: int = 0
    """Messages in a row that were not understood."""


# --- what it says ------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Option:
    label: str
    say: str
    """What choosing it is the same as saying."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ChatReply:
    text: str
    options: tuple[Option, ...] = ()
    notice: bool = False
    """Said unasked, because something happened."""


# --- what it asks to be done -----------------------------------------------------------


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
    """Its outcome matters to nobody: a hold ends by itself."""

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


# --- what it hears --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Utterance:
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


UNREACHABLE = "UNREACHABLE"


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """A time that was taken from a calendar, with the buffers it wants kept (minutes)."""

    start: datetime
    end: datetime
    before: int = 0
    after: int = 0

    def hits(self, slot: FreeSlot, own_before: int, own_after: int) -> bool:
        """Whether the slot can no longer be booked beside it."""
        gap_after = timedelta(minutes=max(self.after, own_before))
        gap_before = timedelta(minutes=max(self.before, own_after))
        return slot.start < self.end + gap_after and slot.end > self.start - gap_before


@dataclass(frozen=True, slots=True)
class TimesTaken:
    """Live: somebody took these times of a dentist."""

    dentist_id: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class ScheduleChanged:
    """Live: a dentist works at other times now."""

    dentist_id: str


@dataclass(frozen=True, slots=True)
class OwnAppointmentChanged:
    """Live: one of the patient's appointments was made, changed or cancelled."""

    appointment: OwnAppointment


@dataclass(frozen=True, slots=True)
class HoldEnded:
    """Live: a hold of the patient's is over without having been booked."""

    hold_id: str


EffectResult = SlotsFound | OwnAppointmentsFound | HoldPlaced | ChangeDone | EffectFailed
LiveChange = TimesTaken | ScheduleChanged | OwnAppointmentChanged | HoldEnded
DialogueInput = Utterance | EffectResult | LiveChange


@dataclass(frozen=True, kw_only=True, slots=True)
class DialogueStep:
    state: DialogueState
    say: tuple[ChatReply, ...] = ()
    do: tuple[Effect, ...] = ()
    """In this order; at most the last one is waited for."""
