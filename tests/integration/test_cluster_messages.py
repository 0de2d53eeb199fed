"""Messages of several nodes: one node sends, and another one takes over."""

from collections import Counter
from pathlib import Path
from typing import Any

from tests.integration.cluster_world import logs as logs
from tests.integration.cluster_world import template as template
from tests.integration.cluster_world import valkey as valkey
from tests.support.cluster import ClusterNode, all_know, nodes, one_node
from tests.support.database import OnPostgres, rows
from tests.support.eventually import eventually
from tests.support.mail_server import ENABLED, MailServer, mail_server
from tests.support.running import Template
from tests.support.valkey import ValkeyServer

VISITS = 6


async def test_three_nodes_send_a_message_once(
    template: Template, valkey: ValkeyServer, tmp_path: Path
) -> None:
    async with (
        mail_server() as server,
        nodes(template, tmp_path, valkey, messages=ENABLED, mail=server.settings()) as three,
    ):
        for number in range(VISITS):
            await _book(three[number % 3], number)
        await server.until(VISITS)
        await _all_sent(three[0].clinic.database)
        assert set(Counter(mail.message_id for mail in server.mails).values()) == {1}


async def test_a_remaining_node_sends_for_one_that_left(
    template: Template, valkey: ValkeyServer, tmp_path: Path
) -> None:
    with template.copied_to(tmp_path) as database:
        assert isinstance(database, OnPostgres)
        async with mail_server() as server:
            port = server.port
            sections: dict[str, Any] = {"messages": ENABLED, "mail": server.settings()}
        # no server answers while the first node is there
        async with one_node(template, database, valkey.url, **sections) as stays:
            async with one_node(template, database, valkey.url, **sections) as goes:
                await all_know([stays, goes], 2)
                for number in range(VISITS):
                    await _book(goes, number)
            async with mail_server(port) as server:
                await _arrived(server)
                await _all_sent(database)


async def _book(node: ClusterNode, number: int) -> None:
    clinic = node.clinic
    slot = clinic.slot(f"{9 + number:02}:00")
    booked = await clinic.api(clinic.patients[number]).post("/api/appointments", slot)
    assert booked.status == 201, booked.body


async def _arrived(server: MailServer) -> None:
    await server.until(VISITS, 30.0)
    assert set(Counter(mail.message_id for mail in server.mails).values()) == {1}


async def _all_sent(database: Any) -> None:
    def unsent() -> list[dict[str, Any]]:
        return rows(database, "SELECT id, state, error FROM messages WHERE state <> 'sent'")

    await eventually(lambda: not unsent(), 10.0)
    assert unsent() == []
