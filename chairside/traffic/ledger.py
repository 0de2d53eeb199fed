"""What the hub acknowledged: the promises that an audit holds it to.

In memory and independent of the hub, so a test may kill the hub and ask afterwards.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from chairside.client.shapes import Appointment, Reservation, Slot

BUFFERS = timedelta(hours=1)
"""More than the buffers of any appointment type that traffic meets."""

NEVER_BOOKED = frozenset({"held", "released", "expired"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Promise:
    """The newest acknowledged state of one row."""

    appointment_id: str
    dentist_id: str
    patient_id: str
    version: int
    status: str | None = None
    """Known when an appointment was shown; ``None`` when only its cancellation was."""
    start: str | None = None
    cancelled: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class PromisedHold:
    reservation_id: str
    patient_id: str
    dentist_id: str
    start: str
    end: str
    expires_at: str


class Ledger:
    def __init__(self) -> None:
        self._promises: dict[str, Promise] = {}
        self._holds: dict[str, PromisedHold] = {}
        self.bookings = 0
        self.cancellations = 0

    @property
    def promises(self) -> Iterable[Promise]:
        return self._promises.values()

    @property
    def holds(self) -> Iterable[PromisedHold]:
        """Holds that were acknowledged and whose end was not asked for."""
        return self._holds.values()

    def held(self, reservation: Reservation) -> None:
        self._holds[reservation["id"]] = PromisedHold(
            reservation_id=reservation["id"],
            patient_id=reservation["patient_id"],
            dentist_id=reservation["dentist_id"],
            start=reservation["start"],
            end=reservation["end"],
            expires_at=reservation["expires_at"],
        )

    def end_of_hold_asked(self, reservation_id: str) -> None:
        """Releasing or booking it was sent: from now on it may be over, answer or not."""
        self._holds.pop(reservation_id, None)

    def slot_asked(self, patient_id: str, slot: Slot) -> None:
        """This patient asks for a slot: it may end own holds in its way, answer or not."""
        start, end = _instant(slot["start"]) - BUFFERS, _instant(slot["end"]) + BUFFERS
        for hold in list(self._holds.values()):
            if (hold.patient_id, hold.dentist_id) == (patient_id, slot["dentist_id"]) and (
                _instant(hold.start) < end and start < _instant(hold.end)
            ):
                self.end_of_hold_asked(hold.reservation_id)

    def booked(self, row: Appointment) -> None:
        self.bookings += 1
        self.shown(row)

    def shown(self, row: Appointment) -> None:
        """An acknowledged state of a row; older ones are forgotten."""
        self.end_of_hold_asked(row["id"])
        known = self._promises.get(row["id"])
        if known is not None and known.version >= row["version"]:
            return
        self._promises[row["id"]] = Promise(
            appointment_id=row["id"],
            dentist_id=row["dentist_id"],
            patient_id=row["patient_id"],
            version=row["version"],
            status=row["status"],
            start=row["start"],
            cancelled=known is not None and known.cancelled,
        )

    def cancelled(self, row: Appointment) -> None:
        """The cancellation of ``row`` (as last seen) was acknowledged."""
        self.cancellations += 1
        self.shown(row)
        self._promises[row["id"]] = replace(self._promises[row["id"]], cancelled=True)


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def broken_promise(promise: Promise, row: Appointment | None) -> str | None:
    """What the hub's ``row`` breaks of ``promise``, or ``None`` if it keeps it.

    Others may have changed the row since, which raises its version; but it never
    vanishes, never goes back, and a cancellation is final.
    """
    if row is None:
        return "acknowledged and lost"
    if row["version"] < promise.version:
        return f"went back from version {promise.version} to {row['version']}"
    if row["status"] in NEVER_BOOKED:
        return f"acknowledged as booked, now {row['status']}"
    if promise.cancelled:
        return None if row["status"] == "cancelled" else f"cancelled, now {row['status']}"
    if row["version"] > promise.version:
        return None
    seen = (row["status"], row["start"])
    return (
        None if seen == (promise.status, promise.start) else f"same version, other content {seen}"
    )
