"""Connecting over Socket.IO, and disconnecting (criteria 5.1, 5.2)."""

import asyncio
import json
import socket
import struct
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
import structlog

from actors.domain.channels import (
    AVAILABILITY_ALL,
    availability_channel,
    dentist_channel,
    user_profile_channel,
)
from actors.domain.principal import Principal
from api.realtime.rooms.settings import RealtimeSettings
from tests.integration.socketio_world import (
    CHANNEL,
    DENTIST,
    PATIENT,
    START,
    TYPE,
    World,
    arrived,
    event,
    events,
    live,
    offsets,
    place,
    running_world,
)
from tests.support.screens import ConnectionRefused
from tests.support.tokens import token
from tests.unit.relay_world import until


async def test_hub_ready_lists_the_clients_own_channels() -> None:
    async with running_world() as world:
        patient = await world.screen()
        assert set(patient.ready) == {
            CHANNEL,
            f"profiles:user:{PATIENT}",
            AVAILABILITY_ALL,
        }
        assert patient.ready[CHANNEL] == {
            "recovered": False,
            "events": [],
            "more": False,
            "epoch": 1,
            "offset": 0,
        }
        dentist = await world.screen("/dentist", token("dentist", "dentist"))
        assert set(dentist.ready) == {
            dentist_channel(DENTIST),
            f"profiles:user:{DENTIST}",
            f"profiles:dentist:{DENTIST}",
            availability_channel(DENTIST),
            AVAILABILITY_ALL,
        }
        assert world.realtime.connections() == {
            "/dentist": 1,
            "/staff": 0,
            "/patient": 1,
            "/chatbot": 0,
            "/admin": 0,
        }


async def test_an_event_is_named_by_its_type_and_carries_the_envelope() -> None:
    async with running_world() as world:
        screen = await world.screen()
        sent = event(1, notes='ä \u2028 "quoted"')
        world.commit(sent)
        received = (await screen.event("appointment.created")).data
        assert received == {
            "id": "event-1",
            "type": "appointment.created",
            "channel": CHANNEL,
            "offset": 1,
            "epoch": 1,
            "time": received["time"],
            "data": {"n": 1, "notes": 'ä \u2028 "quoted"'},
        }
        await until(lambda: bool(world.log.marks))
        assert world.log.marks[0].recipients == 1


@pytest.mark.parametrize("transports", [("polling",), ("polling", "websocket")])
async def test_polling_and_its_upgrade_work(transports: tuple[str, ...]) -> None:
    async with running_world(*events(1, 3)) as world:
        screen = await world.screen(transports=transports, since={CHANNEL: place(1)})
        assert offsets(screen.ready[CHANNEL]["events"]) == [2, 3]
        world.commit(event(4))
        await arrived(screen, 4)
        assert (await screen.ok("profile:get"))["name"] == "Ada"


@pytest.mark.parametrize(
    ("auth", "code"),
    [
        ({}, "UNAUTHORIZED"),
        (None, "UNAUTHORIZED"),
        ({"token": 5}, "UNAUTHORIZED"),
        ({"token": "nonsense"}, "UNAUTHORIZED"),
        ({"token": token("patient", "patient", ttl_s=-1)}, "UNAUTHORIZED"),
        ({"token": token(None, "patient")}, "UNAUTHORIZED"),
        ({"token": token("dentist", "dentist")}, "FORBIDDEN"),
        ({"token": token("patient", "patient", act={"sub": "bot"})}, "FORBIDDEN"),
        ({"token": token("patient", "patient"), "on_behalf_of": PATIENT}, "FORBIDDEN"),
        ({"token": token("patient", "patient"), "on_behalf_of": 7}, "VALIDATION_ERROR"),
        ({"token": token("patient", "patient"), "extra": 1}, "VALIDATION_ERROR"),
        ({"token": token("patient", "patient"), "since": []}, "VALIDATION_ERROR"),
        (
            {"token": token("patient", "patient"), "since": {CHANNEL: {"epoch": 1}}},
            "VALIDATION_ERROR",
        ),
        (
            {"token": token("patient", "patient"), "since": {CHANNEL: place(-1)}},
            "VALIDATION_ERROR",
        ),
        (
            {"token": token("patient", "patient"), "since": {dentist_channel(DENTIST): None}},
            "FORBIDDEN",
        ),
        (
            {
                "token": token("patient", "patient"),
                "since": {f"availability:dentist:{n}": None for n in range(101)},
            },
            "VALIDATION_ERROR",
        ),
    ],
)
async def test_a_refused_connection_gets_the_code_and_the_error_object(
    auth: Any, code: str
) -> None:
    async with running_world() as world:
        with pytest.raises(ConnectionRefused) as refused:
            await world.refused_screen(auth)
        assert refused.value.message == code
        error = refused.value.data
        assert set(error) == {"code", "message", "timestamp", "request_id", "details"}
        assert error["code"] == code
        if code == "UNAUTHORIZED":
            assert error["message"] == "Invalid token"
        assert sum(world.realtime.connections().values()) == 0


