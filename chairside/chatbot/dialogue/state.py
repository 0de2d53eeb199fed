"""What a conversation remembers, what it hears and what it asks to be done. All frozen."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from chairside.chatbot.clinic import Hold, Slot, SlotQuery, Visit
from chairside.chatbot.understanding.acts import Wish
from chairside.chatbot.understanding.when import When

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

    KIND = "kind"
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
    wish: Wish
    kind_id: str | None = None
    dentist_ids: tuple[str, ...] = ()
    """Empty: any dentist."""
    when: When = field(default_factory=When)
    visit: Visit | None = None
    """The appointment that is moved or cancelled."""
    beyond: datetime | None = None
    """Only starts after it are of interest: the others were offered before."""
    excluded: tuple[tuple[str, datetime], ...] = ()
    """Dentist and start of what the clinic refused, so that it is not tried for ever."""
    offered: tuple[Slot, ...] = ()
    chosen: Slot | None = None
    hold: Hold | None = None
    key: str = ""
    """Idempotency key of the last step; kept until its outcome is known."""
    retaken: bool = False
    """The hold ran out once and was taken again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class State:
    id: str
    """Of the conversation, unguessable; idempotency keys begin with it."""
    turn: int = 0
    task: Task | None = None
    waiting: Waiting | None = None
    queue: tuple[Wish, ...] = ()
    """Wishes of the same message that come later."""
    listed: tuple[Visit, ...] = ()
    """The appointments that were shown with numbers."""
    last: Visit | None = None
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
class Reply:
    text: str
    options: tuple[Option, ...] = ()
    notice: bool = False
    """Said unasked, because something happened."""


# --- what it asks to be done -----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FindSlots:
    query: SlotQuery


@dataclass(frozen=True, slots=True)
class LookUpMine:
    pass


@dataclass(frozen=True, slots=True)
class HoldSlot:
    slot: Slot
    key: str


@dataclass(frozen=True, slots=True)
class ReleaseHold:
    """Its outcome matters to nobody: a hold ends by itself."""

    hold_id: str
    key: str


@dataclass(frozen=True, slots=True)
class BookHold:
    hold_id: str
    key: str


@dataclass(frozen=True, slots=True)
class MoveVisit:
    visit: Visit
    start: datetime
    key: str


@dataclass(frozen=True, slots=True)
class CancelVisit:
    visit: Visit
    key: str


Command = FindSlots | LookUpMine | HoldSlot | ReleaseHold | BookHold | MoveVisit | CancelVisit


# --- what it hears --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Said:
    wishes: tuple[Wish, ...]


@dataclass(frozen=True, slots=True)
class SlotsFound:
    slots: tuple[Slot, ...]


@dataclass(frozen=True, slots=True)
class MineFound:
    visits: tuple[Visit, ...]


@dataclass(frozen=True, slots=True)
class Held:
    hold: Hold


@dataclass(frozen=True, slots=True)
class Done:
    """Booked or moved (the appointment as it is now), or cancelled (``None``)."""

    visit: Visit | None


@dataclass(frozen=True, slots=True)
class Failed:
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

    def hits(self, slot: Slot, own_before: int, own_after: int) -> bool:
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
class VisitChanged:
    """Live: one of the patient's appointments was made, changed or cancelled."""

    visit: Visit


@dataclass(frozen=True, slots=True)
class HoldEnded:
    """Live: a hold of the patient's is over without having been booked."""

    hold_id: str


Outcome = SlotsFound | MineFound | Held | Done | Failed
Live = TimesTaken | ScheduleChanged | VisitChanged | HoldEnded
Heard = Said | Outcome | Live


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    state: State
    say: tuple[Reply, ...] = ()
    do: tuple[Command, ...] = ()
    """In this order; at most the last one is waited for."""
