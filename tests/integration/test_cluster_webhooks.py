"""Webhooks of several nodes: each event is sent by exactly one living node."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from hub.webhooks.settings import WebhookSettings
from tests.support.cluster import ClusterNode, all_know, nodes, one_node
from tests.support.database import OnPostgres
from tests.support.receiver import Receiver, receiving
from tests.support.running import Template, make_template
from tests.support.valkey import ValkeyServer, valkey_server

LOCAL = WebhookSettings(allowed_networks=("127.0.0.0/8",), allow_http=True, retry_first_s=0.05)
WEBHOOKS = 6


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    return make_template(tmp_path_factory.mktemp("template"), "postgres")


@pytest.fixture(scope="module")
def valkey() -> ValkeyServer:
    return valkey_server()


async def test_three_nodes_send_an_event_once(
    template: Template, valkey: ValkeyServer, tmp_path: Path
) -> None:
    made = nodes(template, tmp_path, valkey, webhooks=LOCAL)
    async with made as three, receiving() as receiver:
        for number in range(WEBHOOKS):
            await _subscribe(three[number % 3], number, receiver)
        for round_, first_hour in enumerate((9, 13), start=1):
            await _book_each(three, first_hour)
            await receiver.until(WEBHOOKS * round_)
        assert len({each.id for each in receiver.requests}) == len(receiver.requests)
        assert len(receiver.requests) == WEBHOOKS * 2
        assert receiver.unsigned == 0


async def test_a_remaining_node_sends_for_one_that_left(
    template: Template, valkey: ValkeyServer, tmp_path: Path
) -> None:
    with template.copied_to(tmp_path) as database:
        assert isinstance(database, OnPostgres)
        async with (
            one_node(template, database, valkey.url, webhooks=LOCAL) as stays,
            receiving() as receiver,
        ):
            async with one_node(template, database, valkey.url, webhooks=LOCAL) as goes:
                await all_know([stays, goes], 2)
                for number in range(WEBHOOKS):
                    await _subscribe(goes, number, receiver)
            await _book_each([stays], 9)
            await receiver.until(WEBHOOKS)
        assert len({each.event["channel"] for each in receiver.requests}) == WEBHOOKS


async def _subscribe(node: ClusterNode, number: int, receiver: Receiver) -> None:
    api = node.clinic.chatbot(node.clinic.patients[number])
    made = await api.post("/api/webhooks", {"url": receiver.url})
    assert made.status == 201, made.body
    receiver.secrets.append(made.body["secret"])


async def _book_each(made: Sequence[ClusterNode], first_hour: int) -> None:
    """One booking of each patient, through the nodes in turn."""
    for number in range(WEBHOOKS):
        clinic = made[number % len(made)].clinic
        dentist = clinic.dentists[number // 3]
        slot = clinic.slot(f"{first_hour + number % 3:02}:00", dentist=dentist)
        booked = await clinic.api(clinic.patients[number]).post("/api/appointments", slot)
        assert booked.status == 201, booked.body
