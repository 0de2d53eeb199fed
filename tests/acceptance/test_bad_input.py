"""Bad input, on REST and on Socket.IO alike: its documented error, once in the log, and
nothing changed.
"""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.acceptance.conftest import OpenClinic
from tests.support.clinic import ADMIN, CHATBOT, Clinic, appointments_of
from tests.support.database import rows
from tests.support.logs import Logs
from tests.support.screens import ConnectionRefused, Screen
from tests.support.tokens import token
from tests.support.wire import raw_socket

NOWHERE = "01976f2e-5b1a-7c3d-9e4f-0a1b2c3d4e5f"
STATE = ("appointments", "profiles", "calendars", "appointment_types", "channels", "audit_log")


@pytest.fixture
async def clinic(open_clinic: OpenClinic) -> AsyncIterator[Clinic]:
    """Before: a booking. After, whatever was sent: the same rows, and a hub that works."""
    async with open_clinic() as clinic:
        await clinic.book(clinic.patients[0], "09:00")
        before = state(clinic)
        yield clinic
        assert state(clinic) == before, "bad input changes nothing"
        dashboard = await clinic.screen(clinic.dentists[0])
        booked = await clinic.book(clinic.patients[1], "16:00")
        await dashboard.event("appointment.created", 1.0, id=booked["id"])


def state(clinic: Clinic) -> dict[str, list[dict[str, Any]]]:
    return {table: rows(clinic.database, f"SELECT * FROM {table}") for table in STATE}  # noqa: S608  # our own names


# --- bodies and data: the same mistakes over either wire -----------------------------


def mistakes(clinic: Clinic) -> dict[str, tuple[dict[str, Any], str]]:
    """A body of ``POST /api/appointments``, and the field that is named as wrong."""
    good = clinic.slot("10:00")
    return {
        "nothing": ({}, "start"),
        "a field is missing": ({"dentist_id": good["dentist_id"], "start": good["start"]}, "appo"),
        "unknown field": (good | {"surprise": 1}, "surprise"),
        "an id that is none": (good | {"dentist_id": "42"}, "dentist_id"),
        "an id of the wrong type": (good | {"dentist_id": 42}, "dentist_id"),
        "an id that is a list": (good | {"dentist_id": [good["dentist_id"]]}, "dentist_id"),
        "null": (good | {"start": None}, "start"),
        "a time without offset": (good | {"start": good["start"][:-1]}, "start"),
        "a date only": (good | {"start": good["start"][:10]}, "start"),
        "a number as time": (good | {"start": 1_804_500_000}, "start"),
        "seconds": (good | {"start": good["start"][:-3] + "30Z"}, "start"),
        "no such day": (good | {"start": "2027-02-29T09:00:00Z"}, "start"),
        "a year beyond all calendars": (good | {"start": "9999-12-31T23:59:00Z"}, "start"),
        "notes of the wrong type": (good | {"notes": {"text": "hello"}}, "notes"),
        "notes without end": (good | {"notes": "x" * 5_000}, "notes"),
        "control characters": (good | {"notes": "a\x00b"}, "notes"),
        "text for a flag": (good | {"overbook": "yes"}, "overbook"),
        "a slot and a reservation": (good | {"reservation_id": NOWHERE}, "dentist_id"),
    }


MISTAKES = (
    "nothing",
    "a field is missing",
    "unknown field",
    "an id that is none",
    "an id of the wrong type",
    "an id that is a list",
    "null",
    "a time without offset",
    "a date only",
    "a number as time",
    "seconds",
    "no such day",
    "a year beyond all calendars",
    "notes of the wrong type",
    "notes without end",
    "control characters",
    "text for a flag",
    "a slot and a reservation",
)


@pytest.mark.parametrize("mistake", MISTAKES)
async def test_a_wrong_body_is_a_validation_error_over_either_wire(
    clinic: Clinic, logs: Logs, mistake: str
) -> None:
    body, field = mistakes(clinic)[mistake]
    answer = await clinic.api(clinic.patients[1]).post("/api/appointments", body)
    assert (answer.status, answer.code) == (400, "VALIDATION_ERROR")
    assert any(detail["field"].startswith(field) for detail in answer.error["details"])
    logged = [line for line in logs.lines("api_request") if line.get("code") == answer.code]
    assert len(logged) == 1, "logged once"

    screen = await clinic.screen(clinic.patients[1])
    error = await screen.refused("appointment:book", body)
    assert error["code"] == "VALIDATION_ERROR"
    assert error["details"] == answer.error["details"], "word for word"
    assert [line["code"] for line in logs.lines("socket_command")] == ["VALIDATION_ERROR"]
    assert not [line for line in logs.lines() if line["level"] in ("error", "warning")]


