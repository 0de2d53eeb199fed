"""Live events over plain HTTP: ``GET /api/changes`` as ``text/event-stream``."""

import asyncio
import json
import socket
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest

from api.realtime.rooms.settings import RealtimeSettings
from api.settings import ApiSettings
from tests.acceptance.conftest import OpenClinic
from tests.support.clinic import ADMIN, CHATBOT, Clinic, Person, appointments_of, availability_of
from tests.support.database import execute
from tests.support.eventually import eventually
from tests.support.process import hub_process
from tests.support.proxy import network_to
from tests.support.running import Template
from tests.support.sse import Frame, listening
from tests.support.tokens import token

UNLIMITED = ApiSettings(rate_per_s=1e6, rate_burst=1_000_000)
CLOCKS = [f"{hour:02}:{minute:02}" for hour in range(8, 18) for minute in (0, 30)]


async def _book_and_cancel(clinic: Clinic, patient: Person, clock: str) -> None:
    booked = await clinic.book(patient, clock)
    gone = await clinic.api(patient).delete(f"/api/appointments/{booked['id']}")
    assert gone.status == 204


async def test_a_stream_sends_hub_ready_then_the_same_events_as_sockets(
    clinic: Clinic,
) -> None:
    patient, dentist = clinic.patients[0], clinic.dentists[0]
    channels = [appointments_of(patient), availability_of(dentist)]
    screen = await clinic.screen(patient)
    async with listening(clinic.session, clinic.url, patient.token, channels) as stream:
        (ready,) = await stream.until(1)
        assert ready.event == "hub:ready"
        assert set(ready.data["channels"]) == set(channels)
        assert ready.retry_ms

        began = time.monotonic()
        booked = await clinic.book(patient)
        event = await stream.event("appointment.created")
        assert time.monotonic() - began < 1.0
        shown = await screen.event("appointment.created", id=booked["id"])
        assert event.data == shown.data
        assert (await stream.event("slots.changed")).data["channel"] == channels[1]


async def test_a_stream_may_begin_in_the_past_and_json_is_the_default(
    clinic: Clinic,
) -> None:
    patient = clinic.patients[0]
    channel = appointments_of(patient)
    await _book_and_cancel(clinic, patient, "09:00")
    missed = await clinic.api(patient).get("/api/changes", channel=channel, since="1.0")
    assert missed.headers["Content-Type"].startswith("application/json")
    epoch = missed.body["channels"][channel]["epoch"]
    async with listening(
        clinic.session, clinic.url, patient.token, [channel], since=[f"{epoch}.0"]
    ) as stream:
        frames = await stream.until(3)
    caught_up = await clinic.api(patient).get("/api/changes", channel=channel, since=f"{epoch}.0")
    assert [frame.data for frame in frames[1:]] == caught_up.body["channels"][channel]["events"]


async def test_the_cursor_of_a_hundred_channels_fits_into_one_header(
    clinic: Clinic,
) -> None:
    dentist = clinic.dentists[0]
    ids = [f"01976f2e-0000-7000-8000-{n:012}" for n in range(99)]
    rows = ", ".join(f"('{each}', 'dentist', 'A', 1, '')" for each in ids)
    execute(
        clinic.database,
        f"INSERT INTO profiles (id, role, name, version, search_text) VALUES {rows}",  # noqa: S608  # our own ids
    )
    others = [f"availability:dentist:{each}" for each in ids]
    channels = [availability_of(dentist), *others]
    since = ["1795411990.123456789"] * 100
    async with listening(clinic.session, clinic.url, CHATBOT, channels, since=since) as stream:
        (ready,) = await stream.until(1)
        assert len(ready.data["channels"]) == 100
        await clinic.book(clinic.patients[0])
        await stream.event("slots.changed")
        cursor = stream.last_id
    assert len(cursor) < 1_000
    await clinic.book(clinic.patients[0], "11:00")
    async with listening(
        clinic.session, clinic.url, CHATBOT, channels, since=since, last_id=cursor
    ) as stream:
        await stream.event("slots.changed")
        assert len(stream.events) == 1
        assert all(state["recovered"] for state in stream.frames[0].data["channels"].values())


