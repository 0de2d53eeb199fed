"""Three hubs on one PostgreSQL and one Valkey are one hub."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from hub.cluster.calendars.messages import SNAPSHOT_PATH
from hub.cluster.internal.codec import dumps
from hub.cluster.internal.node_client import FROM, NONCE, SIGNATURE, TIME, TO
from hub.cluster.internal.signing import sign
from tests.support.clinic import Person
from tests.support.cluster import ClusterNode, all_know, nodes, one_node, owner_of
from tests.support.database import OnPostgres, rows
from tests.support.eventually import eventually
from tests.support.histories import pending, problems_of
from tests.support.logs import captured_logs
from tests.support.running import Template, make_template
from tests.support.screens import Received
from tests.support.valkey import ValkeyServer, valkey_server


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Stack traces of an outage, drawn for a terminal, take seconds each."""
    with captured_logs():
        yield


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    with captured_logs():
        return make_template(tmp_path_factory.mktemp("template"), "postgres")


@pytest.fixture(scope="module")
def valkey() -> ValkeyServer:
    return valkey_server()


@pytest.fixture
async def three(
    template: Template, valkey: ValkeyServer, tmp_path: Path
) -> AsyncIterator[Sequence[ClusterNode]]:
    async with nodes(template, tmp_path, valkey) as made:
        yield made


def _others(made: Sequence[ClusterNode], one: ClusterNode) -> list[ClusterNode]:
    return [each for each in made if each is not one]


async def test_a_booking_reaches_screens_of_other_nodes(
    three: Sequence[ClusterNode],
) -> None:
    dentist = three[0].clinic.dentists[0]
    a = owner_of(three, dentist)
    b, c = _others(three, a)
    screen = await b.clinic.screen(dentist)
    booker = c.clinic.api(c.clinic.patients[0])
    began = asyncio.get_running_loop().time()
    made = await booker.post("/api/appointments", c.clinic.slot("09:00"))
    assert made.status == 201, made.body
    await screen.event("appointment.created", id=made.body["id"])
    assert asyncio.get_running_loop().time() - began < 1.0
    (row,) = rows(a.clinic.database, "SELECT owner FROM calendars WHERE dentist_id = ?", dentist.id)
    assert row["owner"] == a.id, "the calendar is where it belongs"
    assert c.cluster.router.hops >= 1
    assert a.cluster.forwarded.served >= 1


async def test_every_node_shows_the_same_slots_at_once(three: Sequence[ClusterNode]) -> None:
    clinic = three[0].clinic
    for number, node in enumerate(three):
        slot = clinic.slot(f"1{number}:00")
        made = await node.clinic.api(clinic.patients[number]).post("/api/appointments", slot)
        assert made.status == 201, made.body
        for other in three:
            again = await other.clinic.api(clinic.patients[9]).post("/api/appointments", slot)
            assert (again.status, again.code) == (409, "SLOT_TAKEN")
            shown = await other.clinic.free(clinic.patients[9])
            assert slot["start"] not in shown


async def test_a_hold_belongs_to_its_patient_on_every_node(three: Sequence[ClusterNode]) -> None:
    clinic = three[0].clinic
    holder, other = clinic.patients[0], clinic.patients[1]
    slot = clinic.slot("09:00")
    held = await three[0].clinic.api(holder).post("/api/reservations", slot)
    assert held.status == 201, held.body
    for node in three:
        assert slot["start"] in await node.clinic.free(holder)
        assert slot["start"] not in await node.clinic.free(other)
    booked = (
        await three[1]
        .clinic.api(holder)
        .post("/api/appointments", {"reservation_id": held.body["id"]})
    )
    assert (booked.status, booked.body["id"]) == (201, held.body["id"])


async def test_an_idempotency_key_means_one_booking_on_all_nodes(
    three: Sequence[ClusterNode],
) -> None:
    clinic = three[0].clinic
    slot = clinic.slot("09:00")
    answers = await asyncio.gather(
        *(
            node.clinic.api(clinic.patients[0]).post(
                "/api/appointments", slot, idempotency_key="once"
            )
            for node in (*three, *three)
        )
    )
    assert {answer.status for answer in answers} == {201}
    assert len({answer.body["id"] for answer in answers}) == 1


