"""A merge at one node moves what another node has in memory, and ends what is connected there."""

from pathlib import Path

from tests.integration.cluster_world import own_valkey as own_valkey
from tests.integration.cluster_world import template as template
from tests.integration.cluster_world import valkey as valkey
from tests.support.cluster import nodes
from tests.support.database import rows
from tests.support.eventually import eventually
from tests.support.running import Template
from tests.support.valkey import ValkeyServer


async def test_every_node_knows_the_survivor_when_the_merge_is_answered(
    template: Template, valkey: ValkeyServer, tmp_path: Path
) -> None:
    async with nodes(template, tmp_path, valkey) as three:
        clinic = three[0].clinic
        pat, desk, dentist = clinic.patients[0], clinic.staff[0], clinic.dentists[0]
        hold = await three[1].clinic.hold(pat, "09:00", dentist=dentist)
        visit = await three[2].clinic.book(pat, "10:00", dentist=clinic.dentists[1])
        body = {"role": "patient", "name": "Pat Twin"}
        twin = (await clinic.api(desk).post("/api/profiles", body)).body["id"]
        screens = [await node.clinic.screen(pat) for node in three]
        for node in three:  # every node has cached the person, and the free times
            assert (await node.clinic.api(pat).get("/api/profiles/me")).body["id"] == pat.id
            assert hold["start"] in await node.clinic.free(pat, dentist=dentist)
            assert (await node.clinic.api(desk).get(f"/api/profiles/{pat.id}")).status == 200
        path, into = f"/api/patients/{pat.id}/merge", {"into": twin}
        merged = await three[2].clinic.api(desk).post(path, into)
        assert merged.status == 200, merged.body
        for number, (node, screen) in enumerate(zip(three, screens, strict=True)):
            await screen.until(lambda each: each.event == "auth:expired", 1.0)
            me = node.clinic.api(pat)
            assert (await me.get("/api/profiles/me")).body["id"] == twin
            assert (await me.get(f"/api/appointments/{visit['id']}")).body["patient_id"] == twin
            slot = node.clinic.slot(f"{11 + number}:00", dentist=dentist)
            booked = await node.clinic.api(desk).post(
                "/api/appointments", {**slot, "patient_id": pat.id}
            )
            assert (booked.status, booked.body["patient_id"]) == (201, twin), booked.body

        async def free_for_the_survivor() -> bool:
            return all(
                [hold["start"] in await node.clinic.free(pat, dentist=dentist) for node in three]
            )

        assert await eventually(free_for_the_survivor, 2.0)
        booked = (
            await three[0].clinic.api(pat).post("/api/appointments", {"reservation_id": hold["id"]})
        )
        assert booked.status == 201, booked.body
        left = rows(clinic.database, "SELECT patient_id FROM appointments")
        assert pat.id not in {each["patient_id"] for each in left}
