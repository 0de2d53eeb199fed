"""Records what the hub has acknowledged, so that the audit can check that it is kept.

The ledger is in memory and independent of the hub, so a test may kill the hub meanwhile.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from chairside.client.shapes import Appointment, Reservation, Slot

BUFFERS = timedelta(hours=1)
"""More than the buffers of any appointment type in a simulation."""

NEVER_BOOKED = frozenset({"held", "released", "expired"})


@dataclass(frozen=True, slots=True)
class AcknowledgedRow:
    """The newest acknowledged state of one appointment."""

    row: Appointment
    cancelled: bool


class Ledger:
    """All acknowledged bookings, cancellations and holds of a run."""

    def __init__(self) -> None:
        self._rows: dict[str, AcknowledgedRow] = {}
        self._holds: dict[str, Reservation] = {}
        self.bookings = 0
        self.cancellations = 0

    @property
    def rows(self) -> Collection[AcknowledgedRow]:
        return self._rows.values()

    @property
    def holds(self) -> Collection[Reservation]:
        """Acknowledged holds that no command has tried to end."""
        return self._holds.values()

    def held(self, reservation: Reservation) -> None:
        self._holds[reservation["id"]] = reservation

    def hold_may_end(self, reservation_id: str) -> None:
        """A release or booking of the hold is being sent, and may succeed without an answer."""
        self._holds.pop(reservation_id, None)

    def slot_requested(self, patient_id: str, slot: Slot) -> None:
        """The patient requests a slot, which may end own holds that overlap it."""
        instant = datetime.fromisoformat
        start, end = instant(slot["start"]) - BUFFERS, instant(slot["end"]) + BUFFERS
        for hold in list(self._holds.values()):
            if (hold["patient_id"], hold["dentist_id"]) == (patient_id, slot["dentist_id"]) and (
                instant(hold["start"]) < end and start < instant(hold["end"])
            ):
                self.hold_may_end(hold["id"])

    def booked(self, row: Appointment) -> None:
        self.bookings += 1
        self.shown(row)

    def shown(self, row: Appointment) -> None:
        """The hub returned this state; older ones are ignored."""
        self.hold_may_end(row["id"])
        known = self._rows.get(row["id"])
        if known is None or known.row["version"] < row["version"]:
            self._rows[row["id"]] = AcknowledgedRow(row, known is not None and known.cancelled)

    def cancelled(self, row: Appointment) -> None:
        """The cancellation of ``row`` (its last known state) was acknowledged."""
        self.cancellations += 1
        self.shown(row)
        self._rows[row["id"]] = AcknowledgedRow(self._rows[row["id"]].row, cancelled=True)


def violation(acknowledged: AcknowledgedRow, row: Appointment | None) -> str | None:
    """How the hub's current ``row`` contradicts what it acknowledged; ``None`` if it does not.

    Other clients may have changed the row since, which raises its version. But a row never
    vanishes, its version never decreases, and a cancellation is final.
    """
    known = acknowledged.row
    if row is None:
        return "acknowledged and lost"
    if row["version"] < known["version"]:
        return f"went back from version {known['version']} to {row['version']}"
    if row["status"] in NEVER_BOOKED:
        return f"acknowledged as booked, now {row['status']}"
    if acknowledged.cancelled:
        return None if row["status"] == "cancelled" else f"cancelled, now {row['status']}"
    if row["version"] > known["version"]:
        return None
    current = (row["status"], row["start"], row["dentist_id"])
    if current != (known["status"], known["start"], known["dentist_id"]):
        return f"same version, other content {current}"
    return None
