"""Bad input on sockets: unknown events and channels, wrong namespaces, broken packets."""

from typing import Any

import aiohttp
import pytest

from tests.support.clinic import ADMIN, CHATBOT, Clinic, appointments_of
from tests.support.logs import Logs
from tests.support.raw_socket import raw_socket
from tests.support.screens import ConnectionRefused, Screen
from tests.support.tokens import token

pytestmark = pytest.mark.usefixtures("nothing_changes")


# --- the data of commands --------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ("text", "must be an object"),
        ([1, 2], "must be an object"),
        (17, "must be an object"),
        (({}, {}), "one object"),
    ],
)
async def test_a_command_without_an_object_is_a_validation_error(
    clinic: Clinic, arguments: Any, why: str
) -> None:
    screen = await clinic.screen(clinic.patients[1])
    error = await screen.refused("appointment:book", arguments)
    assert error["code"] == "VALIDATION_ERROR"
    assert why in error["details"][0]["message"]


async def test_an_oversized_socket_message_ends_that_connection_alone(clinic: Clinic) -> None:
    good = await clinic.screen(clinic.patients[0])
    async with raw_socket(clinic.session, clinic.url) as bad:
        await bad.connect("/patient", {"token": clinic.patients[1].token})
        await bad.send('42/patient,1["appointment:book",{"notes":"' + "x" * 400_000 + '"}]')
        await bad.until_closed()
    assert (await good.call("profile:get"))["ok"] is True


async def test_binary_data_is_refused(clinic: Clinic) -> None:
    screen = await clinic.screen(clinic.patients[1])
    for data in (b"\x00\x01", {"notes": b"\x00"}, {"start": {"deep": [b"\x00"]}}):
        error = await screen.refused("appointment:book", data)
        assert error["code"] == "VALIDATION_ERROR"
        assert "binary" in error["details"][0]["message"]


# --- events, channels, namespaces ----------------------------------------------------


@pytest.mark.parametrize(
    "event", ["nonsense", "appointment.created", "hub:ready", "appointment:destroy", "__class__"]
)
async def test_an_unknown_event_is_a_validation_error(
    clinic: Clinic, logs: Logs, event: str
) -> None:
    screen = await clinic.screen(clinic.patients[1])
    error = await screen.refused(event, {})
    assert error["code"] == "VALIDATION_ERROR"
    (line,) = logs.lines("socket_command")
    assert (line["command"], line["code"]) == ("unknown", "VALIDATION_ERROR")


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ({"channel": "nonsense"}, "FORBIDDEN"),
        ({"channel": ""}, "VALIDATION_ERROR"),
        ({"channel": 7}, "VALIDATION_ERROR"),
        ({}, "VALIDATION_ERROR"),
        ({"channel": "x" * 10_000}, "VALIDATION_ERROR"),
        ({"channel": "availability:all", "since": "now"}, "VALIDATION_ERROR"),
        ({"channel": "availability:all", "since": {"epoch": -1, "offset": 0}}, "VALIDATION_ERROR"),
        ({"channel": "availability:all", "since": {"offset": 0}}, "VALIDATION_ERROR"),
        ({"channel": "hub:status"}, "FORBIDDEN"),
    ],
)
async def test_a_channel_that_cannot_be_joined_is_refused(
    clinic: Clinic, data: dict[str, Any], code: str
) -> None:
    screen = await clinic.screen(clinic.patients[1])
    assert (await screen.refused("channel:join", data))["code"] == code


@pytest.mark.parametrize(
    "auth",
    [
        None,
        {},
        {"token": None},
        {"token": 7},
        {"token": ["x"]},
        {"Authorization": "Bearer x"},
    ],
)
async def test_a_socket_without_a_token_is_refused(clinic: Clinic, logs: Logs, auth: Any) -> None:
    with pytest.raises(ConnectionRefused) as refused:
        await clinic.connect("/patient", auth)
    assert (refused.value.message, refused.value.data["message"]) == (
        "UNAUTHORIZED",
        "Invalid token",
    )
    (line,) = logs.lines("socket_refused")
    assert line["code"] == "UNAUTHORIZED"


@pytest.mark.parametrize(
    "extra",
    [
        {"since": "all"},
        {"since": {"availability:all": 7}},
        {"since": {f"availability:dentist:{n}": {"epoch": 1, "offset": 0} for n in range(200)}},
        {"surprise": 1},
        {"on_behalf_of": "me"},
    ],
)
async def test_a_socket_with_wrong_auth_data_is_refused(
    clinic: Clinic, extra: dict[str, Any]
) -> None:
    with pytest.raises(ConnectionRefused) as refused:
        await clinic.connect("/patient", {"token": clinic.patients[1].token, **extra})
    assert refused.value.message == "VALIDATION_ERROR"
    assert refused.value.data["details"]


@pytest.mark.parametrize(
    ("role", "namespace"),
    [
        ("patient", "/dentist"),
        ("patient", "/admin"),
        ("patient", "/chatbot"),
        ("dentist", "/patient"),
        ("dentist", "/admin"),
        ("chatbot", "/patient"),
        ("admin", "/dentist"),
    ],
)
async def test_a_namespace_of_another_role_is_forbidden(
    clinic: Clinic, role: str, namespace: str
) -> None:
    tokens = {
        "patient": clinic.patients[1].token,
        "dentist": clinic.dentists[1].token,
        "chatbot": CHATBOT,
        "admin": ADMIN,
    }
    with pytest.raises(ConnectionRefused) as refused:
        await clinic.connect(namespace, {"token": tokens[role]})
    assert refused.value.message == "FORBIDDEN"
    assert refused.value.data["code"] == "FORBIDDEN"


