"""The end of a consent takes effect at every node before the request is answered."""

from pathlib import Path

from hub.webhooks.settings import WebhookSettings
from tests.integration.cluster_world import own_valkey as own_valkey
from tests.integration.cluster_world import template as template
from tests.integration.cluster_world import valkey as valkey
from tests.support.api import Api
from tests.support.cluster import ClusterNode, nodes
from tests.support.receiver import receiving
from tests.support.running import Template
from tests.support.tokens import token
from tests.support.valkey import ValkeyServer

LOCAL = WebhookSettings(allowed_networks=("127.0.0.0/8",), allow_http=True)
BOT = token("chatbot", "bot-1")


def acting(node: ClusterNode) -> Api:
    return node.clinic.with_token(BOT, on_behalf_of=node.clinic.patients[0].id)


async def test_an_ended_consent_refuses_at_every_node_at_once(
    template: Template, valkey: ValkeyServer, tmp_path: Path
) -> None:
    made = nodes(template, tmp_path, valkey, webhooks=LOCAL, consent="recorded")
    async with made as three, receiving() as receiver:
        patient = three[0].clinic.patients[0]
        for node in three:  # so that each has cached that there is none
            assert (await acting(node).get("/api/profiles/me")).code == "CONSENT_REQUIRED"
        me = three[0].clinic.api(patient)
        given = (await me.post("/api/consents", {"party": "chatbot:bot-1"})).body
        screens = []
        for node in three:
            assert (await acting(node).get("/api/profiles/me")).status == 200
            auth = {"token": BOT, "on_behalf_of": patient.id}
            screens.append(await node.clinic.connect("/chatbot", auth))
        webhook = await acting(three[1]).post("/api/webhooks", {"url": receiver.url})
        ended = await three[2].clinic.api(patient).delete(f"/api/consents/{given['id']}")
        assert ended.status == 204
        for node, screen in zip(three, screens, strict=True):
            assert (await acting(node).get("/api/profiles/me")).code == "CONSENT_REQUIRED"
            await screen.until(lambda each: each.event == "auth:expired", 1.0)
        await three[0].clinic.book(patient, "09:00")
        (shown,) = (await me.get("/api/webhooks")).body["data"]
        assert (shown["id"], shown["disabled_reason"]) == (webhook.body["id"], "consent_ended")
        assert receiver.requests == []
