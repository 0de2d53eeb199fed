"""What nodes request of each other about calendars. Nodes of other versions read it, too."""

from dataclasses import dataclass
from typing import Final

from actors.domain.commands import Command
from actors.domain.ids import DentistId
from actors.ports.commits import IdempotencyKey

COMMAND_PATH: Final = "/internal/ask"
"""Answers ``{"reply": ...}`` or ``{"refusal": ...}``."""
SNAPSHOT_PATH: Final = "/internal/look"
"""Answers ``{"tag", "fence", "snapshot"}`` or ``{"refusal": ...}``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CalendarRequest:
    dentist_id: DentistId
    epoch: int
    """The membership epoch of the sender."""
    named: bool
    """The receiver is the owner according to the database."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CommandRequest(CalendarRequest):
    command: Command
    key: IdempotencyKey
    request_id: str
    doubtful: bool
    """Another node may have committed the command already: look for a stored reply first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SnapshotRequest(CalendarRequest):
    tag: str
    """Of the snapshot that the sender has; it is not sent again. Empty: none."""
