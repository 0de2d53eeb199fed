"""What a screen shows, as a program would keep it: the rows of a list, changed by events.

The audit compares it with the list at the end, and checks that nobody is shown what is not theirs.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from chairside.client import HubClient, HubEvent
from chairside.client.shapes import Appointment

PAGE: Final = 200
SHOWN: Final = ("confirmed", "arrived", "checked_in", "completed", "no_show", "cancelled")
"""Everything but holds, which end without anybody's doing."""
KEPT_MAX: Final = 20
"""Findings of one screen."""

MaySee = Callable[[HubEvent], bool]


def of_patient(patient_id: str) -> MaySee:
    """Their own visits and holds, and what names no one."""
    return lambda event: event.data.get("patient_id") in (None, patient_id)


def of_calendars(dentist_ids: Iterable[str]) -> MaySee:
    """Of a dentist or a desk: the visits and holds of their calendars, and their practice."""
    known = frozenset(dentist_ids)
    return lambda event: (
        "appointments:" not in event.channel or event.data.get("dentist_id") in {None, *known}
    )


def of_stranger(event: HubEvent) -> bool:
    """Free times, and nothing of any practice or person."""
    return event.channel.startswith(("availability:", "profiles:user:")) and not (
        {"patient_id", "patient", "email", "phone"} & event.data.keys()
    )


@dataclass(frozen=True, slots=True)
class ShownVisit:
    """What the board shows of a visit, and the audit compares."""

    dentist_id: str
    start: str
    status: str
    version: int

    @classmethod
    def of(cls, row: Appointment) -> "ShownVisit":
        return cls(row["dentist_id"], row["start"], row["status"], row["version"])


@dataclass(slots=True)
class Board:
    """The visits of one screen."""

    name: str
    reader: HubClient
    """Reads the same list as the screen's person."""
    may_see: MaySee
    visits: dict[str, ShownVisit] = field(default_factory=dict)
    visible: list[str] = field(default_factory=list)
    """Events that this screen should not have been shown."""

    async def load(self) -> None:
        """Read the list, as a screen does after it has joined its channels."""
        for row in await self._list():
            known = self.visits.get(row["id"])
            if known is None or known.version < row["version"]:
                self.visits[row["id"]] = ShownVisit.of(row)

    def on_event(self, event: HubEvent) -> None:
        if not self.may_see(event) and len(self.visible) < KEPT_MAX:
            self.visible.append(f"{self.name}: {event.type} in {event.channel}")
        if not event.type.startswith("appointment."):
            return
        known = self.visits.get(event.data["id"])
        if known is not None and known.version > event.data["version"]:
            return
        if event.type != "appointment.moved_away":
            self.visits[event.data["id"]] = ShownVisit.of(event.data)  # type: ignore[arg-type]  # the resource
        elif known is not None and event.channel.endswith(known.dentist_id):
            del self.visits[event.data["id"]]  # if it came to another calendar, that says so

    async def differences(self) -> list[str]:
        """How the screen differs from the list as it is now."""
        stored = {row["id"]: ShownVisit.of(row) for row in await self._list()}
        return [
            f"{self.name}: {each} shown as {self.visits.get(each)}, stored {stored.get(each)}"
            for each in sorted(stored.keys() | self.visits.keys())
            if self.visits.get(each) != stored.get(each)
        ][:KEPT_MAX]

    async def _list(self) -> list[Appointment]:
        return await self.reader.all_appointments(status=list(SHOWN), limit=PAGE)