@pytest.mark.parametrize(
    "raw",
    [
        b"{",
        b"",
        b"null",
        b"[]",
        b'"text"',
        b"17",
        b"\xff\xfe{}",
        b'{"start": NaN}',
        b"[" * 20_000,
        b'{"start":"2027-03-08T09:00:00Z"}}',
    ],
)
async def test_a_body_that_is_no_json_object_is_a_validation_error(
    clinic: Clinic, raw: bytes
) -> None:
    api = clinic.api(clinic.patients[1])
    for method, path in (
        ("POST", "/api/appointments"),
        ("POST", "/api/reservations"),
        ("PUT", "/api/profiles/me"),
        ("PUT", f"/api/appointments/{NOWHERE}"),
    ):
        answer = await api.send(method, path, raw=raw)
        assert (answer.status, answer.code) == (400, "VALIDATION_ERROR"), (method, path)
        assert answer.error["details"]


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


# --- size and form -------------------------------------------------------------------


async def test_a_huge_body_is_413_and_is_not_read(clinic: Clinic) -> None:
    answer = await clinic.api(clinic.patients[1]).send(
        "POST", "/api/appointments", raw=b'{"notes":"' + b"x" * 1_000_000 + b'"}'
    )
    assert (answer.status, answer.code) == (413, "PAYLOAD_TOO_LARGE")


@pytest.mark.parametrize("form", ["text/plain", "application/xml", "multipart/form-data", ""])
async def test_a_body_of_another_media_type_is_415(clinic: Clinic, form: str) -> None:
    answer = await clinic.api(clinic.patients[1]).send(
        "POST", "/api/appointments", raw=b'{"start":1}', headers={"Content-Type": form}
    )
    assert (answer.status, answer.code) == (415, "UNSUPPORTED_MEDIA_TYPE")


async def test_another_method_is_405_and_says_which_there_are(clinic: Clinic) -> None:
    answer = await clinic.api(clinic.patients[1]).send("PATCH", "/api/appointments")
    assert (answer.status, answer.code) == (405, "METHOD_NOT_ALLOWED")
    assert {"GET", "POST"} <= set(answer.headers["Allow"].split(", "))


async def test_an_oversized_socket_message_ends_that_connection_alone(clinic: Clinic) -> None:
    good = await clinic.screen(clinic.patients[0])
    async with raw_socket(clinic.session, clinic.url) as bad:
        await bad.connect("/patient", {"token": clinic.patients[1].token})
        await bad.send('42/patient,1["appointment:book",{"notes":"' + "x" * 400_000 + '"}]')
        await bad.until_closed()
    assert (await good.ask("profile:get"))["ok"] is True


async def test_binary_data_is_refused(clinic: Clinic) -> None:
    screen = await clinic.screen(clinic.patients[1])
    for data in (b"\x00\x01", {"notes": b"\x00"}, {"start": {"deep": [b"\x00"]}}):
        error = await screen.refused("appointment:book", data)
        assert error["code"] == "VALIDATION_ERROR"
        assert "binary" in error["details"][0]["message"]


# --- queries, paths and headers ------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/api/appointments?limit=0", "limit"),
        ("/api/appointments?limit=10000", "limit"),
        ("/api/appointments?limit=ten", "limit"),
        ("/api/appointments?limit=1&limit=2", "limit"),
        ("/api/appointments?status=booked", "status"),
        ("/api/appointments?sort=patient", "sort"),
        ("/api/appointments?cursor=%00nonsense", "cursor"),
        ("/api/appointments?cursor=bm9uc2Vuc2U", "cursor"),
        ("/api/appointments?from=2027-03-08", "from"),
        ("/api/appointments?from=2027-03-08T09:00:00", "from"),
        ("/api/appointments?surprise=1", "surprise"),
        ("/api/appointments?dentist_id=me", "dentist_id"),
        ("/api/slots", "appointment_type_id"),
        ("/api/changes?channel=availability:all&since=yesterday", "since"),
        ("/api/changes?channel=availability:all", "since"),
        ("/api/profiles/me?verbose=1", "verbose"),
    ],
)
async def test_a_wrong_query_is_a_validation_error_that_names_the_parameter(
    clinic: Clinic, path: str, field: str
) -> None:
    answer = await clinic.api(clinic.patients[1]).send("GET", path)
    assert (answer.status, answer.code) == (400, "VALIDATION_ERROR"), answer.body
    assert any(detail["field"].startswith(field) for detail in answer.error["details"])