async def test_an_unknown_namespace_is_refused(clinic: Clinic) -> None:
    for namespace in ("/", "/unknown"):
        with pytest.raises(ConnectionRefused):
            await clinic.connect(namespace, {"token": clinic.patients[1].token})


async def test_a_chatbot_without_a_patient_cannot_hold_or_book(clinic: Clinic) -> None:
    alone = await clinic.connect("/chatbot", {"token": CHATBOT})
    assert set(alone.ready) == {"availability:all"}
    api = clinic.with_token(CHATBOT)
    for event, path in (
        ("reservation:create", "/api/reservations"),
        ("appointment:book", "/api/appointments"),
    ):
        assert (await alone.refused(event, clinic.slot("10:00")))["code"] == "FORBIDDEN"
        assert (await api.post(path, clinic.slot("10:00"))).code == "FORBIDDEN"


# --- hand-written packets ------------------------------------------------------------


async def test_an_event_before_connect_ends_the_connection(clinic: Clinic, logs: Logs) -> None:
    async with raw_socket(clinic.session, clinic.url) as socket:
        await socket.send('42/patient,1["appointment:book",{}]')
        frames = await socket.until_closed()
    assert not [frame for frame in frames if frame.startswith("43")], "no answer"
    assert len(logs.lines("socket_never_connected")) == 1


@pytest.mark.parametrize(
    "frame",
    [
        "4",
        "4x",
        "49",
        "42/patient,",
        "42/patient,{}",
        "42/patient,[]",
        "42/patient,[7]",
        '42/patient,1["appointment:book"',
        '42/patient,["connect",{}]',
        "451-/patient,",
        "4" + "2" * 5_000,
        "z",
        "",
        b"\x00\x01\x02",
    ],
)
async def test_a_malformed_packet_harms_only_its_sender(
    clinic: Clinic, logs: Logs, frame: str | bytes
) -> None:
    good = await clinic.screen(clinic.patients[0])
    async with raw_socket(clinic.session, clinic.url) as bad:
        await bad.connect("/patient", {"token": clinic.patients[1].token})
        await bad.send(frame)
        assert (await good.call("profile:get"))["ok"] is True
    assert not [line for line in logs.lines() if "Traceback" in line.get("exception", "")]


async def test_a_second_connect_of_the_same_namespace_changes_nothing(clinic: Clinic) -> None:
    patient = clinic.patients[1]
    async with raw_socket(clinic.session, clinic.url) as socket:
        first = await socket.connect("/patient", {"token": patient.token})
        assert first is not None
        assert first.startswith("40/patient,")
        await socket.send('40/patient,{"token":"nonsense"}')
        await socket.send('42/patient,7["profile:get"]')
        while (frame := await socket.read()) is not None:
            if frame.startswith("43/patient,7"):
                assert patient.id in frame
                return
    pytest.fail("the first connection was lost")


async def test_auth_refresh_takes_only_the_same_party(clinic: Clinic) -> None:
    screen = await clinic.screen(clinic.patients[1])

    async def refresh(data: Any) -> str:
        return str((await screen.refused("auth:refresh", data))["code"])

    assert await refresh({"token": clinic.patients[0].token}) == "FORBIDDEN"
    assert await refresh({"token": token("patient", "patient-1", ttl_s=-5)}) == "UNAUTHORIZED"
    assert await refresh({}) == "UNAUTHORIZED"
    assert await refresh({"token": clinic.patients[1].token, "more": 1}) == "VALIDATION_ERROR"
    assert (await screen.call("auth:refresh", {"token": token("patient", "patient-1")}))["ok"]


async def test_input_of_one_client_is_never_shown_to_another(clinic: Clinic) -> None:
    watcher: Screen = await clinic.screen(clinic.patients[0])
    screen = await clinic.screen(clinic.patients[1])
    await screen.refused("appointment:book", {"notes": "<script>alert(1)</script>"})
    await screen.refused("channel:join", {"channel": appointments_of(clinic.patients[0])})
    assert not watcher.events()


# --- handshakes ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/socket.io/?EIO=4&transport=websocket", "/realtime/v1/websocket?"]
)
async def test_a_handshake_with_odd_headers_is_refused_without_an_alarm(
    clinic: Clinic, logs: Logs, path: str
) -> None:
    address = f"{clinic.url}{path}&apikey={clinic.patients[1].token}"
    for origin in ("http://[::1", "null", "http://evil.example", "//", "http://["):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await clinic.session.ws_connect(address, origin=origin)
        assert refused.value.status == 403, origin
    protocols = ("base64url.bearer.secret-of-the-client", "other")
    async with clinic.session.ws_connect(address, protocols=protocols) as ws:
        assert ws.protocol is None
    assert "secret-of-the-client" not in logs.getvalue()
    assert not [line for line in logs.lines() if line["level"] in ("error", "warning")]
