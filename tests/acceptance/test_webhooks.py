"""Webhooks deliver events to servers that cannot keep a stream open, such as chatbots."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from api.schemas.webhooks import DeliverySchema, ShownWebhookSchema
from hub.webhooks.settings import WebhookSettings
from tests.acceptance.conftest import OpenClinic
from tests.support.api import Api
from tests.support.clinic import Clinic, Person, appointments_of, availability_of
from tests.support.database import rows
from tests.support.eventually import eventually
from tests.support.logs import Logs
from tests.support.process import hub_process
from tests.support.receiver import Receiver, receiving
from tests.support.running import Template
from tests.support.tokens import token

LOCAL = WebhookSettings(
    allowed_networks=("127.0.0.0/8",), allow_http=True, retry_first_s=0.02, retry_longest_s=0.2
)
ALL_DAY_S = 30 * 86_400
SHOWN = set(ShownWebhookSchema().fields) - {"secret"}
CLOCKS = [f"{hour:02}:{minute:02}" for hour in range(8, 18) for minute in (0, 30)]


class ShiftedClock:
    """The time of the machine plus an offset that the test sets."""

    def __init__(self) -> None:
        self.shift = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.shift

    def monotonic(self) -> float:
        return time.monotonic() + self.shift.total_seconds()


@asynccontextmanager
async def local(open_clinic: OpenClinic, **options: Any) -> AsyncIterator[tuple[Clinic, Receiver]]:
    """A clinic that may send webhooks to this machine, and a receiver on it."""
    async with open_clinic(webhooks=LOCAL, **options) as clinic, receiving() as receiver:
        yield clinic, receiver


def bot(clinic: Clinic, patient: Person | None = None, subject: str = "bot-1") -> Api:
    return clinic.with_token(
        token("chatbot", subject, ttl_s=ALL_DAY_S), on_behalf_of=patient.id if patient else None
    )


async def subscribe(api: Api, receiver: Receiver, **body: Any) -> dict[str, Any]:
    made = await api.post("/api/webhooks", {"url": receiver.url, **body})
    assert made.status == 201, made.body
    assert made.headers["Location"] == f"/api/webhooks/{made.body['id']}"
    receiver.secrets.append(made.body["secret"])
    webhook = made.body
    assert isinstance(webhook, dict)
    return webhook


async def read_webhook(api: Api, webhook: dict[str, Any]) -> dict[str, Any]:
    answer = await api.get(f"/api/webhooks/{webhook['id']}")
    assert answer.status == 200, answer.body
    assert set(answer.body) == SHOWN, "exactly the documented fields"
    found = answer.body
    assert isinstance(found, dict)
    return found


# --- deliveries ---------------------------------------------------------------


async def test_a_chatbot_receives_signed_cloud_events_of_its_patient(
    open_clinic: OpenClinic,
) -> None:
    async with local(open_clinic) as (clinic, receiver):
        patient = clinic.patients[0]
        api = bot(clinic, patient)
        webhook = await subscribe(api, receiver)
        screen = await clinic.screen(patient)
        booked = await clinic.book(patient)
        await clinic.book(clinic.patients[1], "11:00")
        (received,) = await receiver.until(1)
        shown = await screen.event("appointment.created", id=booked["id"])

        event = received.event
        assert event["specversion"] == "1.0"
        assert event["id"] == received.id == shown.data["id"]
        assert (event["type"], event["time"]) == ("appointment.created", shown.data["time"])
        assert event["channel"] == appointments_of(patient)
        assert event["position"] == f"{shown.data['epoch']}.{shown.data['offset']}"
        assert event["data"] == booked
        assert received.headers["content-type"].startswith("application/cloudevents+json")
        assert receiver.unsigned == 0

        async def recorded() -> list[dict[str, Any]]:
            return list((await api.get(f"/api/webhooks/{webhook['id']}/deliveries")).body["data"])

        (delivery,) = await eventually(recorded, 2.0)
        assert set(delivery) == set(DeliverySchema().fields)
        assert (delivery["event_id"], delivery["delivered"]) == (received.id, True)
        assert clinic.patients[1].id not in str(receiver.requests)


async def test_an_admin_receives_availability_only(
    open_clinic: OpenClinic,
) -> None:
    async with local(open_clinic) as (clinic, receiver):
        dentist, patient = clinic.dentists[0], clinic.patients[0]
        channels = ["availability:all", availability_of(dentist)]
        await subscribe(clinic.admin, receiver, channels=channels)
        await clinic.book(patient)
        (received,) = await receiver.until(1)
        assert received.event["type"] == "slots.changed"
        assert patient.id not in str(received.event)
        for forbidden in (appointments_of(patient), appointments_of(dentist)):
            refused = await clinic.admin.post(
                "/api/webhooks", {"url": receiver.url, "channels": [forbidden]}
            )
            assert (refused.status, refused.code) == (403, "FORBIDDEN")


async def test_each_channel_is_in_order_despite_failures(
    open_clinic: OpenClinic, logs: Logs
) -> None:
    async with local(open_clinic) as (clinic, receiver):
        patient, dentist = clinic.patients[0], clinic.dentists[0]
        channels = [appointments_of(patient), availability_of(dentist)]
        webhook = await subscribe(bot(clinic, patient), receiver, channels=channels)
        receiver.answers.extend([500, 204, 503, 429, 204, 404, 500, 204, 302, 204] * 3)
        for clock in CLOCKS[:8]:
            await clinic.book(patient, clock)
        await receiver.until(16)
        for channel in channels:
            offsets = [offset for name, offset in receiver.positions if name == channel]
            assert offsets == list(range(offsets[0], offsets[0] + 8))
        ids = [each.id for each in receiver.requests]
        assert len(ids) > 16, "some were retried, under the same id"
        assert len(set(ids)) == 16
        assert receiver.unsigned == 0

        async def none_fails() -> bool:
            progress = (await read_webhook(bot(clinic, patient), webhook))["progress"]
            return not any(place["attempts"] for place in progress)

        assert await eventually(none_fails, 2.0)
        refused = logs.lines("webhook_refused")
        assert refused
        for content in (patient.name, patient.id, "/hook", receiver.secrets[0]):
            assert content not in str(refused), "logs contain hosts, ids and types only"


async def test_all_events_of_an_outage_of_an_hour_are_delivered(
    open_clinic: OpenClinic,
) -> None:
    clock = ShiftedClock()
    slow = WebhookSettings(allowed_networks=("127.0.0.0/8",), allow_http=True)
    async with (
        open_clinic(webhooks=slow, overrides={"clock": clock}) as clinic,
        receiving() as receiver,
    ):
        patient = clinic.patients[0]
        webhook = await subscribe(
            bot(clinic, patient), receiver, channels=[appointments_of(patient)]
        )
        receiver.status = 500
        for at in CLOCKS[:5]:
            await clinic.book(patient, at)
        attempts = 0
        while clock.shift < timedelta(hours=1):
            attempts += 1
            assert await eventually(lambda n=attempts: len(receiver.requests) >= n, 3.0)  # type: ignore[misc]  # mypy infers no lambda with a default
            place = await _failing(clinic, patient, webhook, attempts)
            clock.shift += datetime.fromisoformat(place["next_attempt_at"]) - clock.now()
        assert 8 <= attempts <= 14, "5 s, 10 s, 20 s ...: few attempts, the last ones far apart"
        assert {each.position for each in receiver.requests} == {receiver.requests[0].position}
        receiver.status = 204
        await receiver.until(5)
        offsets = [offset for _, offset in receiver.positions]
        assert offsets == list(range(offsets[0], offsets[0] + 5))
        assert (await read_webhook(bot(clinic, patient), webhook))["status"] == "active"


async def test_an_owner_can_retry_at_once_or_skip_an_event(
    open_clinic: OpenClinic,
) -> None:
    slow_retries = WebhookSettings(
        allowed_networks=("127.0.0.0/8",), allow_http=True, retry_first_s=600, retry_longest_s=600
    )
    async with open_clinic(webhooks=slow_retries) as clinic, receiving() as receiver:
        patient = clinic.patients[0]
        api, channel = bot(clinic, patient), appointments_of(patient)
        webhook = await subscribe(api, receiver, channels=[channel])
        receiver.status = 500
        await clinic.book(patient, "09:00")
        place = await _failing(clinic, patient, webhook, 1)
        await clinic.book(patient, "10:00")
        receiver.status = 204
        assert (await api.put(f"/api/webhooks/{webhook['id']}", {"status": "active"})).status == 200
        first = await receiver.until(2, 3.0)

        receiver.status = 500
        await clinic.book(patient, "11:00")
        await _failing(clinic, patient, webhook, 1)
        receiver.status = 204
        since = f"{place['epoch']}.{place['offset'] + 3}"
        skipped = await api.post(
            f"/api/webhooks/{webhook['id']}/replay", {"channel": channel, "since": since}
        )
        assert skipped.status == 200, skipped.body
        await clinic.book(patient, "12:00")
        await receiver.until(3, 3.0)
        starts = [each.event["data"]["start"] for each in (*first, receiver.accepted[-1])]
        assert starts == [clinic.at(clock) for clock in ("09:00", "10:00", "12:00")]


async def _failing(
    clinic: Clinic, patient: Person, webhook: dict[str, Any], attempts: int
) -> dict[str, Any]:
    async def places() -> list[dict[str, Any]]:
        found = (await read_webhook(bot(clinic, patient), webhook))["progress"]
        return [place for place in found if place["attempts"] == attempts]

    (found,) = await eventually(places, 3.0)
    return dict(found)


# --- disabling ----------------------------------------------------------------------


async def test_a_day_of_failures_disables_a_webhook_until_reactivation(
    open_clinic: OpenClinic,
) -> None:
    clock = ShiftedClock()
    async with local(open_clinic, overrides={"clock": clock}) as (clinic, receiver):
        patient = clinic.patients[0]
        api = bot(clinic, patient)
        webhook = await subscribe(api, receiver, channels=[appointments_of(patient)])
        receiver.status = 500
        await clinic.book(patient, "09:00")
        assert await eventually(lambda: receiver.requests, 3.0)
        clock.shift = timedelta(hours=24)

        async def disabled() -> bool:
            return bool((await read_webhook(api, webhook))["status"] == "disabled")

        assert await eventually(disabled, 3.0)
        seen = await read_webhook(api, webhook)
        assert seen["disabled_reason"] == "failing"
        assert seen["disabled_at"]
        assert await eventually(
            lambda: receiver.requests[-1].event["type"] == "webhook.disabled", 3.0
        )
        metrics = (
            await clinic.with_token(token("admin", "a", ttl_s=ALL_DAY_S)).get("/metrics")
        ).body
        assert 'chairside_webhooks_disabled_total{reason="failing"} 1.0' in metrics

        await clinic.book(patient, "10:00")
        receiver.status = 204
        again = await api.put(f"/api/webhooks/{webhook['id']}", {"status": "active"})
        assert (again.status, again.body["disabled_reason"]) == (200, None)
        await receiver.until(2)
        assert [each.event["data"]["start"] for each in receiver.accepted] == [
            clinic.at("09:00"),
            clinic.at("10:00"),
        ], "no event was lost"


async def test_a_receiver_that_answers_410_gets_no_more_requests(open_clinic: OpenClinic) -> None:
    async with local(open_clinic) as (clinic, receiver):
        patient = clinic.patients[0]
        api = bot(clinic, patient)
        webhook = await subscribe(api, receiver)
        receiver.status = 410
        await clinic.book(patient, "09:00")

        async def gone() -> bool:
            return bool((await read_webhook(api, webhook))["disabled_reason"] == "gone")

        assert await eventually(gone, 3.0)
        await clinic.book(patient, "10:00")
        await asyncio.sleep(0.3)
        assert len(receiver.requests) == 1


async def test_a_delegation_ends_with_its_token_and_a_new_token_renews_it(
    open_clinic: OpenClinic,
) -> None:
    clock = ShiftedClock()
    async with local(open_clinic, overrides={"clock": clock}) as (clinic, receiver):
        patient = clinic.patients[0]

        def delegated(hours: float) -> Api:
            act = token("patient", "patient-0", ttl_s=hours * 3_600, act={"sub": "bot-9"})
            return clinic.with_token(act)

        webhook = await subscribe(delegated(1), receiver, channels=[appointments_of(patient)])
        await clinic.book(patient, "09:00")
        await receiver.until(1)
        clock.shift = timedelta(hours=2)
        await clinic.book(patient, "10:00")

        async def ended() -> bool:
            return bool(
                (await read_webhook(delegated(48), webhook))["disabled_reason"] == "rights_ended"
            )

        assert await eventually(ended, 3.0)
        assert [each.event["type"] for each in receiver.requests[1:]] == ["webhook.disabled"]
        renewed = await delegated(48).put(f"/api/webhooks/{webhook['id']}", {"status": "active"})
        assert renewed.status == 200, renewed.body
        assert renewed.body["rights_until"] > webhook["rights_until"]
        await receiver.until(3)
        assert receiver.accepted[-1].event["data"]["start"] == clinic.at("10:00")


async def test_a_stopped_or_deleted_webhook_receives_nothing(open_clinic: OpenClinic) -> None:
    async with local(open_clinic) as (clinic, receiver):
        patient = clinic.patients[0]
        api = bot(clinic, patient)
        webhook = await subscribe(api, receiver, channels=[appointments_of(patient)])
        path = f"/api/webhooks/{webhook['id']}"
        stopped = await api.put(path, {"status": "disabled"}, if_match='"1"')
        assert (stopped.status, stopped.body["disabled_reason"]) == (200, "by_owner")
        await clinic.book(patient, "09:00")
        assert (await api.put(path, {"status": "active"}, if_match='"1"')).status == 412
        assert (await api.put(path, {"status": "active"})).status == 200
        await receiver.until(1)
        assert (await api.delete(path)).status == 204
        assert (await api.get(path)).status == 404
        await clinic.book(patient, "10:00")
        await asyncio.sleep(0.3)
        assert len(receiver.requests) == 1


# --- managing webhooks ----------------------------------------------------------------


async def test_webhooks_are_private_and_for_chatbots_and_admins(
    open_clinic: OpenClinic,
) -> None:
    async with local(open_clinic) as (clinic, receiver):
        patient, other = clinic.patients[0], clinic.patients[1]
        webhook = await subscribe(bot(clinic, patient), receiver)
        path = f"/api/webhooks/{webhook['id']}"
        for other_party in (
            bot(clinic, other),
            bot(clinic),
            bot(clinic, patient, "bot-2"),
        ):
            for method, where, body in (
                ("GET", path, None),
                ("PUT", path, {"status": "disabled"}),
                ("DELETE", path, None),
                ("GET", f"{path}/deliveries", None),
                ("POST", f"{path}/ping", None),
                ("POST", f"{path}/rotate-secret", {}),
                ("POST", f"{path}/replay", {"channel": "availability:all", "since": "1.0"}),
            ):
                answer = await other_party.send(method, where, body)
                assert (answer.status, answer.code) == (404, "NOT_FOUND"), (method, where)
            assert (await other_party.get("/api/webhooks")).body["data"] == []
        for person, method, body in (
            (patient, "POST", {"url": receiver.url}),
            (clinic.dentists[0], "POST", {"url": receiver.url}),
            (clinic.dentists[0], "GET", None),
        ):
            answer = await clinic.api(person).send(method, "/api/webhooks", body)
            assert (answer.status, answer.code) == (403, "FORBIDDEN")
        foreign = await bot(clinic, patient).post(
            "/api/webhooks", {"url": receiver.url, "channels": [appointments_of(other)]}
        )
        assert (foreign.status, foreign.code) == (403, "FORBIDDEN")
        assert (await read_webhook(bot(clinic, patient), webhook))["status"] == "active"


async def test_both_secrets_sign_after_a_rotation(
    open_clinic: OpenClinic,
) -> None:
    clock = ShiftedClock()
    async with local(open_clinic, overrides={"clock": clock}) as (clinic, receiver):
        patient = clinic.patients[0]
        api = bot(clinic, patient)
        webhook = await subscribe(api, receiver, channels=[appointments_of(patient)])
        path = f"/api/webhooks/{webhook['id']}"
        rotated = await api.post(f"{path}/rotate-secret", {})
        fresh = rotated.body["secret"]
        assert fresh != webhook["secret"]
        for only in (webhook["secret"], fresh):
            receiver.secrets = [only]
            assert (await api.post(f"{path}/ping", None)).body["delivered"] is True
            assert receiver.unsigned == 0
        clock.shift = timedelta(hours=25)
        assert (await api.post(f"{path}/ping", None)).body["delivered"] is True
        signatures = receiver.requests[-1].headers["webhook-signature"].split(" ")
        assert [len(each.headers["webhook-signature"].split(" ")) for each in receiver.requests][
            :2
        ] == [2, 2]
        assert len(signatures) == 1


async def test_a_channel_can_be_replayed_from_a_position(open_clinic: OpenClinic) -> None:
    async with local(open_clinic) as (clinic, receiver):
        patient = clinic.patients[0]
        api, channel = bot(clinic, patient), appointments_of(patient)
        webhook = await subscribe(api, receiver, channels=[channel])
        for clock in CLOCKS[:4]:
            await clinic.book(patient, clock)
        first = await receiver.until(4)
        replay = f"/api/webhooks/{webhook['id']}/replay"
        again = await api.post(replay, {"channel": channel, "since": first[1].event["position"]})
        assert again.status == 200, again.body
        await receiver.until(6)
        assert [each.id for each in receiver.accepted[4:]] == [each.id for each in first[2:]]

        epoch = first[0].event["position"].partition(".")[0]
        for body, field in (
            ({"channel": channel, "since": f"{epoch}.999"}, "since"),
            ({"channel": channel, "since": "7.1"}, "since"),
            ({"channel": channel, "since": "now"}, "since"),
            ({"channel": channel}, "since"),
            ({"channel": "availability:all", "since": f"{epoch}.0"}, "channel"),
        ):
            refused = await api.post(replay, body)
            assert refused.status == 400, body
            assert [each["field"] for each in refused.error["details"]] == [field]


async def test_a_repeated_request_creates_one_webhook(
    open_clinic: OpenClinic,
) -> None:
    async with local(open_clinic) as (clinic, receiver):
        api, body = bot(clinic), {"url": receiver.url, "channels": ["availability:all"]}
        first = await api.post("/api/webhooks", body, idempotency_key="k-1")
        second = await api.post("/api/webhooks", body, idempotency_key="k-1")
        assert first.body == second.body
        assert (await api.get("/api/webhooks")).body["pagination"]["total"] == 1
        other = await api.post("/api/webhooks", {**body, "description": "x"}, idempotency_key="k-1")
        assert other.code == "IDEMPOTENCY_MISMATCH"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "url"),
        ({"url": "x" * 3_000}, "url"),
        ({"url": 5}, "url"),
        ({"url": "https://bot.example/", "secret": "short"}, "secret"),
        ({"url": "https://bot.example/", "secret": "whsec_AAAA"}, "secret"),
        ({"url": "https://bot.example/", "channels": []}, "channels"),
        ({"url": "https://bot.example/", "channels": ["availability:all"] * 2}, "channels"),
        ({"url": "https://bot.example/", "channels": [f"c{n}" for n in range(101)]}, "channels"),
        ({"url": "https://bot.example/", "nonsense": 1}, "nonsense"),
        ({"url": "http://127.0.0.1:9/"}, "url"),
        ({"url": "https://169.254.169.254/latest"}, "url"),
        ({"url": "https://[::ffff:127.0.0.1]/"}, "url"),
        ({"url": "https://2130706433/"}, "url"),
        ({"url": "https://localhost/"}, "url"),
        ({"url": "https://user:pw@bot.example/"}, "url"),
        ({"url": "file:///etc/passwd"}, "url"),
    ],
)
async def test_an_invalid_webhook_is_refused_with_the_field(
    clinic: Clinic, body: dict[str, Any], field: str
) -> None:
    answer = await bot(clinic).post("/api/webhooks", body)
    assert (answer.status, answer.code) == (400, "VALIDATION_ERROR"), answer.body
    assert answer.error["details"][0]["field"].partition(".")[0] == field
    assert rows(clinic.database, "SELECT * FROM webhooks") == []


# --- slow receivers and crashes -----------------------------------------------------


async def test_a_hanging_receiver_delays_no_other_receiver(
    open_clinic: OpenClinic,
) -> None:
    few = WebhookSettings(
        allowed_networks=("127.0.0.0/8",),
        allow_http=True,
        concurrency_per_target=2,
        timeout_s=30.0,
    )
    async with (
        open_clinic(webhooks=few) as clinic,
        receiving() as hanging,
        receiving() as receiver,
    ):
        hanging.hang = lambda: True
        channels = [availability_of(dentist) for dentist in clinic.dentists]
        for number in range(3):
            await subscribe(bot(clinic, subject=f"b{number}"), hanging, channels=channels)
        await subscribe(bot(clinic), receiver, channels=channels)
        for dentist, clock in zip(clinic.dentists, CLOCKS[::4], strict=False):
            await clinic.book(clinic.patients[0], clock, dentist=dentist)
        await receiver.until(3, 2.0)
        assert await eventually(lambda: hanging.now_open == 2, 1.0)
        assert hanging.most_open == 2


async def test_deliveries_continue_in_order_after_a_kill(
    template: Template, tmp_path: Path, open_clinic: OpenClinic
) -> None:
    settings = {
        "CHAIRSIDE_WEBHOOKS_ALLOWED_NETWORKS": "127.0.0.0/8",
        "CHAIRSIDE_WEBHOOKS_ALLOW_HTTP": "true",
        "CHAIRSIDE_WEBHOOKS_RETRY_FIRST_S": "0.05",
        "CHAIRSIDE_WEBHOOKS_RETRY_LONGEST_S": "0.1",
    }
    async with open_clinic() as aside, receiving() as receiver:
        with template.copied_to(tmp_path / "own") as database:
            async with hub_process(database, tmp_path, **settings) as hub:
                clinic = Clinic(hub.url, template.people, aside.session, aside._opened, database)
                patient = clinic.patients[0]
                channel = appointments_of(patient)
                await subscribe(bot(clinic, patient), receiver, channels=[channel])
                await clinic.book(patient, CLOCKS[0])
                await receiver.until(1)
                receiver.status = 500
                for clock in CLOCKS[1:6]:
                    await clinic.book(patient, clock)
                assert await eventually(lambda: len(receiver.requests) > 1, 3.0)
                await hub.kill()
                receiver.status = 204
                await hub.start()
                await clinic.book(patient, CLOCKS[6])
                assert await eventually(lambda: len(set(receiver.positions)) == 7, 8.0)
    offsets = [offset for _, offset in receiver.positions]
    assert sorted(set(offsets)) == list(range(offsets[0], offsets[0] + 7))
    assert offsets == sorted(offsets), "in order; only a delivery under way is repeated"
    assert receiver.unsigned == 0
