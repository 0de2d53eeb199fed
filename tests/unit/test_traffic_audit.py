"""The audit finds violated acknowledgements, overlaps and events missed by screens."""

from datetime import UTC, datetime
from typing import Any, cast

from chairside.client.channels import Position
from chairside.client.shapes import Appointment, Reservation, Slot
from chairside.traffic.audit import (
    AuditFindings,
    compare,
    dentist_overlaps,
    patient_overlaps,
)
from chairside.traffic.ledger import AcknowledgedRow, Ledger, violation
from chairside.traffic.screens import ShownEvent, WatchedChannel

NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)


def row(**changes: Any) -> Appointment:
    complete = {
        "id": "a1",
        "dentist_id": "d1",
        "patient_id": "p1",
        "appointment_type_id": "t1",
        "start": "2027-03-08T09:00:00Z",
        "end": "2027-03-08T09:30:00Z",
        "status": "confirmed",
        "version": 2,
        "overbooked": False,
    }
    return cast("Appointment", complete | changes)


def acknowledged(**changes: Any) -> AcknowledgedRow:
    ledger = Ledger()
    ledger.booked(row(**changes))
    (made,) = ledger.rows
    return made


# --- acknowledged rows ------------------------------------------------------------------------


def test_a_row_as_it_was_acknowledged_is_right() -> None:
    assert violation(acknowledged(), row()) is None


def test_a_row_that_is_gone_is_lost() -> None:
    assert violation(acknowledged(), None) == "acknowledged and lost"


def test_a_row_with_an_older_version_is_wrong() -> None:
    assert "went back" in str(violation(acknowledged(version=3), row(version=2)))


def test_a_booked_row_that_is_held_or_released_is_wrong() -> None:
    for status in ("held", "released", "expired"):
        assert "acknowledged as booked" in str(violation(acknowledged(), row(status=status)))


def test_the_same_version_with_other_content_is_wrong() -> None:
    moved = row(start="2027-03-08T10:00:00Z")
    assert "other content" in str(violation(acknowledged(), moved))
    assert "other content" in str(violation(acknowledged(), row(status="arrived")))
    assert "other content" in str(violation(acknowledged(), row(dentist_id="d2")))


def test_a_later_version_by_another_client_is_right() -> None:
    assert violation(acknowledged(), row(version=3, status="cancelled")) is None


def test_a_cancellation_is_final() -> None:
    ledger = Ledger()
    ledger.booked(row())
    ledger.cancelled(row())
    (made,) = ledger.rows
    assert violation(made, row(version=3, status="cancelled")) is None
    assert violation(made, row(version=4, status="confirmed")) == "cancelled, now confirmed"
    assert (ledger.bookings, ledger.cancellations) == (1, 1)


def test_the_newest_state_counts_in_any_order_of_acks() -> None:
    ledger = Ledger()
    ledger.booked(row(version=1))
    ledger.shown(row(version=3, status="arrived"))
    ledger.shown(row(version=2))
    (made,) = ledger.rows
    assert (made.row["version"], made.row["status"]) == (3, "arrived")


def holding() -> Ledger:
    ledger = Ledger()
    hold = {
        "id": "a1",
        "dentist_id": "d1",
        "patient_id": "p1",
        "start": "2027-03-08T09:00:00Z",
        "end": "2027-03-08T09:30:00Z",
        "expires_at": "2027-03-01T12:05:00Z",
    }
    ledger.held(cast("Reservation", hold))
    return ledger


def test_a_hold_counts_until_a_command_may_end_it() -> None:
    ledger = holding()
    assert [each["id"] for each in ledger.holds] == ["a1"]
    ledger.hold_may_end("a1")
    assert list(ledger.holds) == []


