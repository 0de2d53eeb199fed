"""What one person can hold is bounded, on every interface: appointments, connections, bytes."""

import asyncio
from collections import Counter
from contextlib import AbstractAsyncContextManager

import aiohttp
import httpx2
import pytest

from actors.calendar.settings import ReservationSettings
from api.realtime.rooms.settings import RealtimeSettings
from api.settings import ApiSettings
from chairside.mcp.session_limit import SESSIONS_MAX
from tests.acceptance.conftest import OpenClinic
from tests.support.clinic import CHATBOT, Clinic
from tests.support.eventually import eventually
from tests.support.mcp_http import serving_http
from tests.support.screens import ConnectionRefused
from tests.support.supabase_wire import RawSupabase, raw_supabase

THREE = ReservationSettings(max_future_per_patient=3)


async def test_a_patient_has_at_most_ten_appointments_ahead(clinic: Clinic) -> None:
    times = [f"{8 + n // 2:02}:{30 * (n % 2):02}" for n in range(14)]
    api = clinic.api(clinic.patients[0])
    answers = await asyncio.gather(
        *(api.post("/api/appointments", clinic.slot(at)) for at in times)
    )
    outcomes = Counter((answer.status, answer.code) for answer in answers)
    assert outcomes == {(201, None): 10, (429, "TOO_MANY_APPOINTMENTS"): 4}


async def test_the_limit_of_appointments_is_one_over_all_interfaces(
    open_clinic: OpenClinic,
) -> None:
    async with open_clinic(reservations=THREE) as clinic:
        patient, dentist = clinic.patients[0], clinic.dentists[0]
        screen = await clinic.screen(patient)
        first = await clinic.book(patient, "09:00")
        held = await screen.ok("reservation:create", clinic.slot("10:00"))
        await clinic.chatbot(patient).post("/api/appointments", clinic.slot("11:00"))
        for api in (clinic.api(patient), clinic.chatbot(patient)):
            for path in ("/api/appointments", "/api/reservations"):
                refused = await api.post(path, clinic.slot("12:00"))
                assert (refused.status, refused.code) == (429, "TOO_MANY_APPOINTMENTS")
        for command in ("appointment:book", "reservation:create"):
            error = await screen.refused(command, clinic.slot("12:00"))
            assert error["code"] == "TOO_MANY_APPOINTMENTS"
        await screen.ok("appointment:book", {"reservation_id": held["id"]})
        moved = {"start": clinic.at("13:00", dentist=dentist)}
        assert (
            await clinic.api(patient).put(f"/api/appointments/{first['id']}", moved)
        ).status == 200
        by_staff = await clinic.api(dentist).post(
            "/api/appointments", clinic.slot("14:00") | {"patient_id": patient.id}
        )
        assert by_staff.status == 201, "staff may book more"
        await clinic.api(patient).delete(f"/api/appointments/{first['id']}")
        still = await clinic.api(patient).post("/api/appointments", clinic.slot("15:00"))
        assert still.code == "TOO_MANY_APPOINTMENTS", "what staff booked counts"


# --- sockets --------------------------------------------------------------------------

TWO = RealtimeSettings(sockets_per_user=2, supabase_keys=("anon",))


def connect(clinic: Clinic, key: str) -> AbstractAsyncContextManager[RawSupabase]:
    return raw_supabase(clinic.session, clinic.url, key)


async def test_sockets_of_all_protocols_are_limited_together(open_clinic: OpenClinic) -> None:
    async with open_clinic(realtime=TWO) as clinic:
        patient = clinic.patients[0]
        socket = await clinic.screen(patient)
        async with connect(clinic, patient.token):
            with pytest.raises(ConnectionRefused, match="RATE_LIMITED") as refused:
                await clinic.screen(patient)
            assert "At most 2 live connections" in refused.value.data["message"]
            with pytest.raises(aiohttp.WSServerHandshakeError) as handshake:
                async with connect(clinic, patient.token):
                    pass
            assert handshake.value.status == 429
            assert handshake.value.headers is not None
            assert handshake.value.headers["Retry-After"] == "5"
            await clinic.screen(clinic.patients[1])
            await clinic.chatbot_screen(patient)
        await socket.close()
        assert await eventually(lambda: _can_connect(clinic), 5.0), "what closed does not count"


