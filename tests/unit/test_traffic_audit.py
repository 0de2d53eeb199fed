"""The audit's judgement: what breaks a promise, what overlaps, what a screen missed."""

from datetime import UTC, datetime
from typing import Any, cast

from chairside.client.channels import Position
from chairside.client.shapes import Appointment, Reservation, Slot
from chairside.traffic.audit import Findings, compare
from chairside.traffic.ledger import Ledger, Promise, broken_promise
from chairside.traffic.observer import Seen, Watched
from chairside.traffic.overlaps import dentist_overlaps, patient_overlaps

NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)


def row(**changes: Any) -> Appointment:
    whole = {
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
    return cast("Appointment", whole | changes)


def promise(**changes: Any) -> Promise:
    ledger = Ledger()
    ledger.booked(row(**changes))
    (made,) = ledger.promises
    return made


# --- promises ------------------------------------------------------------------------


def test_a_row_as_it_was_acknowledged_keeps_the_promise() -> None:
    assert broken_promise(promise(), row()) is None


def test_a_row_that_is_gone_breaks_it() -> None:
    assert broken_promise(promise(), None) == "acknowledged and lost"


def test_a_row_that_went_back_breaks_it() -> None:
    assert "went back" in str(broken_promise(promise(version=3), row(version=2)))


def test_a_row_that_is_only_held_or_was_let_go_breaks_it() -> None:
    for status in ("held", "released", "expired"):
        assert "acknowledged as booked" in str(broken_promise(promise(), row(status=status)))


def test_the_same_version_with_other_content_breaks_it() -> None:
    moved = row(start="2027-03-08T10:00:00Z")
    assert "other content" in str(broken_promise(promise(), moved))
    assert "other content" in str(broken_promise(promise(), row(status="arrived")))


def test_a_later_version_by_somebody_else_is_fine() -> None:
    assert broken_promise(promise(), row(version=3, status="cancelled")) is None


def test_a_cancellation_is_final() -> None:
    ledger = Ledger()
    ledger.booked(row())
    ledger.cancelled(row())
    (made,) = ledger.promises
    assert broken_promise(made, row(version=3, status="cancelled")) is None
    assert broken_promise(made, row(version=4, status="confirmed")) == "cancelled, now confirmed"
    assert (ledger.bookings, ledger.cancellations) == (1, 1)


def test_the_newest_acknowledged_state_counts_whatever_the_order_of_acks() -> None:
    ledger = Ledger()
    ledger.booked(row(version=1))
    ledger.shown(row(version=3, status="arrived"))
    ledger.shown(row(version=2))
    (made,) = ledger.promises
    assert (made.version, made.status) == (3, "arrived")


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


def test_a_hold_is_promised_until_its_end_was_asked_for() -> None:
    ledger = holding()
    assert [each.reservation_id for each in ledger.holds] == ["a1"]
    ledger.end_of_hold_asked("a1")
    assert list(ledger.holds) == []


def test_a_hold_is_promised_until_its_patient_asks_for_a_slot_in_its_way() -> None:
    ledger = holding()

    def slot(clock: str, dentist_id: str = "d1") -> Slot:
        return Slot(
            dentist_id=dentist_id,
            appointment_type_id="t1",
            start=f"2027-03-08T{clock}:00Z",
            end=f"2027-03-08T{clock}:30Z",
        )

    ledger.slot_asked("p2", slot("09:15"))
    ledger.slot_asked("p1", slot("09:15", "d2"))
    ledger.slot_asked("p1", slot("12:00"))
    assert len(list(ledger.holds)) == 1
    ledger.slot_asked("p1", slot("09:15"))
    assert list(ledger.holds) == []


# --- overlaps ------------------------------------------------------------------------


def test_back_to_back_is_no_overlap() -> None:
    later = row(id="a2", start="2027-03-08T09:30:00Z", end="2027-03-08T10:00:00Z")
    assert dentist_overlaps([later, row()], NOW) == []


def test_shared_time_is_one_also_with_a_hold() -> None:
    hold = row(
        id="a2",
        start="2027-03-08T09:15:00Z",
        end="2027-03-08T09:45:00Z",
        status="held",
        expires_at="2027-03-01T12:05:00Z",
    )
    (overlap,) = dentist_overlaps([row(), hold], NOW)
    assert (overlap.first["id"], overlap.second["id"]) == ("a1", "a2")


def test_an_overdue_hold_a_cancelled_and_an_overbooked_row_take_no_time() -> None:
    others = [
        row(id="a2", status="held", expires_at="2027-03-01T12:00:00Z"),
        row(id="a3", status="cancelled"),
        row(id="a4", overbooked=True),
    ]
    assert dentist_overlaps([row(), *others], NOW) == []


def test_a_long_row_is_found_to_overlap_one_that_is_no_neighbour() -> None:
    long = row(id="a0", start="2027-03-08T08:00:00Z", end="2027-03-08T12:00:00Z")
    far = row(id="a9", start="2027-03-08T11:00:00Z", end="2027-03-08T11:30:00Z")
    assert dentist_overlaps([far, row(), long], NOW)


def test_a_patient_may_hold_elsewhere_but_not_be_confirmed_twice() -> None:
    elsewhere = row(id="a2", dentist_id="d2")
    assert patient_overlaps([row(), elsewhere])
    assert patient_overlaps([row(), row(id="a2", dentist_id="d2", status="held")]) == []


# --- screens --------------------------------------------------------------------------


def seen(*offsets: int) -> list[Seen]:
    return [Seen(1, offset, b"%d" % offset) for offset in offsets]


def compared(shown: list[Seen], history: list[Seen] | None) -> Findings:
    findings = Findings()
    watched = Watched(start=Position(epoch=1, offset=4), seen=shown)
    compare("screen", watched, history, findings)
    return findings


def test_a_screen_that_showed_the_history_is_fine() -> None:
    findings = compared(seen(5, 6, 7), seen(5, 6, 7))
    assert findings.ok
    assert (findings.channels, findings.events) == (1, 3)


def test_a_missing_event_is_lost_wherever_it_is_missing() -> None:
    for shown in (seen(6, 7), seen(5, 7), seen(5, 6), seen()):
        assert compared(shown, seen(5, 6, 7)).lost


def test_an_event_shown_twice_is_a_duplicate() -> None:
    assert compared(seen(5, 6, 6, 7), seen(5, 6, 7)).duplicates


def test_another_order_or_another_content_is_a_finding() -> None:
    assert compared(seen(6, 5, 7), seen(5, 6, 7)).other
    assert compared([*seen(5, 6), Seen(1, 7, b"else")], seen(5, 6, 7)).other


def test_more_than_the_history_has_is_a_finding() -> None:
    assert not compared(seen(5, 6, 7, 8), seen(5, 6, 7)).ok


def test_a_history_with_a_gap_is_a_finding_even_if_the_screen_has_the_same() -> None:
    assert compared(seen(5, 7), seen(5, 7)).lost
    assert compared(seen(6, 7), seen(6, 7)).lost


def test_history_that_does_not_reach_back_is_a_finding() -> None:
    assert compared(seen(5), None).other