async def test_an_unknown_namespace_is_refused_as_in_the_reference() -> None:
    async with running_world() as world:
        with pytest.raises(ConnectionRefused) as refused:
            await world.refused_screen({"token": token("patient", "patient")}, "/nowhere")
        assert refused.value.message == "Invalid namespace"


async def test_a_chatbot_joins_the_channels_of_its_patient() -> None:
    async with running_world() as world:
        plain = await world.screen("/chatbot", token("chatbot", "bot"))
        assert set(plain.ready) == {AVAILABILITY_ALL}
        acting = await world.screen("/chatbot", token("chatbot", "bot"), on_behalf_of=PATIENT)
        delegated = await world.screen("/chatbot", token("patient", "patient", act={"sub": "bot"}))
        for screen in (acting, delegated):
            assert CHANNEL in screen.ready
        world.commit(event(1))
        await arrived(acting, 1)
        await arrived(delegated, 1)
        assert live(plain) == []


async def test_acting_for_an_unknown_patient_is_not_found() -> None:
    async with running_world() as world:
        auth = {"token": token("chatbot", "bot"), "on_behalf_of": DENTIST}
        with pytest.raises(ConnectionRefused) as refused:
            await world.refused_screen(auth, "/chatbot")
        assert refused.value.message == "NOT_FOUND"


async def test_hub_ready_carries_missed_events_before_any_live_event() -> None:
    async with running_world(*events(1, 9)) as world:
        screen = await world.screen(since={CHANNEL: place(4), AVAILABILITY_ALL: None})
        ready = screen.ready[CHANNEL]
        assert ready["recovered"]
        assert offsets(ready["events"]) == [5, 6, 7, 8, 9]
        assert ready["events"][0]["data"] == {"n": 5}
        assert (ready["offset"], ready["more"]) == (9, False)
        assert screen.ready[AVAILABILITY_ALL]["recovered"] is False


async def test_commits_during_catch_up_are_neither_lost_nor_repeated() -> None:
    async with running_world(*events(1, 50)) as world:
        world.log.delay_s = 0.01
        next_offset = 51

        async def keep_committing() -> None:
            nonlocal next_offset
            while True:
                world.commit(event(next_offset))
                next_offset += 1
                await asyncio.sleep(0.0005)

        busy = asyncio.create_task(keep_committing())
        try:
            screens = await asyncio.gather(
                *(world.screen(since={CHANNEL: place(n)}) for n in range(20))
            )
        finally:
            busy.cancel()
        last = next_offset - 1
        for n, screen in enumerate(screens):
            await arrived(screen, last)
            assert screen.received[0].event == "hub:ready"
            had = offsets(screen.ready[CHANNEL]["events"]) + live(screen)
            assert had == list(range(n + 1, last + 1))


async def test_a_failed_catch_up_ends_the_connection() -> None:
    async with running_world() as world:
        world.log.broken.add("heads")
        with structlog.testing.capture_logs() as logs, pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await world.screen()
        assert [line["event"] for line in logs].count("socket_error") == 1
        await until(lambda: sum(world.realtime.connections().values()) == 0)
        world.log.broken.clear()
        await world.screen()


