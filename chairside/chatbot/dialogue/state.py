"""The dialogue's state, its replies, and changes at the clinic that it follows.

All values are frozen. The state travels to the client and back (``sealing``), so renaming a
field or a value ends the conversations of the older version.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from chairside.chatbot.clinic import Hold, OwnAppointment
from chairside.chatbot.understanding.acts import DialogueAct, Intent
from chairside.chatbot.understanding.when import When
from chairside.client import FreeSlot
from chairside.client.slot_table import Block

OFFERED_MAX: Final = 3
"""Times that are offered at once."""
LISTED_MAX: Final = 10
SEEN_MAX: Final = 20
EXCLUDED_MAX: Final = 20


class Stage(StrEnum):
    """What a task needs next from the patient."""

    TREATMENT = "treatment"
    DENTIST = "dentist"
    WHICH = "which"
    WHEN = "when"
    CHOOSE = "choose"
    CONFIRM = "confirm"


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """One goal of the patient, from the first message to the confirmation."""

    goal: Intent
    """BOOK, MOVE or CANCEL."""
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
    """A button below a reply; pressing it sends ``say``."""

    label: str
    say: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ChatReply:
    """Its fields, and those of its options, are those of the JSON."""

    text: str
    options: tuple[Option, ...] = ()
    notice: bool = False
    """Caused by a change at the clinic, not by a message."""


# --- live changes ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TimesTaken:
    """These times of a dentist are no longer free."""

    dentist_id: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class ScheduleChanged:
    """A dentist has other working hours now."""

    dentist_id: str


@dataclass(frozen=True, slots=True)
class OwnAppointmentChanged:
    """One of the patient's appointments was made, changed or cancelled."""

    appointment: OwnAppointment


@dataclass(frozen=True, slots=True)
class HoldEnded:
    """A hold of the patient ended without having been booked."""

    hold_id: str


LiveChange = TimesTaken | ScheduleChanged | OwnAppointmentChanged | HoldEnded
