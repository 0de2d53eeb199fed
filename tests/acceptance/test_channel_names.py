"""Channels and ids at every edge: ids in capitals, and channels without a subject."""

from datetime import datetime
from uuid import uuid4

import pytest

from chairside.client import ChangeStream, HubClient, HubEvent, LiveClient, SlotCache
from tests.acceptance.conftest import OpenClinic
from tests.acceptance.test_webhooks import LOCAL, bot
from tests.support.clinic import (
    CHATBOT,
    Clinic,
    Person,
    appointments_of,
    availability_of,
    schedule,
)
from tests.support.eventually import eventually
from tests.support.receiver import receiving
from tests.support.screens import ConnectionRefused
from tests.support.sse import listening
from tests.support.supabase_wire import raw_supabase
from tests.support.tokens import token


def shouted(channel: str) -> str:
    """The channel with its id in capitals, which REST accepts in paths and bodies."""
    kind, _, subject = channel.rpartition(":")
    return f"{kind}:{subject.upper()}"


def without_subject(clinic: Clinic) -> list[str]:
    """Channels of free times whose id names no dentist."""
    patient = clinic.patients[0].id
    ids = ("ANYTHING", "all", "*", str(uuid4()), patient, patient.upper(), "a\u00a0b", "1" * 150)
    return [f"availability:dentist:{each}" for each in ids]


# --- channels without a subject ----------------------------------------------------------


async def test_socketio_refuses_channels_that_name_no_one(clinic: Clinic) -> None:
    patient = clinic.patients[0]
    page = await clinic.screen(patient)
    for channel in without_subject(clinic):
        error = await page.refused("channel:join", {"channel": channel})
        assert (error["code"], error["message"]) == ("NOT_FOUND", "No such dentist"), channel
        with pytest.raises(ConnectionRefused) as refused:
            await clinic.connect("/patient", {"token": patient.token, "since": {channel: None}})
        assert refused.value.data["code"] == "NOT_FOUND"


async def test_changes_and_streams_refuse_channels_that_name_no_one(clinic: Clinic) -> None:
    api = clinic.api(clinic.patients[0])
    for channel in without_subject(clinic):
        for headers in ({}, {"Accept": "text/event-stream"}):
            query = {"channel": channel, "since": "now"}
            answer = await api.send("GET", "/api/changes", query=query, headers=headers)
            assert (answer.status, answer.code) == (404, "NOT_FOUND"), channel


async def test_supabase_refuses_topics_that_name_no_one(clinic: Clinic) -> None:
    patient = clinic.patients[0]
    reason = "Unauthorized: You do not have permissions to read from this Channel topic: "
    async with raw_supabase(clinic.session, clinic.url, patient.token) as raw:
        for channel in (*without_subject(clinic), "availability:dentist:a\0b"):
            refusal = await raw.join(channel)
            assert (refusal.status, refusal.reason) == ("error", reason + channel)


async def test_webhooks_refuse_channels_that_name_no_one(open_clinic: OpenClinic) -> None:
    async with open_clinic(webhooks=LOCAL) as clinic, receiving() as receiver:
        api, known = bot(clinic), availability_of(clinic.dentists[0])
        made = await api.post("/api/webhooks", {"url": receiver.url, "channels": [known]})
        path = f"/api/webhooks/{made.body['id']}"
        for channel in without_subject(clinic):
            sent = {"channels": [known, channel]}
            for answer in (
                await api.post("/api/webhooks", {"url": receiver.url, **sent}),
                await api.put(path, sent),
            ):
                assert (answer.status, answer.code) == (404, "NOT_FOUND"), channel
        assert (await api.get(path)).body["channels"] == [known]


async def test_a_refusal_does_not_tell_whether_a_person_exists(clinic: Clinic) -> None:
    """The same answer for a person of whom the caller may not know, and for no one."""
    page = await clinic.screen(clinic.patients[0])
    other = clinic.patients[1].id
    for kind in ("appointments:patient", "profiles:user", "availability:dentist"):
        errors = [
            await page.refused("channel:join", {"channel": f"{kind}:{each}"})
            for each in (other, other.upper(), str(uuid4()), "ANYTHING")
        ]
        assert len({(error["code"], error["message"]) for error in errors}) == 1