async def test_token_expiry_is_announced_before_the_socket_is_closed() -> None:
    settings = RealtimeSettings(expiring_notice_s=0.3)
    async with running_world(settings=settings) as world:
        screen = await world.screen(bearer=token("patient", "patient", ttl_s=1.5))
        expiring = await screen.until(lambda each: each.event == "auth:expiring", 3)
        end = datetime.fromisoformat(expiring.data["expires_at"])
        assert (end - datetime.now(UTC)).total_seconds() <= 0.3
        await screen.until(lambda each: each.event == "auth:expired", 3)
        assert datetime.now(UTC) >= end
        async with asyncio.timeout(2):
            await screen.disconnected.wait()
        await until(lambda: sum(world.realtime.connections().values()) == 0)


async def test_a_refreshed_token_keeps_the_socket_and_its_channels() -> None:
    settings = RealtimeSettings(expiring_notice_s=5)
    async with running_world(settings=settings) as world:
        screen = await world.screen(bearer=token("patient", "patient", ttl_s=1.5))
        await screen.until(lambda each: each.event == "auth:expiring", 2)
        answer = await screen.ok("auth:refresh", {"token": token("patient", "patient")})
        assert set(answer) == {"expires_at"}
        await asyncio.sleep(1.6)
        world.commit(event(1))
        await arrived(screen, 1)
        assert not screen.disconnected.is_set()


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ({"token": token("patient", "other")}, "FORBIDDEN"),
        ({"token": token("dentist", "patient")}, "FORBIDDEN"),
        ({"token": token("patient", "patient", act={"sub": "bot"})}, "FORBIDDEN"),
        ({"token": token("patient", "patient", ttl_s=-5)}, "UNAUTHORIZED"),
        ({"token": "x"}, "UNAUTHORIZED"),
        ({}, "UNAUTHORIZED"),
        ({"token": token("patient", "patient"), "more": 1}, "VALIDATION_ERROR"),
    ],
)
async def test_a_token_of_another_user_does_not_refresh(data: Any, code: str) -> None:
    async with running_world() as world:
        screen = await world.screen()
        assert (await screen.refused("auth:refresh", data))["code"] == code
        assert (await screen.ok("profile:get"))["name"] == "Ada"


async def test_sockets_of_a_deleted_person_are_closed_within_a_second() -> None:
    async with running_world() as world:
        own = await world.screen()
        acting = await world.screen(
            "/chatbot", token("chatbot", "the bot"), on_behalf_of=str(PATIENT)
        )
        other = await world.screen(bearer=token("patient", "other"))
        change = event(1, user_profile_channel(PATIENT))
        world.commit(change)
        await arrived(own, 1, change.channel)
        assert not own.disconnected.is_set(), "a change that revokes nothing"
        world.identity.gone.add(PATIENT)
        world.commit(event(2, change.channel))
        for screen in (own, acting):
            await screen.until(lambda each: each.event == "auth:expired", 1)
            async with asyncio.timeout(1):
                await screen.disconnected.wait()
        await until(lambda: sum(world.realtime.connections().values()) == 1)
        assert (await other.ok("profile:get"))["name"] == "Ada"


async def test_no_command_is_handled_once_the_right_has_ended() -> None:
    """Also not in the step of the event loop in which it ends, before the socket is closed."""
    async with running_world() as world:
        await world.screen()
        sessions, server = world.realtime._sessions, world.realtime._server
        (session,) = sessions._sessions.values()
        command = '2/patient,["profile:get"]'
        assert server.message_now(session.client.eio_sid, command)
        sessions._end(session)
        assert not server.message_now(session.client.eio_sid, command)