def test_a_hold_counts_until_its_patient_requests_an_overlapping_slot() -> None:
    ledger = holding()

    def slot(clock: str, dentist_id: str = "d1") -> Slot:
        return Slot(
            dentist_id=dentist_id,
            appointment_type_id="t1",
            start=f"2027-03-08T{clock}:00Z",
            end=f"2027-03-08T{clock}:30Z",
        )

    ledger.slot_requested("p2", slot("09:15"))
    ledger.slot_requested("p1", slot("09:15", "d2"))
    ledger.slot_requested("p1", slot("12:00"))
    assert len(list(ledger.holds)) == 1
    ledger.slot_requested("p1", slot("09:15"))
    assert list(ledger.holds) == []


# --- overlaps ------------------------------------------------------------------------


def test_adjacent_appointments_do_not_overlap() -> None:
    later = row(id="a2", start="2027-03-08T09:30:00Z", end="2027-03-08T10:00:00Z")
    assert dentist_overlaps([later, row()], NOW) == []


def test_a_hold_and_an_appointment_can_overlap() -> None:
    hold = row(
        id="a2",
        start="2027-03-08T09:15:00Z",
        end="2027-03-08T09:45:00Z",
        status="held",
        expires_at="2027-03-01T12:05:00Z",
    )
    (overlap,) = dentist_overlaps([row(), hold], NOW)
    assert (overlap.first["id"], overlap.second["id"]) == ("a1", "a2")


def test_expired_cancelled_and_overbooked_rows_do_not_overlap() -> None:
    others = [
        row(id="a2", status="held", expires_at="2027-03-01T12:00:00Z"),
        row(id="a3", status="cancelled"),
        row(id="a4", overbooked=True),
    ]
    assert dentist_overlaps([row(), *others], NOW) == []


def test_a_long_row_overlaps_one_that_is_no_neighbour() -> None:
    long = row(id="a0", start="2027-03-08T08:00:00Z", end="2027-03-08T12:00:00Z")
    far = row(id="a9", start="2027-03-08T11:00:00Z", end="2027-03-08T11:30:00Z")
    assert dentist_overlaps([far, row(), long], NOW)


def test_a_patient_may_hold_twice_but_not_be_confirmed_twice() -> None:
    elsewhere = row(id="a2", dentist_id="d2")
    assert patient_overlaps([row(), elsewhere])
    assert patient_overlaps([row(), row(id="a2", dentist_id="d2", status="held")]) == []


# --- screens --------------------------------------------------------------------------


def events(*offsets: int) -> list[ShownEvent]:
    return [ShownEvent(Position(epoch=1, offset=offset), b"%d" % offset) for offset in offsets]


def compared(shown: list[ShownEvent], history: list[ShownEvent] | None) -> AuditFindings:
    findings = AuditFindings()
    watched = WatchedChannel(start=Position(epoch=1, offset=4), shown=shown)
    compare("screen", watched, history, findings)
    return findings


def test_a_screen_that_showed_the_history_is_right() -> None:
    findings = compared(events(5, 6, 7), events(5, 6, 7))
    assert findings.problems == []
    assert (findings.channels, findings.events) == (1, 3)


def test_an_event_missing_anywhere_is_lost() -> None:
    for shown in (events(6, 7), events(5, 7), events(5, 6), events()):
        assert compared(shown, events(5, 6, 7)).lost


def test_an_event_shown_twice_is_a_duplicate() -> None:
    assert compared(events(5, 6, 6, 7), events(5, 6, 7)).duplicates


def test_another_order_or_another_content_is_a_finding() -> None:
    assert compared(events(6, 5, 7), events(5, 6, 7)).other
    assert compared([*events(5, 6), events(7)[0]._replace(digest=b"else")], events(5, 6, 7)).other


def test_more_events_than_the_history_is_a_finding() -> None:
    assert compared(events(5, 6, 7, 8), events(5, 6, 7)).problems


def test_a_gap_in_the_history_itself_is_a_finding() -> None:
    assert compared(events(5, 7), events(5, 7)).lost
    assert compared(events(6, 7), events(6, 7)).lost


def test_lost_history_is_a_finding() -> None:
    assert compared(events(5), None).other
