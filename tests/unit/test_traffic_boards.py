"""A board keeps what its screen shows, and notices what differs or should not be seen."""

from typing import Any, cast

import pytest

from chairside.client import HubClient, HubEvent
from chairside.client.shapes import Appointment
from chairside.traffic.audit import AuditFindings, audit_boards
from chairside.traffic.boards import Board, MaySee, of_calendars, of_patient, of_stranger


def row(**changes: Any) -> Appointment:
    complete = {
        "id": "a1",
        "dentist_id": "d1",
        "patient_id": "p1",
        "start": "2027-03-08T09:00:00Z",
        "status": "confirmed",
        "version": 1,
    }
    return cast("Appointment", complete | changes)


class Store:
    """The list of the board's person."""

    def __init__(self, *rows: Appointment) -> None:
        self.rows = rows

    async def all_appointments(self, **_: object) -> list[Appointment]:
        return list(self.rows)


def board(*stored: Appointment, may_see: MaySee | None = None) -> Board:
    may_see = may_see or of_calendars(["d1", "d2"])
    return Board("desk", cast("HubClient", Store(*stored)), may_see)


def event(kind: str, data: Any, channel: str = "appointments:dentist:d1") -> HubEvent:
    return HubEvent(id="e", type=kind, channel=channel, offset=1, epoch=1, time="t", data=data)


async def test_a_board_that_shows_what_is_stored_has_no_findings() -> None:
    shown = board(row(version=3, status="arrived"))
    shown.on_event(event("appointment.created", row()))
    shown.on_event(event("appointment.updated", row(version=3, status="arrived")))
    shown.on_event(event("appointment.updated", row(version=2)))
    findings = AuditFindings()
    await audit_boards([shown], findings)
    assert (findings.problems, findings.boards) == ([], 1)


@pytest.mark.parametrize(
    "stored", [(), (row(version=2),), (row(start="2027-03-08T10:00:00Z"),), (row(), row(id="a2"))]
)
async def test_a_visit_that_is_shown_otherwise_is_a_finding(stored: tuple[Appointment]) -> None:
    shown = board(*stored)
    shown.on_event(event("appointment.created", row()))
    findings = AuditFindings()
    await audit_boards([shown], findings)
    assert len(findings.differing) == 1
    assert findings.problems[0].startswith("differs: desk: ")


@pytest.mark.parametrize("first", [0, 1])
async def test_a_visit_that_moves_away_stays_on_a_board_of_both_calendars(first: int) -> None:
    moved = row(version=2, dentist_id="d2")
    events = [
        event("appointment.moved_away", {"id": "a1", "version": 2}),
        event("appointment.created", moved, "appointments:dentist:d2"),
    ]
    both, one = board(moved), board(may_see=of_calendars(["d1"]))
    for each in (both, one):
        each.on_event(event("appointment.created", row()))
    for number in (first, 1 - first):
        both.on_event(events[number])
    one.on_event(events[0])
    assert await both.differences() == await one.differences() == []
    assert not both.visible + one.visible


def test_what_belongs_to_others_is_a_finding() -> None:
    of_p1, of_d2 = board(may_see=of_patient("p1")), board(may_see=of_calendars(["d2"]))
    stranger = board(may_see=of_stranger)
    for each in (of_p1, of_d2, stranger):
        each.on_event(event("appointment.created", row(patient_id="p2")))
        assert each.visible == ["desk: appointment.created in appointments:dentist:d1"]
    stranger.on_event(event("slots.changed", {"dentist_id": "d1"}, "availability:all"))
    assert len(stranger.visible) == 1
    stranger.on_event(event("slots.changed", {"patient_id": "p1"}, "availability:all"))
    stranger.on_event(event("patient.updated", {"version": 2}, "practices:home"))
    assert len(stranger.visible) == 3