async def _can_connect(clinic: Clinic) -> bool:
    try:
        await clinic.screen(clinic.patients[0])
    except ConnectionRefused:
        return False
    return True


async def test_a_public_key_does_not_evade_the_limit(open_clinic: OpenClinic) -> None:
    """A socket opened with a public key counts for the users of its topics."""
    async with open_clinic(realtime=TWO) as clinic:
        patient = clinic.patients[0]
        own = f"appointments:patient:{patient.id}"
        other = f"availability:dentist:{clinic.dentists[0].id}"
        async with (
            connect(clinic, "anon") as first,
            connect(clinic, "anon") as second,
            connect(clinic, "anon") as third,
        ):
            for socket in (first, second):
                await socket.joined(own, patient.token)
                await socket.joined(other, patient.token)
            refused = await third.join(own, patient.token)
            assert refused.status == "error"
            assert refused.reason.startswith("ConnectionRateLimitReached: At most 2")
            for channel, status in ((own, "error"), (other, "ok")):
                await first.request(f"realtime:{channel}", "phx_leave")
                assert (await third.join(own, patient.token)).status == status


# --- stored bytes ---------------------------------------------------------------------


async def test_the_bytes_that_a_user_may_store_in_a_day_are_limited(
    open_clinic: OpenClinic,
) -> None:
    async with open_clinic(api=ApiSettings(stored_bytes_per_day=60_000)) as clinic:
        patient, api = clinic.patients[0], clinic.api(clinic.patients[0])
        booked = await clinic.book(patient)
        path = f"/api/appointments/{booked['id']}"
        answers = [await api.put(path, {"notes": f"{n}" + "x" * 1_900}) for n in range(10)]
        statuses = [answer.status for answer in answers]
        assert statuses == sorted(statuses)
        assert statuses.count(200) in range(4, 8)
        refused = answers[-1]
        assert (refused.status, refused.code) == (429, "RATE_LIMITED")
        assert "stored" in refused.error["message"]
        assert int(refused.headers["Retry-After"]) >= 1
        screen = await clinic.screen(patient)
        assert (await screen.refused("reservation:create", clinic.slot("11:00")))["code"] == (
            "RATE_LIMITED"
        )
        assert (await api.put("/api/profiles/me", {"name": "P."})).status == 429
        assert (await api.get(path)).status == 200
        assert (await clinic.book(clinic.patients[1], "11:00"))["id"]


# --- MCP over HTTP --------------------------------------------------------------------

OPENING = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}
PING = {"jsonrpc": "2.0", "id": 2, "method": "ping"}


async def test_the_oldest_of_too_many_mcp_sessions_ends(clinic: Clinic) -> None:
    async with serving_http(clinic.url) as url, httpx2.AsyncClient(timeout=10) as http:

        async def send(patient: int, message: object, session: str = "") -> httpx2.Response:
            headers = {
                "Accept": "application/json, text/event-stream",
                "Authorization": f"Bearer {CHATBOT}",
                "On-Behalf-Of": clinic.patients[patient].id,
            }
            if session:
                headers["Mcp-Session-Id"] = session
            return await http.post(url, json=message, headers=headers)

        other = (await send(1, OPENING)).headers["mcp-session-id"]
        opened = [(await send(0, OPENING)).headers["mcp-session-id"] for _ in range(SESSIONS_MAX)]
        assert (await send(0, PING, opened[0])).status_code == 200, "it is used last now"
        opened.append((await send(0, OPENING)).headers["mcp-session-id"])
        statuses = [(await send(0, PING, session)).status_code for session in opened]
        assert statuses == [200, 404, *([200] * (SESSIONS_MAX - 1))]
        assert (await send(1, PING, other)).status_code == 200