async def test_free_times_of_a_new_dentist_can_be_followed_at_once(clinic: Clinic) -> None:
    page = await clinic.screen(clinic.patients[0])
    made = await clinic.admin.post(
        "/api/profiles",
        {"role": "dentist", "subject": "new", "name": "New", "practice_id": clinic.practices[0]},
    )
    channel = f"availability:dentist:{made.body['id'].upper()}"
    await page.ok("channel:join", {"channel": channel})
    new = clinic.with_token(token("dentist", "new"))
    assert (await new.put(f"/api/availability/{made.body['id']}", schedule())).status == 200
    await page.event("availability.updated", channel=channel.lower())


# --- ids in capitals ----------------------------------------------------------------------


async def test_a_socket_that_joins_in_capitals_receives_the_events(clinic: Clinic) -> None:
    dentist, patient = clinic.dentists[0], clinic.patients[0]
    channel = availability_of(dentist)
    page = await clinic.screen(patient, shouted(channel))
    await clinic.book(patient, "09:00")
    first = await page.event("slots.changed", channel=channel)
    position = {"epoch": first.data["epoch"], "offset": first.data["offset"]}
    left = await page.ok("channel:leave", {"channel": shouted(channel)})
    assert left == {"channel": channel}
    await clinic.book(patient, "10:00")
    again = await page.ok("channel:join", {"channel": shouted(channel), "since": position})
    assert again["recovered"]
    assert [each["channel"] for each in again["events"]] == [channel]
    assert len(page.events(channel)) == 1, "none while it had left"

    since = {shouted(appointments_of(patient)): None, shouted(channel): position}
    other = await clinic.connect("/patient", {"token": patient.token, "since": since})
    await other.until(lambda each: each.event == "hub:ready", 3.0)
    assert other.ready.keys() >= {channel, appointments_of(patient)}
    assert [each["offset"] for each in other.ready[channel]["events"]] == [position["offset"] + 1]


async def test_two_spellings_of_a_channel_are_one(clinic: Clinic) -> None:
    patient = clinic.patients[0]
    channel = availability_of(clinic.dentists[0])
    both = [channel, shouted(channel)]
    answer = await clinic.api(patient).get("/api/changes", channel=both, since=["now", "now"])
    assert (answer.status, answer.code) == (400, "VALIDATION_ERROR")
    with pytest.raises(ConnectionRefused) as refused:
        await clinic.connect(
            "/patient", {"token": patient.token, "since": dict.fromkeys(both, None)}
        )
    assert refused.value.data["code"] == "VALIDATION_ERROR"


async def test_changes_and_streams_in_capitals_contain_the_events(clinic: Clinic) -> None:
    patient = clinic.patients[0]
    channels = [shouted(appointments_of(patient)), shouted(availability_of(clinic.dentists[0]))]
    names = {appointments_of(patient), availability_of(clinic.dentists[0])}
    api = clinic.api(patient)
    now = (await api.get("/api/changes", channel=channels, since=["now", "now"])).body["channels"]
    assert now.keys() == names
    async with listening(clinic.session, clinic.url, patient.token, channels) as stream:
        ready = await stream.event("hub:ready")
        assert ready.data["channels"].keys() == names
        await clinic.book(patient)
        created = await stream.event("appointment.created")
        await stream.event("slots.changed")
        cursor = stream.frames[-1].id
    assert created.data["channel"] == appointments_of(patient)
    since = [f"{now[each.lower()]['epoch']}.{now[each.lower()]['offset']}" for each in channels]
    missed = (await api.get("/api/changes", channel=channels, since=since)).body["channels"]
    assert {name: len(answer["events"]) for name, answer in missed.items()} == dict.fromkeys(
        names, 1
    )
    resumed = {"Last-Event-ID": str(cursor)}
    async with listening(
        clinic.session, clinic.url, patient.token, sorted(names), headers=resumed
    ) as stream:
        ready = await stream.event("hub:ready")
        assert all(answer["recovered"] for answer in ready.data["channels"].values())


async def test_topics_in_capitals_receive_events_and_presence(clinic: Clinic) -> None:
    patient = clinic.patients[0]
    channel = appointments_of(patient)
    watched = {"key": "", "enabled": True}
    async with (
        raw_supabase(clinic.session, clinic.url, patient.token) as raw,
        raw_supabase(clinic.session, clinic.url, patient.token) as other,
    ):
        await raw.joined(shouted(channel), presence=watched)
        await other.joined(channel, presence=watched)
        await raw.request(
            f"realtime:{shouted(channel)}", "presence", {"event": "track", "payload": {"room": 1}}
        )
        for client, name in ((raw, shouted(channel)), (other, channel)):
            diff = await client.until("presence_diff")
            assert diff.topic == f"realtime:{name}"
            assert diff.payload["joins"]
        booked = await clinic.book(patient)
        for client, name in ((raw, shouted(channel)), (other, channel)):
            event = await client.until("broadcast")
            assert event.topic == f"realtime:{name}", "clients compare the topic"
            assert event.payload["payload"]["channel"] == channel
            assert event.payload["payload"]["data"]["id"] == booked["id"]