async def test_slots_of_more_than_62_days_are_refused(clinic: Clinic) -> None:
    query = clinic.day_of(clinic.dentists[0]) | {"to": clinic.at("00:00", days=90)}
    answer = await clinic.api(clinic.patients[1]).get("/api/slots", **query)
    assert (answer.status, answer.code) == (400, "VALIDATION_ERROR")
    screen = await clinic.screen(clinic.patients[1])
    error = await screen.refused("slots:list", query | {"dentist_id": [query["dentist_id"]]})
    assert error["code"] == "VALIDATION_ERROR"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("If-Match", "3"),
        ("If-Match", '"three"'),
        ("If-Match", '"0"'),
        ("Idempotency-Key", " "),
        ("Idempotency-Key", "x" * 1_000),
    ],
)
async def test_a_wrong_header_is_a_validation_error(clinic: Clinic, name: str, value: str) -> None:
    (row,) = rows(clinic.database, "SELECT id FROM appointments")
    answer = await clinic.api(clinic.patients[0]).send(
        "PUT", f"/api/appointments/{row['id']}", {"notes": "x"}, headers={name: value}
    )
    assert (answer.status, answer.code) == (400, "VALIDATION_ERROR"), answer.body


@pytest.mark.parametrize("bad", ["x", "1", "..%2f..", "%00", "a" * 500, NOWHERE + "0", "null"])
async def test_an_id_that_cannot_be_one_is_not_found_in_a_path_and_an_error_in_data(
    clinic: Clinic, bad: str
) -> None:
    api = clinic.api(clinic.patients[1])
    for method, path in (
        ("GET", "/api/appointments/"),
        ("DELETE", "/api/appointments/"),
        ("GET", "/api/reservations/"),
        ("GET", "/api/availability/"),
        ("GET", "/api/profiles/"),
    ):
        answer = await api.send(method, path + bad)
        assert (answer.status, answer.code) == (404, "NOT_FOUND"), (method, path)
    screen = await clinic.screen(clinic.patients[1])
    error = await screen.refused("appointment:cancel", {"id": bad})
    assert error["code"] == "VALIDATION_ERROR"


# --- ids of others and of nobody -----------------------------------------------------


async def test_ids_of_others_and_of_nobody_are_not_found_over_either_wire(
    clinic: Clinic, logs: Logs
) -> None:
    (foreign,) = rows(clinic.database, "SELECT id FROM appointments")
    api, screen = clinic.api(clinic.patients[1]), await clinic.screen(clinic.patients[1])
    for row in (foreign["id"], NOWHERE):
        for event, data in (
            ("appointment:update", {"id": row, "notes": "x"}),
            ("appointment:cancel", {"id": row}),
            ("reservation:release", {"id": row}),
            ("appointment:book", {"reservation_id": row}),
        ):
            assert (await screen.refused(event, data))["code"] == "NOT_FOUND", event
        assert (await api.delete(f"/api/appointments/{row}")).status == 404
        booked = await api.post("/api/appointments", {"reservation_id": row})
        assert (booked.status, booked.code) == (404, "NOT_FOUND")
    for name in ("dentist_id", "appointment_type_id"):
        body = clinic.slot("10:00") | {name: NOWHERE}
        assert (await api.post("/api/reservations", body)).code == "NOT_FOUND", name
        assert (await screen.refused("reservation:create", body))["code"] == "NOT_FOUND", name
    assert not [line for line in logs.lines() if line["level"] == "error"], "nobody's fault"


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
async def test_a_namespace_the_role_may_not_use_is_forbidden(
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
    for namespace in ("/", "/nobody"):
        with pytest.raises(ConnectionRefused):
            await clinic.connect(namespace, {"token": clinic.patients[1].token})


async def test_a_chatbot_alone_can_do_nothing_that_is_a_patients(clinic: Clinic) -> None:
    alone = await clinic.connect("/chatbot", {"token": CHATBOT})
    assert set(alone.ready) == {"availability:all"}
    api = clinic.with_token(CHATBOT)
    for event, path in (
        ("reservation:create", "/api/reservations"),
        ("appointment:book", "/api/appointments"),
    ):
        assert (await alone.refused(event, clinic.slot("10:00")))["code"] == "FORBIDDEN"
        assert (await api.post(path, clinic.slot("10:00"))).code == "FORBIDDEN"


# --- the protocol itself, by hand ----------------------------------------------------


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
async def test_a_malformed_packet_harms_nobody_but_its_sender(
    clinic: Clinic, logs: Logs, frame: str | bytes
) -> None:
    good = await clinic.screen(clinic.patients[0])
    async with raw_socket(clinic.session, clinic.url) as bad:
        await bad.connect("/patient", {"token": clinic.patients[1].token})
        await bad.send(frame)
        assert (await good.ask("profile:get"))["ok"] is True
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
    assert (await screen.ask("auth:refresh", {"token": token("patient", "patient-1")}))["ok"]


async def test_input_of_one_client_is_never_shown_to_another(clinic: Clinic) -> None:
    watcher: Screen = await clinic.screen(clinic.patients[0])
    screen = await clinic.screen(clinic.patients[1])
    await screen.refused("appointment:book", {"notes": "<script>alert(1)</script>"})
    await screen.refused("channel:join", {"channel": appointments_of(clinic.patients[0])})
    assert not watcher.events()