@pytest.mark.parametrize(
    ("query", "headers", "status", "field"),
    [
        ({"channel": "availability:all", "since": "x"}, {}, 400, "since"),
        ({}, {}, 400, "channel"),
        ({"channel": "availability:all"}, {"Last-Event-ID": "made-up"}, 400, "Last-Event-ID"),
        ({"channel": "appointments:dentist:x"}, {}, 403, None),
        ({"channel": "hub:status"}, {}, 403, None),
    ],
)
async def test_a_stream_that_is_not_permitted_is_refused_as_json(
    clinic: Clinic, query: dict[str, str], headers: dict[str, str], status: int, field: str | None
) -> None:
    answer = await clinic.api(clinic.patients[0]).send(
        "GET", "/api/changes", query=query, headers={"Accept": "text/event-stream", **headers}
    )
    assert answer.status == status
    assert field is None or [each["field"] for each in answer.error["details"]] == [field]


async def test_a_stream_needs_a_token(clinic: Clinic) -> None:
    answer = await clinic.with_token(None).send(
        "GET",
        "/api/changes",
        query={"channel": "availability:all"},
        headers={"Accept": "text/event-stream"},
    )
    assert (answer.status, answer.error["message"]) == (401, "Invalid token")


async def _follow(
    url: str, clinic: Clinic, channels: Sequence[str], stop: asyncio.Event, cuts: list[int]
) -> list[Frame]:
    """Reconnect with the last id whenever the stream ends, each time with a new token."""
    subject = "patient-0"
    events: list[Frame] = []
    last_id: str | None = None
    while not stop.is_set():
        fresh = token("patient", subject, ttl_s=3_600 + len(cuts))
        try:
            async with listening(clinic.session, url, fresh, channels, last_id=last_id) as stream:
                while not stream.ended and not stop.is_set():
                    seen = len(stream.frames)
                    await stream.until(seen + 1, 0.05)
                events += stream.events
                if stream.frames:
                    last_id = stream.last_id
        except (OSError, AssertionError):
            await asyncio.sleep(0.02)
        cuts.append(len(events))
    return events


async def test_a_stream_resumes_exactly_after_cuts_and_token_renewals(
    clinic: Clinic,
) -> None:
    patient, dentist = clinic.patients[0], clinic.dentists[0]
    channels = [appointments_of(patient), availability_of(dentist)]
    async with network_to(clinic.url) as network:
        stop, cuts = asyncio.Event(), list[int]()
        following = asyncio.create_task(_follow(network.url, clinic, channels, stop, cuts))
        assert await eventually(lambda: network.connections, 5.0)
        await asyncio.sleep(0.1)
        for number, clock in enumerate(CLOCKS):
            await _book_and_cancel(clinic, patient, clock)
            if number % 4 == 3:
                network.cut()
        positions = await _positions(clinic, patient, channels)
        await asyncio.sleep(0.5)
        stop.set()
        events = await following
    assert network.connections >= 5
    _are_whole(events, positions)


async def _positions(clinic: Clinic, who: Person, channels: Sequence[str]) -> dict[str, int]:
    pairs = [pair for name in channels for pair in (("channel", name), ("since", "now"))]
    answer = await clinic.api(who).send("GET", "/api/changes", query=pairs)
    return {name: state["offset"] for name, state in answer.body["channels"].items()}


def _are_whole(events: Sequence[Frame], positions: dict[str, int]) -> None:
    """Check that each channel has every event up to its position, once and in order."""
    for channel, position in positions.items():
        offsets = [frame.data["offset"] for frame in events if frame.data["channel"] == channel]
        assert offsets, channel
        assert offsets == list(range(offsets[0], position + 1)), channel


async def test_a_stream_resumes_exactly_after_a_restart_and_a_kill(
    template: Template, tmp_path: Path, clinic: Clinic
) -> None:
    with template.copied_to(tmp_path / "own") as database:
        async with hub_process(database, tmp_path) as hub:
            own = Clinic(
                hub.url,
                template.people,
                clinic.session,
                clinic._opened,
                database,
            )
            patient, dentist = own.patients[0], own.dentists[0]
            channels = [appointments_of(patient), availability_of(dentist)]
            async with listening(own.session, own.url, patient.token, channels) as stream:
                await own.book(patient, "09:00")
                await stream.until(3)
                stopping = asyncio.create_task(hub.stop())
                goodbye = await stream.event("hub:closing")
                assert goodbye.data == {"reason": "hub_stopping"}
                assert goodbye.retry_ms
                await stream.end()
                assert await stopping == 0
                events, cursor = stream.events, stream.last_id
            await hub.start()
            await own.book(patient, "10:00")
            async with listening(
                own.session, own.url, patient.token, channels, last_id=cursor
            ) as stream:
                await own.book(patient, "11:00")
                await stream.until(5)
                await hub.kill()
                await stream.end()
                events += stream.events
                cursor = stream.last_id
            await hub.start()
            await own.book(patient, "12:00")
            async with listening(
                own.session, own.url, patient.token, channels, last_id=cursor
            ) as stream:
                await stream.until(3)
                events += stream.events
            _are_whole(events, await _positions(own, patient, channels))
            assert len(events) == 8


