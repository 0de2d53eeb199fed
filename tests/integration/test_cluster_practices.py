"""A closure and an ended right hold at every node before the request is answered."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.integration.cluster_world import own_valkey as own_valkey
from tests.integration.cluster_world import template as template
from tests.integration.cluster_world import valkey as valkey
from tests.support.clinic import DAYS_AHEAD
from tests.support.cluster import nodes
from tests.support.database import execute
from tests.support.eventually import eventually
from tests.support.running import Template
from tests.support.valkey import ValkeyServer


async def test_no_node_books_on_a_day_that_another_has_closed(
    template: Template, valkey: ValkeyServer, tmp_path: Path
) -> None:
    async with nodes(template, tmp_path, valkey) as three:
        clinic = three[0].clinic
        patients, dentists = clinic.patients, clinic.dentists[:2]
        zones = {each.id: each.time_zone for each in dentists}
        for number, node in enumerate(three):  # every node has opened and cached something
            for dentist in dentists:
                hour = f"{10 + number}:00"
                await node.clinic.book(patients[number], hour, dentist=dentist)
                assert await node.clinic.free(patients[number], dentist=dentist)
        days = [(datetime.now(UTC) + timedelta(days=DAYS_AHEAD + n)).date() for n in (-1, 1)]
        closure = {"start_date": f"{days[0]}", "end_date": f"{days[1]}"}
        path = f"/api/practices/{clinic.practices[0]}"
        saved = await three[1].clinic.api(clinic.staff[0]).put(path, {"closures": [closure]})
        assert saved.status == 200, saved.body
        for number, node in enumerate(three):
            for dentist in dentists:
                slot = node.clinic.slot("15:00", dentist=dentist)
                answer = await node.clinic.api(patients[number]).post("/api/appointments", slot)
                assert answer.code == "OUTSIDE_AVAILABILITY", (number, zones[dentist.id])

        async def nothing_offered() -> bool:
            return not [
                start
                for node in three
                for dentist in dentists
                for start in await node.clinic.free(patients[5], dentist=dentist)
            ]

        assert await eventually(nothing_offered, 2.0)


async def test_staff_who_are_not_active_are_refused_at_every_node_at_once(
    template: Template, valkey: ValkeyServer, tmp_path: Path
) -> None:
    async with nodes(template, tmp_path, valkey) as three:
        desk = three[0].clinic.staff[0]
        screens = [await node.clinic.screen(desk) for node in three]
        for node in three:
            assert (await node.clinic.api(desk).get("/api/profiles/me")).status == 200
        path = f"/api/profiles/{desk.id}"
        ended = await three[2].clinic.admin.put(path, {"active": False})
        assert ended.status == 200, ended.body
        for node, screen in zip(three, screens, strict=True):
            assert (await node.clinic.api(desk).get("/api/profiles/me")).code == "FORBIDDEN"
            await screen.until(lambda each: each.event == "auth:expired", 1.0)


async def test_staff_at_every_node_get_the_calendar_of_a_dentist_without_a_practice(
    template: Template, valkey: ValkeyServer, tmp_path: Path
) -> None:
    async with nodes(template, tmp_path, valkey) as three:
        clinic = three[0].clinic
        desk, dentist = clinic.staff[1], clinic.dentists[2]
        execute(
            clinic.database,
            f"UPDATE profiles SET practice_id = NULL WHERE id = '{dentist.id}'",  # noqa: S608  # an id
        )
        booked = await clinic.book(clinic.patients[0], "09:00", dentist=dentist)
        path = f"/api/appointments/{booked['id']}"
        screens = [await node.clinic.screen(desk) for node in three]
        for node in three:
            assert (await node.clinic.api(desk).get(path)).status == 404
        first = {"practice_id": clinic.practices[1]}
        got = await three[2].clinic.admin.put(f"/api/profiles/{dentist.id}", first)
        assert got.status == 200, got.body
        for node, screen in zip(three, screens, strict=True):
            await screen.until(lambda each: each.event == "auth:expired", 1.0)
            assert (await node.clinic.api(desk).get(path)).status == 200
