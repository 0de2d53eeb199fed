"""An admin's request to one node ends a person's connections at all nodes, or fails."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from tests.integration.cluster_world import logs as logs
from tests.integration.cluster_world import template as template
from tests.integration.cluster_world import three as three
from tests.integration.cluster_world import valkey as valkey
from tests.support.cluster import ClusterNode, all_know, nodes, one_node
from tests.support.database import OnPostgres, rows
from tests.support.live_connections import all_ended, every_protocol, none_has_ended
from tests.support.ports import free_port
from tests.support.running import Template
from tests.support.valkey import ValkeyServer


async def test_connections_of_all_protocols_end_at_all_nodes(
    three: Sequence[ClusterNode],
) -> None:
    clinic = three[0].clinic
    lost, other = clinic.patients[0], clinic.patients[1]
    async with AsyncExitStack() as opened:
        ends = [
            await opened.enter_async_context(every_protocol(node.clinic, lost))
            for node in three[1:]
        ]
        others = [
            await opened.enter_async_context(every_protocol(node.clinic, other))
            for node in three[1:]
        ]
        answer = await clinic.admin.delete(f"/api/profiles/{lost.id}/connections")
        assert answer.status == 204, answer.body
        for each in ends:
            await all_ended(each)
        for each in others:
            await none_has_ended(each)
    audited = "SELECT * FROM audit_log WHERE action = 'connections.ended'"
    assert len(rows(clinic.database, audited)) == 1, "by the node that got the request"


async def test_only_an_admin_may_end_connections_at_any_node(three: Sequence[ClusterNode]) -> None:
    patient = three[0].clinic.patients[0]
    async with every_protocol(three[1].clinic, patient) as own:
        for node in three:
            answer = await node.clinic.api(patient).delete(
                f"/api/profiles/{patient.id}/connections"
            )
            assert (answer.status, answer.code) == (403, "FORBIDDEN")
        await none_has_ended(own)


async def test_a_node_without_answer_makes_the_request_fail(
    template: Template, valkey: ValkeyServer, tmp_path: Path
) -> None:
    async with nodes(template, tmp_path, valkey, 2) as made, AsyncExitStack() as deaf:
        clinic = made[0].clinic
        assert isinstance(clinic.database, OnPostgres)
        nowhere = f"http://127.0.0.1:{free_port()}"
        third = await deaf.enter_async_context(
            one_node(template, clinic.database, valkey.url, advertise=nowhere)
        )
        await all_know([*made, third], 3)
        patient, path = clinic.patients[0], f"/api/profiles/{clinic.patients[0].id}/connections"
        async with every_protocol(made[1].clinic, patient) as ends:
            answer = await clinic.admin.delete(path)
            assert (answer.status, answer.code) == (503, "UNAVAILABLE")
            assert answer.headers["Retry-After"]
            await all_ended(ends)
        await deaf.aclose()
        assert (await clinic.admin.delete(path)).status == 204, "it is a member no more"