async def test_an_expiring_token_is_announced_and_a_new_one_resumes(
    open_clinic: OpenClinic,
) -> None:
    async with open_clinic(realtime=RealtimeSettings(expiring_notice_s=1.0)) as clinic:
        patient = clinic.patients[0]
        channels = [appointments_of(patient)]
        short = token("patient", "patient-0", ttl_s=2.0)
        async with listening(clinic.session, clinic.url, short, channels) as stream:
            await stream.event("auth:expiring")
            await clinic.book(patient, "09:00")
            await stream.event("appointment.created")
            await stream.end()
            assert stream.frames[-1].event == "auth:expired"
            cursor = stream.last_id
        await clinic.book(patient, "10:00")
        renewed = patient.token
        async with listening(
            clinic.session, clinic.url, renewed, channels, last_id=cursor
        ) as again:
            await again.until(2)
            assert [frame.data["data"]["start"] for frame in again.events] == [clinic.at("10:00")]


async def test_a_stream_whose_client_does_not_read_is_closed_and_counted(
    open_clinic: OpenClinic,
) -> None:
    small = RealtimeSettings(
        max_buffer_bytes=65_536, max_message_bytes=4_096, stream_write_timeout_s=60
    )
    async with open_clinic(realtime=small, api=UNLIMITED) as clinic:
        patient = clinic.patients[0]
        channel = appointments_of(patient)
        booked = await clinic.book(patient)
        idle = await _a_client_that_does_not_read(clinic.url, patient.token, [channel])
        try:
            async with listening(clinic.session, clinic.url, patient.token, [channel]) as stream:
                await stream.until(1)
                for number in range(1_000):
                    if await _is_counted(clinic):
                        break
                    changed = await clinic.api(patient).put(
                        f"/api/appointments/{booked['id']}",
                        {"notes": f"{number}" + "\U0001f9b7" * 1_900},
                    )
                    assert changed.status == 200
                assert await eventually(lambda: _is_counted(clinic), 3.0)
                assert await eventually(lambda: len(stream.events) == number, 3.0)
        finally:
            idle.close()


async def _a_client_that_does_not_read(
    url: str, bearer: str, channels: Sequence[str]
) -> socket.socket:
    """Request a stream with the smallest receive buffer, and never read."""
    parts = urlsplit(url)
    assert parts.port is not None
    peer = socket.socket()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1_024)
    peer.setblocking(False)  # the library's signature
    await asyncio.get_running_loop().sock_connect(peer, (parts.hostname, parts.port))
    path = f"/api/changes?{urlencode([('channel', name) for name in channels])}"
    request = (
        f"GET {path} HTTP/1.1\r\nHost: hub\r\nAccept: text/event-stream\r\n"
        f"Authorization: Bearer {bearer}\r\n\r\n"
    )
    await asyncio.get_running_loop().sock_sendall(peer, request.encode())
    return peer


async def _is_counted(clinic: Clinic) -> bool:
    metrics = (await clinic.with_token(ADMIN).send("GET", "/metrics")).body
    return 'chairside_streams_ended_total{reason="too_slow"} 1.0' in metrics


async def test_the_status_of_the_hub_counts_streams(clinic: Clinic) -> None:
    async with listening(clinic.session, clinic.url, CHATBOT, ["availability:all"]) as stream:
        await stream.until(1)
        metrics = (await clinic.with_token(ADMIN).send("GET", "/metrics")).body
        assert 'chairside_connections{namespace="stream"} 1.0' in metrics
    assert json.dumps(stream.frames[0].data)