async def test_a_new_dentist_can_be_followed_on_every_node_at_once(
    three: Sequence[ClusterNode],
) -> None:
    clinic = three[0].clinic
    screens = [await node.clinic.screen(clinic.patients[0]) for node in three]
    unknown = {"channel": "availability:dentist:01976f2e-0000-7000-8000-000000000001"}
    for screen in screens:
        assert (await screen.refused("channel:join", unknown))["code"] == "NOT_FOUND"
    new = {
        "role": "dentist",
        "subject": "new",
        "name": "New",
        "email": "new@example.org",
        "practice_id": clinic.practices[0],
    }
    made = await clinic.admin.post("/api/profiles", new)
    for screen in screens:
        await screen.ok("channel:join", {"channel": f"availability:dentist:{made.body['id']}"})


async def test_a_changed_profile_is_shown_by_every_node(three: Sequence[ClusterNode]) -> None:
    clinic = three[0].clinic
    patient = clinic.patients[0]
    for node in three:
        assert (await node.clinic.api(patient).get("/api/profiles/me")).status == 200
    changed = await three[0].clinic.api(patient).put("/api/profiles/me", {"name": "New Name"})
    assert changed.status == 200, changed.body

    async def everywhere() -> bool:
        shown = [await node.clinic.api(patient).get("/api/profiles/me") for node in three]
        return all(each.body["name"] == "New Name" for each in shown)

    assert await eventually(everywhere, 2.0)


async def test_a_hold_expires_once_after_its_calendar_has_moved(
    template: Template, valkey: ValkeyServer, tmp_path: Path
) -> None:
    """Criterion 8.3; no request needs the calendar after its node has left."""
    async with nodes(template, tmp_path, valkey, 2, hold_seconds=2.0) as made:
        clinic = made[0].clinic
        database = clinic.database
        assert isinstance(database, OnPostgres)
        async with one_node(template, database, valkey.url, hold_seconds=2.0) as third:
            await all_know([*made, third], 3)
            for number, dentist in enumerate(clinic.dentists):
                held = await third.clinic.hold(clinic.patients[number], dentist=dentist)
                assert held["expires_at"]
            await third.running.hub.drain()
        sql = "SELECT count(*) AS n FROM appointments WHERE status = 'expired'"
        assert await eventually(lambda: rows(database, sql)[0]["n"] == 3, 5.0)
        await asyncio.sleep(0.5)
        query = "SELECT channel, count(*) AS n FROM realtime_events WHERE type = ? GROUP BY channel"
        counts = [r["n"] for r in rows(database, query, "reservation.expired")]
        assert counts
        assert set(counts) == {1}, "alarms may ring at several nodes; a hold runs out once"
        assert problems_of(database) == []


async def test_the_status_contains_the_figures_of_all_nodes(three: Sequence[ClusterNode]) -> None:
    clinic = three[0].clinic
    for number, node in enumerate(three):
        await node.clinic.screen(clinic.patients[number])
    admin = await three[0].clinic.admin_screen("hub:status")

    def of_all(each: Received) -> bool:
        return (
            each.event == "hub.status"
            and each.data["data"]["connections"].get("/patient") == 3
            and len(each.data["data"]["cluster"]["nodes"]) == 3
            and len(each.data["data"]["nodes"]) == 3
        )

    shown = (await admin.until(of_all, 5.0)).data["data"]
    sockets = {"wire": "socket.io", "namespace": "/patient", "count": 3}
    assert sockets in shown["sockets"]
    assert shown["redis"] == {"status": "ok"}


async def test_unsigned_internal_requests_get_404(three: Sequence[ClusterNode]) -> None:
    node = three[0].cluster.membership.node(three[0].id)
    assert node is not None
    session = three[0].clinic.session
    for path in ("/internal/ask", "/internal/look", "/", "/health", "/metrics"):
        async with session.post(node.address + path, data=b"{}") as answer:
            assert answer.status == 404
    (stored,) = rows(three[0].clinic.database, "SELECT key FROM cluster")
    assert len(stored["key"]) == 64


async def test_replayed_changed_or_misdirected_requests_get_404(
    three: Sequence[ClusterNode],
) -> None:
    receiver, other = three[0], three[1]
    node = receiver.cluster.membership.node(receiver.id)
    assert node is not None
    key = receiver.cluster.membership.key
    dentist = receiver.clinic.dentists[0]
    body = dumps({"dentist_id": dentist.id, "tag": "", "epoch": 0, "named": True})

    async def post(
        to: str, nonce: str, content: bytes, *, at: float = 0.0, signed: bytes = b""
    ) -> int:
        sent = f"{(at or time.time()):.3f}"
        signature = sign(key, SNAPSHOT_PATH, other.id, to, sent, nonce, signed or content)
        headers = {FROM: other.id, TO: to, TIME: sent, NONCE: nonce, SIGNATURE: signature}
        async with receiver.clinic.session.post(
            node.address + SNAPSHOT_PATH, data=content, headers=headers
        ) as r:
            return r.status

    assert await post(receiver.id, "one", body) in (200, 421)
    assert await post(receiver.id, "one", body) == 404, "recorded and sent again"
    assert await post(other.id, "two", body) == 404, "for another node"
    assert await post(receiver.id, "three", body + b" ", signed=body) == 404, "changed on the way"
    assert await post(receiver.id, "four", body, at=time.time() - 60) == 404, "old"


