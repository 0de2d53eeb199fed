"""Commands over Socket.IO and their acknowledgements (criteria 9.4, 9.6, 10.2)."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
import structlog

from actors.domain.commands import UNSET
from actors.domain.principal import Role
from api.realtime.rooms.settings import RealtimeSettings
from tests.integration.socketio_world import DENTIST, PATIENT, START, TYPE, running_world
from tests.support.tokens import token
from tests.unit.relay_world import until

NINE = datetime(2027, 3, 8, 9, tzinfo=UTC)
ROW = "40000000-0000-7000-8000-000000000001"
SLOT = {"dentist_id": DENTIST, "appointment_type_id": TYPE, "start": START}
LOADED = {"dentist_id": DENTIST, "appointment_type_id": TYPE, "start": NINE}
CHANGED = {
    "id": ROW,
    "expected_version": 1,
    "dentist_id": None,
    "start": NINE,
    "notes": None,
    "appointment_type_id": None,
    "status": None,
    "cancel_reason": UNSET,
    "overbook": None,
}


@pytest.mark.parametrize(
    ("command", "data", "expected"),
    [
        ("reservation:create", SLOT, ("hold", LOADED)),
        ("reservation:release", {"id": ROW}, ("release", {"id": ROW})),
        (
            "appointment:book",
            SLOT,
            ("book", {**LOADED, "notes": None, "overbook": False, "patient_id": None}),
        ),
        (
            "appointment:book",
            {"reservation_id": ROW, "notes": "left side"},
            ("book", {"reservation_id": ROW, "notes": "left side"}),
        ),
        (
            "appointment:update",
            {"id": ROW, "version": 1, "start": START, "notes": None},
            ("change", CHANGED),
        ),
        (
            "appointment:cancel",
            {"id": ROW, "reason": "patient_ill", "version": 1},
            ("cancel", {"id": ROW, "reason": "patient_ill", "expected_version": 1}),
        ),
    ],
)
async def test_a_command_calls_the_same_service_as_rest(
    command: str, data: dict[str, Any], expected: tuple[str, dict[str, Any]]
) -> None:
    async with running_world() as world:
        screen = await world.screen()
        answer = await screen.ok(command, {**data, "idempotency_key": "key-1"})
        ((what, caller, sent),) = world.bookings.calls
        assert (what, sent) == expected
        assert caller.idempotency_key == "key-1"
        assert (caller.principal.role, caller.principal.person) == (Role.PATIENT, PATIENT)
        gone = command in ("reservation:release", "appointment:cancel")
        assert answer is None if gone else answer["start" if "start" in data else "notes"]


async def test_slots_are_listed_page_by_page() -> None:
    async with running_world() as world:
        screen = await world.screen()
        query = {
            "appointment_type_id": TYPE,
            "from": START,
            "to": "2027-03-09T09:00:00+01:00",
            "time_from": "09:30",
            "dentist_id": DENTIST,
        }
        page = await screen.ok("slots:list", query)
        cursor = page["pagination"]["next_cursor"]
        await screen.ok("slots:list", {**query, "cursor": cursor, "limit": 5})
        first, second = world.availability.calls
        assert first == {
            "appointment_type_id": TYPE,
            "dentist_ids": (DENTIST,),
            "starts_from": NINE,
            "starts_before": datetime(2027, 3, 9, 8, tzinfo=UTC),
            "time_from": 9 * 60 + 30,
            "time_to": None,
            "limit": 50,
            "after": None,
            "cursor": None,
            "terms": None,
        }
        assert (second["limit"], second["after"]) == (5, (NINE, DENTIST))
        for other in ({"cursor": "bm9uc2Vuc2U"}, {"cursor": cursor, "time_from": "10:00"}):
            refused = await screen.refused("slots:list", {**query, **other})
            assert refused["details"][0]["field"] == "cursor"


async def test_a_schedule_is_replaced_with_the_body_of_rest() -> None:
    async with running_world() as world:
        screen = await world.screen("/dentist", token("dentist", "dentist"))
        rule = {"weekday": "monday", "start": "09:00", "end": "17:00"}
        body = {"time_zone": "Europe/Vienna", "rules": [rule]}
        sent = {"dentist_id": DENTIST, "version": 3, "dry_run": True, **body}
        await screen.ok("availability:update", sent)
        (call,) = world.availability.calls
        assert (call["expected_version"], call["dry_run"]) == (3, True)
        assert call["schedule"].time_zone == "Europe/Vienna"


async def test_a_refusal_is_an_ack_with_the_error_object_of_rest() -> None:
    async with running_world() as world:
        screen = await world.screen()
        await screen.ok("reservation:create", SLOT)
        error = await screen.refused("reservation:create", SLOT)
        assert set(error) == {"code", "message", "timestamp", "request_id", "details"}
        assert (error["code"], error["details"]) == ("SLOT_TAKEN", [])
        stale = await screen.refused(
            "appointment:update", {"id": ROW, "version": 9, "start": START}
        )
        assert stale["code"] == "VERSION_CONFLICT"
        assert len(world.bookings.calls) == 1


@pytest.mark.parametrize(
    ("command", "data", "fields"),
    [
        ("reservation:create", {}, {"dentist_id", "appointment_type_id", "start"}),
        ("reservation:create", {**SLOT, "start": "2027-03-08T09:00:00"}, {"start"}),
        ("reservation:create", {**SLOT, "dentist_id": "x", "id": ROW}, {"dentist_id", "id"}),
        ("reservation:create", {**SLOT, "idempotency_key": ""}, {"idempotency_key"}),
        ("reservation:create", {**SLOT, "idempotency_key": 5}, {"idempotency_key"}),
        ("appointment:update", {"id": 5, "version": "1"}, {"id", "version", "data"}),
        ("appointment:cancel", {"id": ROW, "reason": "x" * 5_000}, {"reason"}),
        ("slots:list", {"from": START}, {"appointment_type_id", "to"}),
        ("availability:get", {"dentist_id": DENTIST, "from": START}, {"to", "appointment_type_id"}),
        ("profile:update", {}, {"data"}),
        ("profile:get", {"id": ROW}, {"id"}),
        ("profile:get", [], {"data"}),
        ("profile:get", "text", {"data"}),
        ("profile:get", 7, {"data"}),
        ("profile:get", b"binary", {"data"}),
        ("reservation:create", {**SLOT, "notes": b"binary"}, {"data"}),
        ("profile:get", ({}, {}), {"data"}),
        ("no:such:command", {}, {"event"}),
        ("trigger_event", {}, {"event"}),
    ],
)
async def test_invalid_input_is_refused_with_the_names_of_its_fields(
    command: str, data: Any, fields: set[str]
) -> None:
    async with running_world() as world:
        screen = await world.screen()
        error = await screen.refused(command, data)
        assert error["code"] == "VALIDATION_ERROR"
        assert {detail["field"] for detail in error["details"]} == fields
        assert all(detail["message"] for detail in error["details"])
        assert world.bookings.calls == []
        assert (await screen.ok("profile:get"))["id"] == PATIENT


async def test_a_role_without_a_profile_has_none() -> None:
    async with running_world() as world:
        screen = await world.screen("/admin", token("admin", "root"))
        assert (await screen.refused("profile:get"))["code"] == "NOT_FOUND"
        assert (await screen.refused("reservation:create", SLOT))["code"] == "FORBIDDEN"


async def test_an_internal_error_is_logged_once_with_its_stack_trace() -> None:
    async def bug() -> None:
        raise ZeroDivisionError("secret detail")

    async with running_world() as world:
        screen = await world.screen()
        world.bookings.before = bug
        with structlog.testing.capture_logs() as logs:
            error = await screen.refused("reservation:create", SLOT)
        assert error["code"] == "INTERNAL_ERROR"
        assert "secret" not in str(error)
        (line,) = [line for line in logs if line["log_level"] == "error"]
        assert line["event"] == "socket_error"
        assert line["request_id"] == error["request_id"]
        assert isinstance(line["exc_info"], ZeroDivisionError)
        world.bookings.before = None
        await screen.ok("reservation:create", SLOT)


async def test_commands_are_logged_like_requests_and_without_their_data() -> None:
    async with running_world() as world:
        screen = await world.screen()
        with structlog.testing.capture_logs() as logs:
            await screen.ok("appointment:book", {**SLOT, "notes": "very private"})
            await screen.refused("made-up-by-the-client", {"x": "very private"})
        calls = [call for call in logs if call["event"] == "socket_command"]
        logged = [line for call in calls for line in call["each"]]
        assert [(line["command"], line["code"]) for line in logged] == [
            ("appointment:book", "ok"),
            ("unknown", "VALIDATION_ERROR"),
        ]
        assert all(line["duration_ms"] >= 0 and line["request_id"] for line in logged)
        assert "private" not in str(logs)
        assert world.commands == [
            ("/patient", "appointment:book", "ok"),
            ("/patient", "unknown", "VALIDATION_ERROR"),
        ]


async def test_a_command_without_an_ack_is_executed() -> None:
    async with running_world() as world:
        screen = await world.screen()
        await screen.sio.emit("reservation:create", SLOT, namespace="/patient")
        await until(lambda: len(world.bookings.calls) == 1)


async def test_all_sockets_of_a_principal_share_one_rate_limit() -> None:
    async with running_world(burst=6) as world:
        first, second = await world.screen(), await world.screen()
        codes = []
        for _ in range(4):
            for screen in (first, second):
                ack = await screen.call("profile:get")
                codes.append("ok" if ack["ok"] else ack["error"]["code"])
        assert codes == ["ok"] * 4 + ["RATE_LIMITED"] * 4


async def test_the_number_of_running_commands_of_a_socket_is_limited() -> None:
    gate = asyncio.Event()
    begun: list[None] = []

    async def wait() -> None:
        begun.append(None)
        await gate.wait()

    async with running_world(commands_max=3) as world:
        screen = await world.screen()
        world.bookings.before = wait
        waiting = [
            asyncio.create_task(
                screen.call("reservation:create", {**SLOT, "start": f"2027-03-08T09:{n:02}:00Z"})
            )
            for n in range(3)
        ]
        await until(lambda: len(begun) == 3)
        assert (await screen.refused("profile:get"))["code"] == "UNAVAILABLE"
        gate.set()
        assert all(ack["ok"] for ack in await asyncio.gather(*waiting))
        await screen.ok("profile:get")


async def test_running_commands_are_answered_when_the_hub_stops() -> None:
    gate, begun = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        begun.set()
        await gate.wait()

    async with running_world() as world:
        screen = await world.screen()
        world.bookings.before = wait
        command = asyncio.create_task(screen.call("reservation:create", SLOT))
        await begun.wait()
        closing = asyncio.create_task(world.app.shutdown())
        await asyncio.sleep(0)
        assert (await screen.refused("profile:get"))["code"] == "UNAVAILABLE"
        gate.set()
        assert (await command)["ok"]
        await closing


class Raw:
    """Sends packets as they are, without a client library."""

    def __init__(self, websocket: aiohttp.ClientWebSocketResponse) -> None:
        self.websocket = websocket

    async def send(self, text: str) -> None:
        await self.websocket.send_str(text)

    async def closed(self) -> bool:
        """Whether the hub closes the connection, after any number of messages."""
        async with asyncio.timeout(2):
            async for _ in self.websocket:
                pass
        return self.websocket.closed


@pytest.mark.parametrize(
    "packet",
    [
        "4",
        "4x",
        "49",
        '42["event"]',
        '42/patient,["event"]',
        '40/patient,["not", "an", "object"]',
        '40/patient,{"token": ',
        '42/patient,1["connect",{"token":"x"}]',
        '42/patient,1{"not":"a list"}',
        "42/patient,1[]",
        "42/patient,1[7]",
        '44/patient,{"message":"mine"}',
        '451-/patient,1["profile:get",{"_placeholder":true,"num":0}]',
        "4" + "[" * 5_000,
        '4{"a":1}',
        "",
        "x",
        "7",
        "2" + "[" * 5_000,
    ],
)
async def test_a_malformed_packet_ends_the_connection_and_is_logged_once(packet: str) -> None:
    async with running_world() as world, aiohttp.ClientSession() as http:
        address = f"{world.url}/socket.io/?EIO=4&transport=websocket"
        with structlog.testing.capture_logs() as logs:
            async with http.ws_connect(address) as websocket:
                raw = Raw(websocket)
                await raw.send(packet)
                assert await raw.closed()
        warnings = [line for line in logs if line["log_level"] in ("warning", "error")]
        assert len(warnings) == 1, warnings
        assert (await world.screen()).ready


@pytest.mark.parametrize(
    "body",
    ["4x", "x", '42/patient,["event"]', "4" + "9" * 3_000, "4" + "[" * 1_500, b"\xff\xfe"],
)
async def test_malformed_packets_end_polling_connections_too(body: str | bytes) -> None:
    settings = RealtimeSettings(max_message_bytes=2_000)
    async with running_world(settings=settings) as world, aiohttp.ClientSession() as http:
        address = f"{world.url}/socket.io/?EIO=4&transport=polling"
        async with http.get(address) as opened:
            sid = json.loads((await opened.text())[1:])["sid"]
        with structlog.testing.capture_logs() as logs:
            async with asyncio.timeout(2), http.post(f"{address}&sid={sid}", data=body) as answer:
                await answer.read()
            async with asyncio.timeout(2), http.get(f"{address}&sid={sid}") as after:
                assert "1" in (await after.text()) or after.status == 400
            async with http.get(f"{address}&sid={sid}") as gone:
                assert gone.status == 400
        warnings = [line for line in logs if line["log_level"] in ("warning", "error")]
        assert len(warnings) == 1, warnings


async def test_a_message_that_is_too_large_ends_the_connection() -> None:
    settings = RealtimeSettings(max_message_bytes=2_000)
    async with running_world(settings=settings) as world, aiohttp.ClientSession() as http:
        address = f"{world.url}/socket.io/?EIO=4&transport=websocket"
        async with http.ws_connect(address) as websocket:
            await Raw(websocket).send('42/patient,["profile:get","' + "x" * 5_000 + '"]')
            assert await Raw(websocket).closed()
        assert (await world.screen()).ready