async def test_a_webhook_in_capitals_receives_the_events(open_clinic: OpenClinic) -> None:
    async with open_clinic(webhooks=LOCAL) as clinic, receiving() as receiver:
        patient = clinic.patients[0]
        api, channel = bot(clinic, patient), appointments_of(patient)
        sent = {"url": receiver.url, "channels": [shouted(channel)]}
        made = await api.post("/api/webhooks", sent)
        assert made.body["channels"] == [channel]
        receiver.secrets.append(made.body["secret"])
        both = await api.put(
            f"/api/webhooks/{made.body['id']}", {"channels": [channel, shouted(channel)]}
        )
        assert (both.status, both.code) == (400, "VALIDATION_ERROR")
        booked = await clinic.book(patient)
        assert await eventually(lambda: bool(receiver.requests), 3.0)
        assert receiver.requests[0].event["data"]["id"] == booked["id"]
        at = made.body["progress"][0]
        replay = {"channel": shouted(channel), "since": f"{at['epoch']}.{at['offset']}"}
        again = await api.post(f"/api/webhooks/{made.body['id']}/replay", replay)
        assert again.status == 200, again.body
        assert await eventually(lambda: len(receiver.requests) == 2, 3.0)


async def test_a_chatbot_may_name_its_patient_in_capitals(clinic: Clinic) -> None:
    patient = clinic.patients[0]
    shout = Person(id=patient.id.upper(), role="patient", name="", token=patient.token)
    page = await clinic.chatbot_screen(shout)
    booked = await clinic.chatbot(shout).post("/api/appointments", clinic.slot())
    assert booked.status == 201, booked.body
    assert booked.body["patient_id"] == patient.id
    await page.event("appointment.created", id=booked.body["id"])
    async with listening(
        clinic.session,
        clinic.url,
        CHATBOT,
        [shouted(appointments_of(patient))],
        headers={"On-Behalf-Of": shout.id},
    ) as stream:
        await stream.event("hub:ready")
        await clinic.chatbot(patient).delete(f"/api/appointments/{booked.body['id']}")
        await stream.event("appointment.cancelled")


async def test_the_python_client_follows_channels_in_capitals(clinic: Clinic) -> None:
    patient, dentist = clinic.patients[0], clinic.dentists[0]
    channel = availability_of(dentist)
    got: list[HubEvent] = []
    streamed: list[HubEvent] = []
    async with (
        LiveClient(
            clinic.url,
            namespace="/patient",
            token=patient.token,
            on_event=got.append,
            session=clinic.session,
        ) as live,
        ChangeStream(
            clinic.url,
            token=patient.token,
            since={shouted(channel): None},
            on_event=streamed.append,
            on_refetch=lambda *_: None,
            session=clinic.session,
        ) as stream,
    ):
        await live.follow(shouted(channel))
        assert await eventually(lambda: stream.connected, 3.0)
        await clinic.book(patient)
        assert await eventually(lambda: channel in {each.channel for each in got}, 3.0)
        assert await eventually(lambda: len(streamed) == 1, 3.0)
        assert live.position(shouted(channel)) == live.position(channel)
        await live.leave(shouted(channel))
        count = len(got)
        await clinic.book(clinic.patients[1], "10:00")
        assert await eventually(lambda: len(streamed) == 2, 3.0)
        assert channel not in {each.channel for each in got[count:]}


async def test_a_slot_cache_knows_dentists_in_capitals(clinic: Clinic) -> None:
    patient, dentist = clinic.patients[0], clinic.dentists[0]
    kind = clinic.types["check-up"]

    async with SlotCache(
        HubClient(clinic.url, token=patient.token, session=clinic.session),
        session=clinic.session,
        token=patient.token,
        dentist_ids=[dentist.id.upper()],
        appointment_type_ids=[kind.upper()],
    ) as cache:
        assert await eventually(lambda: cache.age_s < 60, 3.0)
        booked = await clinic.book(clinic.patients[1], "09:00")
        start = datetime.fromisoformat(booked["start"])

        async def is_taken() -> bool:
            free = await cache.free(kind.upper(), dentist_ids=[dentist.id.upper()])
            assert free.slots
            return free.from_memory and start not in {each.start for each in free.slots}

        assert await eventually(is_taken, 3.0)