async def test_sockets_of_a_leaving_node_reconnect_to_another(
    three: Sequence[ClusterNode],
) -> None:
    """WebSocket close 1012, service restart; the client's library connects again by itself."""
    leaving = three[0]
    address = f"{leaving.url}/socket.io/?EIO=4&transport=websocket"
    async with leaving.clinic.session.ws_connect(address) as socket:
        assert (await socket.receive_str()).startswith("0")
        await leaving.running.hub.drain()
        while (message := await socket.receive(timeout=5)).type is aiohttp.WSMsgType.TEXT:
            pass
    assert message.type is aiohttp.WSMsgType.CLOSE
    assert message.data == 1012


async def test_a_joining_node_takes_only_its_share_of_calendars(
    template: Template, valkey: ValkeyServer, tmp_path: Path
) -> None:
    async with nodes(template, tmp_path, valkey, 2) as made:
        clinic = made[0].clinic
        database = clinic.database
        assert isinstance(database, OnPostgres)
        for number, dentist in enumerate(clinic.dentists):
            await _book(made[0], clinic.patients[number], clinic.slot("09:00", dentist=dentist))
        before = {r["dentist_id"]: r["owner"] for r in _calendars(database)}
        async with one_node(template, database, valkey.url) as third:
            all_nodes = [*made, third]
            await all_know(all_nodes, 3)
            wanted = {each.id: owner_of(all_nodes, each).id for each in clinic.dentists}

            def settled() -> bool:
                owners = {r["dentist_id"]: r["owner"] for r in _calendars(database)}
                return all(owners[each] in (None, wanted[each]) for each in wanted)

            assert await eventually(settled, 5.0)
            stayed = [each for each in wanted if wanted[each] == before[each]]
            after = {r["dentist_id"]: r["owner"] for r in _calendars(database)}
            assert all(after[each] == before[each] for each in stayed)
            for number, dentist in enumerate(clinic.dentists):
                slot = clinic.slot("10:00", dentist=dentist)
                await _book(all_nodes[number], clinic.patients[number], slot)
            assert {r["dentist_id"]: r["owner"] for r in _calendars(database)} == wanted


async def test_a_leaving_node_hands_its_calendars_over(
    template: Template, valkey: ValkeyServer, tmp_path: Path
) -> None:
    async with nodes(template, tmp_path, valkey, 2) as made:
        clinic = made[0].clinic
        database = clinic.database
        assert isinstance(database, OnPostgres)
        before = {r["dentist_id"]: r["fence"] for r in _calendars(database)}
        async with one_node(template, database, valkey.url) as third:
            await all_know([*made, third], 3)
            for number, dentist in enumerate(clinic.dentists):
                slot = clinic.slot("09:00", dentist=dentist)
                await _book(third, clinic.patients[number], slot)
            await third.running.hub.drain()
            assert not [r for r in _calendars(database) if r["owner"] == third.id]
            slot = clinic.slot("10:00")
            late = await third.clinic.api(clinic.patients[5]).post("/api/appointments", slot)
            assert late.status == 201, "it answers still, one hop on"
        await all_know(made, 2)
        for number, dentist in enumerate(clinic.dentists):
            slot = clinic.slot("11:00", dentist=dentist)
            await _book(made[1], clinic.patients[number], slot)
        after = {r["dentist_id"]: r["fence"] for r in _calendars(database)}
        assert all(after[each] >= before[each] for each in before), "fences never decrease"
        assert await eventually(lambda: not pending(database), 5.0)
        assert problems_of(database) == []


async def _book(node: ClusterNode, patient: Person, slot: dict[str, Any]) -> dict[str, Any]:
    made = await node.clinic.api(patient).post("/api/appointments", slot)
    assert made.status == 201, made.body
    body: dict[str, Any] = made.body
    return body


def _calendars(database: OnPostgres) -> list[dict[str, Any]]:
    return rows(database, "SELECT dentist_id, owner, fence FROM calendars")
