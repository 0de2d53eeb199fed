"""Lists: their pages, cursors and positions."""

from datetime import UTC, datetime
from typing import Any

from actors.domain.appointment import AppointmentType, Status
from actors.domain.channels import patient_channel
from actors.domain.ids import AppointmentTypeId
from actors.domain.position import Position
from actors.domain.principal import Role
from actors.ports.appointments import AppointmentPage
from actors.ports.profiles import ProfilePage
from tests.unit.api_world import NAMES, PATIENT, PROFILE, ROW, World, appointment, world

START = datetime(2027, 3, 8, 9, tzinfo=UTC)
POSITION = Position(1, 42)


def _page(**changes: Any) -> AppointmentPage:
    page: dict[str, Any] = {
        "rows": (appointment(),),
        "names": NAMES,
        "total": 2,
        "next_after": (START, ROW),
        "positions": {patient_channel(PATIENT): POSITION},
    }
    return AppointmentPage(**page | changes)


async def test_a_list_has_its_page_and_the_position_that_it_reflects() -> None:
    async with world() as w:
        w.bookings.results["page"] = _page()
        answer = await w.send(
            "GET", "/api/appointments?status=confirmed,arrived&status=held&limit=1&sort=-start"
        )
        query = w.bookings.calls[0][1][1]
        assert query.statuses == {Status.CONFIRMED, Status.ARRIVED, Status.HELD}
        assert (query.descending, query.limit, query.after) == (True, 1, None)
        assert [row["id"] for row in answer.json["data"]] == [ROW]
        assert answer.json["pagination"]["total"] == 2
        assert answer.json["position"] == {
            "channel": f"appointments:patient:{PATIENT}",
            "epoch": 1,
            "offset": 42,
        }


async def _first_cursor(w: World, path: str) -> str:
    w.bookings.results["page"] = _page()
    answer = await w.send("GET", path)
    return str(answer.json["pagination"]["next_cursor"])


async def test_a_cursor_continues_after_the_last_row() -> None:
    async with world() as w:
        cursor = await _first_cursor(w, "/api/appointments?limit=1")
        w.bookings.results["page"] = _page(rows=(), next_after=None)
        answer = await w.send("GET", f"/api/appointments?limit=5&cursor={cursor}")
        assert answer.json["pagination"]["next_cursor"] is None
        assert w.bookings.calls[-1][1][1].after == (START, ROW)


async def test_a_cursor_of_other_filters_or_altered_is_refused() -> None:
    async with world() as w:
        cursor = await _first_cursor(w, "/api/appointments?limit=1")
        altered = cursor[:-2] + ("A" if cursor[-2] != "A" else "B") + cursor[-1]
        for path in (
            f"/api/appointments?sort=-start&cursor={cursor}",
            f"/api/appointments?cursor={altered}",
            f"/api/dentists?cursor={cursor}",
        ):
            answer = await w.send("GET", path)
            assert (answer.status, list(answer.fields)) == (400, ["cursor"])


async def test_dentists_are_shown_as_public_cards_only() -> None:
    async with world() as w:
        w.people.results["dentists"] = ProfilePage(profiles=(PROFILE,), total=1, next_after=None)
        answer = await w.send("GET", "/api/dentists")
        card = {"id": PATIENT, "name": "Pat Ient", "time_zone": None}
        assert answer.json["data"] == [card | {"practice_id": None, "active": True}]
        assert answer.json["position"] is None


async def test_a_search_shows_whole_profiles() -> None:
    async with world() as w:
        page = ProfilePage(profiles=(PROFILE,), total=1, next_after=None)
        w.people.results["patients"] = page
        mine = await w.send("GET", "/api/patients?q=pat", role=Role.DENTIST)
        assert mine.json["data"][0]["email"] == "pat@example.com"
        assert w.people.calls[-1][1][1] == "pat"


async def test_types_are_paged_by_name() -> None:
    async with world() as w:
        w.catalog.results["shown"] = tuple(
            AppointmentType(
                id=AppointmentTypeId(f"01976f2e-0000-7000-8000-00000000000{n}"),
                name=name,
                duration_minutes=30,
            )
            for n, name in enumerate(["Check-up", "Check-up", "Filling"])
        )
        first = await w.send("GET", "/api/appointment-types?limit=2")
        assert [kind["name"] for kind in first.json["data"]] == ["Check-up", "Check-up"]
        cursor = first.json["pagination"]["next_cursor"]
        second = await w.send("GET", f"/api/appointment-types?limit=2&cursor={cursor}")
        assert [kind["name"] for kind in second.json["data"]] == ["Filling"]
        assert second.json["pagination"] == {"limit": 2, "next_cursor": None, "total": 3}
