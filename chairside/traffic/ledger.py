"""Records what the hub has acknowledged, so that the audit can check that it is kept.

The ledger is in memory and independent of the hub, so a test may kill the hub meanwhile.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from chairside.client.shapes import Appointment, Reservation, Slot

BUFFERS = timedelta(hours=1)
"""More than the buffers of any appointment type in a simulation."""

NEVER_BOOKED = frozenset({"held", "released", "expired"})


@dataclass(frozen=True, kw_only=True, slots=True)
class AcknowledgedRow:
    """The newest acknowledged state of one appointment."""

    appointment_id: str
    dentist_id: str
    patient_id: str
    version: int
    status: str
    start: str
    cancelled: bool


class Ledger:
    """All acknowledged bookings, cancellations and holds of a run."""

    def __init__(self) -> None:
        self._rows: dict[str, AcknowledgedRow] = {}
        self._holds: dict[str, Reservation] = {}
        self.bookings = 0
        self.cancellations = 0

    @property
    def rows(self) -> Iterable[AcknowledgedRow]:
        return self._rows.values()

    @property
    def holds(self) -> Iterable[Reservation]:
        """Acknowledged holds that no command has tried to end."""
        return self._holds.values()

    def held(self, reservation: Reservation) -> None:
        self._holds[reservation["id"]] = reservation

    def hold_may_end(self, reservation_id: str) -> None:
        """A release or booking of the hold is being sent, and may succeed without an answer."""
        self._holds.pop(reservation_id, None)

    def slot_requested(self, patient_id: str, slot: Slot) -> None:
        """The patient requests a slot, which may end own holds that overlap it."""
        start, end = _instant(slot["start"]) - BUFFERS, _instant(slot["end"]) + BUFFERS
        for hold in list(self._holds.values()):
            if (hold["patient_id"], hold["dentist_id"]) == (patient_id, slot["dentist_id"]) and (
                _instant(hold["start"]) < end and start < _instant(hold["end"])
            ):
                self.hold_may_end(hold["id"])

    def booked(self, row: Appointment) -> None:
        self.bookings += 1
        self.shown(row)

    def shown(self, row: Appointment) -> None:
        """The hub returned this state; older ones are ignored."""
        self.hold_may_end(row["id"])
        known = self._rows.get(row["id"])
        if known is not None and known.version >= row["version"]:
            return
        self._rows[row["id"]] = AcknowledgedRow(
            appointment_id=row["id"],
            dentist_id=row["dentist_id"],
            patient_id=row["patient_id"],
            version=row["version"],
            status=row["status"],
            start=row["start"],
            cancelled=known is not None and known.cancelled,
        )

    def cancelled(self, row: Appointment) -> None:
        """The cancellation of ``row`` (its last known state) was acknowledged."""
        self.cancellations += 1
        self.shown(row)
        self._rows[row["id"]] = replace(self._rows[row["id"]], cancelled=True)


def violation(acknowledged: AcknowledgedRow, row: Appointment | None) -> str | None:
    """How the hub's current ``row`` contradicts what it acknowledged; ``None`` if it does not.

    Other clients may have changed the row since, which raises its version. But a row never
    vanishes, its version never decreases, and a cancellation is final.
    """
    if row is None:
        return "acknowledged and lost"
    if row["version"] < acknowledged.version:
        return f"went back from version {acknowledged.version} to {row['version']}"
    if row["status"] in NEVER_BOOKED:
        return f"acknowledged as booked, now {row['status']}"
    if acknowledged.cancelled:
        return None if row["status"] == "cancelled" else f"cancelled, now {row['status']}"
    if row["version"] > acknowledged.version:
        return None
    current = (row["status"], row["start"])
    if current != (acknowledged.status, acknowledged.start):
        return f"same version, other content {current}"
    return None


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