async def test_a_database_outage_closes_no_socket(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with running_world() as world:
        screen = await world.screen()
        queries: list[None] = []

        async def away(*_: Any, **__: Any) -> Principal:
            queries.append(None)
            raise ConnectionError

        monkeypatch.setattr(world.identity, "principal", away)
        world.commit(event(1, user_profile_channel(PATIENT)))
        await until(lambda: bool(queries))
        assert (await screen.ok("profile:get"))["name"] == "Ada"


class Poller:
    """A polling client that may break the protocol."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http, self._address = http, f"{url}/socket.io/?EIO=4&transport=polling"

    async def open(self) -> None:
        async with self._http.get(self._address) as answer:
            self._address += "&sid=" + json.loads((await answer.text())[1:])["sid"]

    async def post(self, packet: str) -> int:
        async with self._http.post(self._address, data=packet) as answer:
            return answer.status

    async def poll(self) -> int:
        async with self._http.get(self._address) as answer:
            await answer.read()
            return answer.status

    async def payload(self) -> str:
        async with self._http.get(self._address) as answer:
            return await answer.text()


CONNECT = '40/patient,{"token":"%s"}'


async def test_a_client_that_leaves_during_admission_is_forgotten() -> None:
    async with running_world() as world, aiohttp.ClientSession() as http:
        poller = Poller(http, world.url)
        await poller.open()
        world.identity.answers.clear()
        coming = asyncio.create_task(poller.post(CONNECT % token("patient", "patient")))
        await until(lambda: world.identity.queries == 1)
        assert await poller.post("1") == 400, "one post at a time; the session has ended"
        world.identity.answers.set()
        await coming
        await until(lambda: sum(world.realtime.connections().values()) == 0)
        world.commit(event(1))
        await until(lambda: bool(world.log.marks))
        assert world.log.marks[0].recipients == 0


async def test_a_leave_sent_with_connect_is_executed_after_it() -> None:
    """The leave waits only for the join of the channel."""
    async with running_world() as world, aiohttp.ClientSession() as http:
        poller = Poller(http, world.url)
        await poller.open()
        leave = f'42/patient,1["channel:leave",{{"channel":"{CHANNEL}"}}]'
        await poller.post(CONNECT % token("patient", "patient") + "\x1e" + leave)
        received = ""
        while "43/patient,1" not in received:
            received += await poller.payload()
        assert received.index("hub:ready") < received.index("43/patient,1")
        world.commit(event(1))
        await until(lambda: bool(world.log.marks))
        assert world.log.marks[0].recipients == 0


@asynccontextmanager
async def never_reading(world: World) -> AsyncIterator[asyncio.StreamReader]:
    """A WebSocket client of the patient that connects, and then never reads."""
    parts = urlsplit(world.url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=1)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    writer.write(
        b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: hub\r\n"
        b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    text = (CONNECT % token("patient", "patient")).encode()
    # a masked text frame with a two-byte length; a mask of zeros leaves the text as it is
    writer.write(struct.pack("!BBHI", 0x81, 0x80 | 126, len(text), 0) + text)
    await until(lambda: world.realtime.connections()["/patient"] > 0)
    try:
        yield reader
    finally:
        writer.transport.abort()


BIG = "ä" * 4_000
"""8 kB on the wire, so that the test fails if characters are counted instead of bytes."""


async def test_a_websocket_that_never_reads_is_closed_without_delays() -> None:
    limit = 400_000
    async with running_world(settings=RealtimeSettings(max_buffer_bytes=limit)) as world:
        async with never_reading(world):
            reading, sent = await world.screen(), 0
            with structlog.testing.capture_logs() as logs:
                while not world.slow_readers and sent < 2_000:
                    world.commit(*[event(sent + n, text=BIG) for n in range(1, 11)])
                    sent += 10
                    await arrived(reading, sent)
                world.commit(event(sent + 1))
                await arrived(reading, sent + 1)
        (slow,) = [line for line in logs if line["event"] == "socket_too_slow"]
        assert limit < slow["waiting_bytes"] < limit + 2 * len(BIG.encode())
        assert live(reading) == list(range(1, sent + 2))
        assert world.realtime.connections()["/patient"] == 1


async def test_a_polling_client_that_never_polls_is_closed() -> None:
    settings = RealtimeSettings(max_buffer_bytes=400_000)
    async with running_world(settings=settings) as world, aiohttp.ClientSession() as http:
        poller = Poller(http, world.url)
        await poller.open()
        await poller.post(CONNECT % token("patient", "patient"))
        await until(lambda: world.realtime.connections()["/patient"] == 1)
        reading = await world.screen()
        with structlog.testing.capture_logs() as logs:
            for number in range(1, 101):
                world.commit(event(number, text=BIG))
                await arrived(reading, number)
        assert [line["event"] for line in logs].count("socket_too_slow") == 1
        assert world.slow_readers == 1
        assert world.realtime.connections()["/patient"] == 1
        assert live(reading) == list(range(1, 101))
        assert await poller.poll() == 400


@pytest.mark.parametrize("compress_from_bytes", [0, 1_000])
async def test_large_messages_are_compressed_only_if_configured(compress_from_bytes: int) -> None:
    settings = RealtimeSettings(compress_from_bytes=compress_from_bytes)
    async with running_world(settings=settings) as world, aiohttp.ClientSession() as http:
        address = f"{world.url}/socket.io/?EIO=4&transport=websocket"
        async with http.ws_connect(address, compress=15) as browser:
            assert bool(browser.compress) is bool(compress_from_bytes)
            await browser.receive_str()
            await browser.send_str(CONNECT % token("patient", "patient"))
            while "hub:ready" not in await browser.receive_str(timeout=5):
                pass
            world.commit(event(1), event(2, text=BIG), event(3))
            received = [await browser.receive_str(timeout=5) for _ in range(3)]
        assert [len(text) > 1_000 for text in received] == [False, True, False]


async def test_a_connection_without_connect_is_closed() -> None:
    settings = RealtimeSettings(connect_timeout_s=0.1)
    async with running_world(settings=settings) as world, aiohttp.ClientSession() as http:
        screen = await world.screen()
        poller = Poller(http, world.url)
        await poller.open()
        async with asyncio.timeout(2):
            assert await poller.poll() == 200  # the poll returns CLOSE
            assert await poller.poll() == 400
        assert (await screen.ok("profile:get"))["name"] == "Ada"


async def test_a_disconnected_client_leaves_no_state() -> None:
    async with running_world() as world:
        screen = await world.screen()
        await screen.close()
        await until(lambda: sum(world.realtime.connections().values()) == 0)
        world.commit(event(1))
        await until(lambda: bool(world.log.marks))
        assert world.log.marks[0].recipients == 0


@pytest.mark.parametrize("transports", [("websocket",), ("polling",)])
async def test_stopping_closes_every_socket_and_leaves_no_task(
    transports: tuple[str, ...],
) -> None:
    gate, begun = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        begun.set()
        await gate.wait()

    async with running_world() as world:
        world.bookings.before = wait
        screen = await world.screen(transports=transports)
        slot = {"dentist_id": DENTIST, "appointment_type_id": TYPE, "start": START}
        command = asyncio.create_task(screen.call("reservation:create", slot))
        await begun.wait()
        assert servers_tasks()
        gate.set()
        assert (await command)["ok"]
        began = time.monotonic()
        await world.app.shutdown()
        assert time.monotonic() - began < 2
        async with asyncio.timeout(3):
            await screen.disconnected.wait()
        await until(lambda: not servers_tasks())


def servers_tasks() -> list[str]:
    """The running tasks of the server and its libraries, without those of the clients."""
    names = [getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks()]
    ours = ("Socket", "CommandHandler", "AsyncServer", "Engine", "WebSocket", "Realtime")
    return [name for name in names if name.startswith(ours)]


async def test_other_origins_may_connect_only_if_configured() -> None:
    allowed = ("https://clinic.example",)
    async with running_world(cors_origins=allowed) as world, aiohttp.ClientSession() as http:
        for origin, status in (
            ("https://clinic.example", 200),
            (world.url, 200),
            ("https://evil.example", 403),
        ):
            async with http.get(
                f"{world.url}/socket.io/?EIO=4&transport=polling", headers={"Origin": origin}
            ) as answer:
                assert answer.status == status, origin
