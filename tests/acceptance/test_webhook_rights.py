"""Webhooks end with the key, the time or the decision that their right depends on."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp

from api.auth import AuthSettings
from tests.acceptance.conftest import OpenClinic
from tests.acceptance.test_live_rights import NEW, OLD, REFRESH_S, signed, write_keys
from tests.acceptance.test_webhooks import (
    LOCAL,
    ShiftedClock,
    bot,
    local,
    read_webhook,
    subscribe,
)
from tests.support.api import Api
from tests.support.clinic import Clinic, Person, appointments_of
from tests.support.database import rows
from tests.support.eventually import eventually
from tests.support.receiver import Receiver, receiving
from tests.support.running import Template, config_for, running_hub
from tests.support.tokens import SECRET, token


async def ends(api: Api, webhook: dict[str, Any], reason: str) -> None:
    async def ended() -> bool:
        return bool((await read_webhook(api, webhook))["disabled_reason"] == reason)

    assert await eventually(ended, 3.0), (await read_webhook(api, webhook))["disabled_reason"]


def starts(receiver: Receiver) -> list[str]:
    events = [each.event for each in receiver.accepted]
    return [each["data"]["start"] for each in events if each["type"] == "appointment.created"]


def with_key(clinic: Clinic, key: Any, kid: str, patient: Person) -> Api:
    return clinic.with_token(signed(key, kid, "chatbot", "bot-1"), on_behalf_of=patient.id)


async def test_a_webhook_ends_when_its_key_leaves_the_key_set_and_a_new_key_renews_it(
    open_clinic: OpenClinic, tmp_path: Path
) -> None:
    keys = tmp_path / "jwks.json"
    write_keys(keys, old=OLD, new=NEW)
    auth = AuthSettings(secret=SECRET, jwks=str(keys), jwks_refresh_s=REFRESH_S)
    async with local(open_clinic, auth=auth) as (clinic, receiver):
        patient, other = clinic.patients[0], clinic.patients[1]
        stolen = await subscribe(
            with_key(clinic, OLD, "old", patient), receiver, channels=[appointments_of(patient)]
        )
        kept = await subscribe(
            with_key(clinic, NEW, "new", other), receiver, channels=[appointments_of(other)]
        )
        await clinic.book(patient, "09:00")
        await receiver.until(1)
        write_keys(keys, new=NEW)
        await ends(with_key(clinic, NEW, "new", patient), stolen, "key_removed")
        await clinic.book(patient, "10:00")
        await clinic.book(other, "11:00")
        await eventually(lambda: len(starts(receiver)) == 2, 3.0)
        assert starts(receiver) == [clinic.at("09:00"), clinic.at("11:00")]
        renewed = await with_key(clinic, NEW, "new", patient).put(
            f"/api/webhooks/{stolen['id']}", {"status": "active"}
        )
        assert (renewed.status, renewed.body["disabled_reason"]) == (200, None)
        await eventually(lambda: len(starts(receiver)) == 3, 3.0)
        assert starts(receiver)[-1] == clinic.at("10:00"), "nothing was lost"
        still = await read_webhook(with_key(clinic, NEW, "new", other), kept)
        assert still["status"] == "active"


async def test_webhooks_of_a_replaced_secret_are_suspended_when_the_hub_starts(
    template: Template, tmp_path: Path
) -> None:
    with template.copied_to(tmp_path) as database:
        async with aiohttp.ClientSession() as session, receiving() as receiver:
            patient = template.people.patients[0]

            def api(url: str, secret: str) -> Api:
                bearer = token("chatbot", "bot-1", secret=secret)
                return Api(session, url, bearer, on_behalf_of=patient.id)

            before = config_for(database, webhooks=LOCAL)
            async with running_hub(before) as hub:
                webhook = await subscribe(api(hub.url, SECRET), receiver)
            fresh = "another secret of the tests, also long enough"
            after = replace(before, auth=AuthSettings(secret=fresh))
            async with running_hub(after) as hub:
                await ends(api(hub.url, fresh), webhook, "key_removed")
                assert await eventually(
                    lambda: receiver.requests[-1].event["data"]["disabled_reason"], 3.0
                )
        stored = rows(database, "SELECT key_id FROM webhooks")
        assert stored[0]["key_id"].startswith("hs256:")
        assert SECRET not in str(stored)


async def test_a_webhook_expires_unless_its_owner_renews_it(open_clinic: OpenClinic) -> None:
    clock = ShiftedClock()
    short = replace(LOCAL, lifetime_days=1.0)
    async with (
        open_clinic(webhooks=short, overrides={"clock": clock}) as clinic,
        receiving() as receiver,
    ):
        patient = clinic.patients[0]
        api = bot(clinic, patient)
        webhook = await subscribe(api, receiver, channels=[appointments_of(patient)])
        made, expires = (
            datetime.fromisoformat(webhook[name]) for name in ("created_at", "expires_at")
        )
        assert expires - made == timedelta(days=1)
        clock.shift = timedelta(hours=20)
        path = f"/api/webhooks/{webhook['id']}"
        renewed = await api.put(path, {"description": "renewed"})
        assert renewed.body["expires_at"] > webhook["expires_at"]
        clock.shift = timedelta(hours=40)
        await clinic.book(patient, "09:00")
        await receiver.until(1)
        clock.shift = timedelta(hours=45)
        await ends(api, webhook, "expired")
        await clinic.book(patient, "10:00")
        assert (await api.put(path, {"status": "active"})).status == 200
        await eventually(lambda: len(starts(receiver)) == 2, 3.0)
        assert starts(receiver) == [clinic.at("09:00"), clinic.at("10:00")]


async def test_an_admin_lists_the_webhooks_of_a_party_and_disables_them(
    open_clinic: OpenClinic,
) -> None:
    async with local(open_clinic) as (clinic, receiver):
        patient, other = clinic.patients[0], clinic.patients[1]
        mine = [
            await subscribe(bot(clinic, each), receiver, channels=[appointments_of(each)])
            for each in (patient, other)
        ]
        foreign = await subscribe(bot(clinic, patient, "bot-2"), receiver)
        admin = clinic.admin
        everyones = await admin.get("/api/webhooks?all=true")
        assert {each["id"] for each in everyones.body["data"]} >= {mine[0]["id"], foreign["id"]}
        found = (await admin.get("/api/webhooks?party=chatbot:bot-1")).body["data"]
        assert [each["id"] for each in found] == [each["id"] for each in mine]
        assert {each["party"] for each in found} == {"chatbot:bot-1"}
        assert [each["patient_id"] for each in found] == [patient.id, other.id]
        assert "/hook" not in str(found), "the path may be a secret"
        stopped = await admin.post("/api/webhooks/disable", {"party": "chatbot:bot-1"})
        assert (stopped.status, stopped.body) == (200, {"disabled": 2})
        await clinic.book(patient, "09:00")
        await receiver.until(1)  # of the other party
        for webhook, owner in zip(mine, (patient, other), strict=True):
            path, api = f"/api/webhooks/{webhook['id']}", bot(clinic, owner)
            assert (await read_webhook(api, webhook))["disabled_reason"] == "by_admin"
            again = await api.put(path, {"status": "active"})
            assert (again.status, again.code) == (403, "FORBIDDEN")
            changed = await admin.put(path, {"url": receiver.url})
            assert (changed.status, changed.code) == (403, "FORBIDDEN")
        assert (await read_webhook(bot(clinic, patient, "bot-2"), foreign))["status"] == "active"
        allowed = await admin.put(f"/api/webhooks/{mine[0]['id']}", {"status": "active"})
        assert allowed.body.get("status") == "active", allowed.body
        one = await admin.put(f"/api/webhooks/{mine[0]['id']}", {"status": "disabled"})
        assert one.body["disabled_reason"] == "by_admin"
        assert "/hook" not in str(one.body)
        for api in (bot(clinic), clinic.api(patient), clinic.api(clinic.dentists[0])):
            refused = await api.post("/api/webhooks/disable", {"party": "chatbot:bot-1"})
            assert (refused.status, refused.code) == (403, "FORBIDDEN")
        assert (await bot(clinic).get("/api/webhooks?all=true")).status == 403
        assert (await admin.post("/api/webhooks/disable", {"party": "x"})).status == 400
        audited = rows(
            clinic.database,
            "SELECT DISTINCT role, acting FROM audit_log WHERE action = 'webhook.disabled'",
        )
        assert {"role": "admin", "acting": None} in audited


async def test_a_patient_lists_and_ends_the_webhooks_that_concern_them(
    open_clinic: OpenClinic,
) -> None:
    async with local(open_clinic) as (clinic, receiver):
        patient, other = clinic.patients[0], clinic.patients[1]
        webhook = await subscribe(bot(clinic, patient), receiver)
        of_other = await subscribe(bot(clinic, other), receiver)
        me = clinic.api(patient)
        (found,) = (await me.get("/api/webhooks")).body["data"]
        assert (found["id"], found["party"]) == (webhook["id"], "chatbot:bot-1")
        assert "/hook" not in str(found)
        path = f"/api/webhooks/{webhook['id']}"
        for method, where, body in (
            ("PUT", path, {"status": "disabled"}),
            ("GET", f"{path}/deliveries", None),
            ("POST", f"{path}/ping", None),
            ("POST", f"{path}/rotate-secret", {}),
            ("POST", f"{path}/replay", {"channel": "availability:all", "since": "1.0"}),
            ("POST", "/api/webhooks", {"url": receiver.url}),
        ):
            answer = await me.send(method, where, body)
            assert (answer.status, answer.code) == (403, "FORBIDDEN"), where
        assert (await me.send("DELETE", f"/api/webhooks/{of_other['id']}")).status == 404
        assert (await me.send("DELETE", path)).status == 204
        assert (await bot(clinic, patient).get(path)).status == 404
        await clinic.book(patient, "09:00")
        await clinic.book(other, "10:00")
        await receiver.until(1)
        assert starts(receiver) == [clinic.at("10:00")]
