"""A visit moves between calendars of different nodes: it is in exactly one at every moment."""

from collections.abc import Sequence
from pathlib import Path

from tests.integration.cluster_world import own_valkey as own_valkey
from tests.integration.cluster_world import template as template
from tests.integration.cluster_world import valkey as valkey
from tests.support.clinic import appointments_of
from tests.support.cluster import ClusterNode, database_of, make_owner, nodes, owner_of
from tests.support.eventually import eventually
from tests.support.histories import problems_of, watch_fences
from tests.support.moves import Visits
from tests.support.running import Template
from tests.support.valkey import ValkeyServer


async def owners_apart(two: Sequence[ClusterNode]) -> ClusterNode:
    """The owner of the first dentist's calendar, which is not that of the second one's."""
    here, there = two[0].clinic.dentists[:2]
    for _ in range(20):
        if owner_of(two, here) is not owner_of(two, there):
            return owner_of(two, here)
        await make_owner(two, next(node for node in two if node is not owner_of(two, here)))
    raise AssertionError("placement gives both to one node")


async def test_a_visit_moves_to_the_calendar_of_another_node(
    template: Template, valkey: ValkeyServer, tmp_path: Path
) -> None:
    async with nodes(template, tmp_path, valkey, 2) as two:
        clinic = two[0].clinic
        here, there = clinic.dentists[:2]
        mine = await owners_apart(two)
        watch_fences(database_of(mine))
        patient, desk = clinic.patients[0], mine.clinic.staff[0]
        row = await mine.clinic.book(patient, "15:00", dentist=here)
        screens = [await node.clinic.screen(here) for node in two]
        came = [await node.clinic.screen(there) for node in two]
        path = f"/api/appointments/{row['id']}"
        for number, to in enumerate((there, here, there)):
            node = two[number % 2]
            moved = await node.clinic.api(desk).put(path, {"dentist_id": to.id})
            assert (moved.status, moved.body["dentist_id"]) == (200, to.id), moved.body
            latest = moved.body
            for reader in two:  # every node knows it at once
                seen = await reader.clinic.api(patient).get(path)
                assert seen.body == latest
                noted = await reader.clinic.api(patient).put(path, {"notes": reader.id})
                assert (noted.status, noted.body["dentist_id"]) == (200, to.id), noted.body
                match = f'"{noted.body["version"]}"'
                again = await reader.clinic.api(desk).put(path, {"notes": "n"}, if_match=match)
                assert again.status == 200, again.body
                latest = again.body
        for screen in screens:
            away = await screen.event("appointment.moved_away", 2.0, id=row["id"])
            assert away.data["channel"] == appointments_of(here)
        for screen in came:
            await screen.event("appointment.created", 2.0, id=row["id"])
        start = clinic.at("15:00")

        async def is_free_again() -> bool:
            offers = [await node.clinic.free(clinic.patients[1], dentist=here) for node in two]
            return all(start in each for each in offers)

        assert await eventually(is_free_again, 2.0)
        taken = await two[1].clinic.book(clinic.patients[1], "15:00", dentist=here)
        assert taken["start"] == start
        assert problems_of(database_of(mine)) == []


async def test_a_calendar_whose_visit_left_unnoticed_is_read_again(
    template: Template, own_valkey: ValkeyServer, tmp_path: Path
) -> None:
    async with nodes(template, tmp_path, own_valkey, 2) as two:
        here, there = two[0].clinic.dentists[:2]
        mine = await owners_apart(two)
        other = next(node for node in two if node is not mine)
        row = await mine.clinic.book(mine.clinic.patients[0], "15:00", dentist=here)
        own_valkey.kill()
        desk = other.clinic.api(other.clinic.staff[0])
        moved = await desk.put(f"/api/appointments/{row['id']}", {"dentist_id": there.id})
        assert moved.status == 200, moved.body
        own_valkey.start()

        async def is_free_again() -> bool:
            return row["start"] in await mine.clinic.free(mine.clinic.patients[1], dentist=here)

        assert await eventually(is_free_again, 10.0)
        await mine.clinic.book(mine.clinic.patients[1], "15:00", dentist=here)


async def test_moves_and_bookings_at_every_node_at_once(
    template: Template, valkey: ValkeyServer, tmp_path: Path
) -> None:
    async with nodes(template, tmp_path, valkey, 2) as two:
        mine = await owners_apart(two)
        watch_fences(database_of(mine))
        visits = Visits([node.clinic for node in two], seed=18)
        await visits.book()
        for _ in range(4):
            await visits.race(moves=8, bookings=2)
            await visits.check()
        assert problems_of(database_of(mine)) == []
        assert visits.codes[None] > 3, visits.codes
