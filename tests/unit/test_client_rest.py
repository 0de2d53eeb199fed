"""The REST client: one key per command, bounded retries, errors with their data."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from chairside.client import ConnectionLost, HubClient, HubError, RetryPolicy
from chairside.client.rest import _seconds

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

QUICK = RetryPolicy(attempts=3, first_delay_s=0.0, longest_delay_s=0.0)


def refusal(code: str, status: int, headers: dict[str, str] | None = None) -> web.Response:
    error = {
        "code": code,
        "message": "as the hub says it",
        "timestamp": "2027-03-08T09:00:00Z",
        "request_id": "r1",
        "details": [{"field": "start", "message": "must be UTC"}],
    }
    return web.json_response({"error": error}, status=status, headers=headers)


class ScriptedServer:
    """A server that sends one scripted response per request, and records the requests."""

    def __init__(self) -> None:
        self.replies: list[Callable[[web.Request], web.Response]] = []
        self.requests: list[tuple[str, str, dict[str, str], Any]] = []

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.json() if request.can_read_body else None
        self.requests.append((request.method, request.path_qs, dict(request.headers), body))
        reply = self.replies.pop(0)(request)
        if reply.status == 599:  # the connection is cut instead
            assert request.transport is not None
            request.transport.abort()
        return reply


@pytest.fixture
async def scripted() -> AsyncIterator[tuple[ScriptedServer, HubClient]]:
    script = ScriptedServer()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", script.handle)
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        url = str(server.make_url(""))
        yield script, HubClient(url, token="t", session=session, retry=QUICK, on_behalf_of="p1")


def keys(script: ScriptedServer) -> list[str]:
    return [headers["Idempotency-Key"] for _, _, headers, _ in script.requests]


async def test_a_busy_hub_gets_a_retry_with_the_same_key(
    scripted: tuple[ScriptedServer, HubClient],
) -> None:
    script, client = scripted
    script.replies = [
        lambda _: refusal("CALENDAR_BUSY", 503, {"Retry-After": "0"}),
        lambda _: web.json_response({"id": "a1"}, status=201),
    ]
    assert (await client.book_reservation("a1"))["id"] == "a1"
    assert len(set(keys(script))) == 1
    assert len(script.requests) == 2


async def test_a_lost_answer_leads_to_a_retry_with_the_same_key(
    scripted: tuple[ScriptedServer, HubClient],
) -> None:
    script, client = scripted
    script.replies = [
        lambda _: web.Response(status=599),
        lambda _: web.json_response({"id": "a1"}, status=201),
    ]
    await client.book_reservation("a1")
    assert len(set(keys(script))) == 1
    assert len(script.requests) == 2


async def test_two_commands_have_two_keys(scripted: tuple[ScriptedServer, HubClient]) -> None:
    script, client = scripted
    script.replies = [lambda _: web.Response(status=204)] * 2
    await client.cancel("a1")
    await client.cancel("a1")
    assert len(set(keys(script))) == 2


async def test_retries_are_bounded(scripted: tuple[ScriptedServer, HubClient]) -> None:
    script, client = scripted
    script.replies = [lambda _: web.Response(status=599)] * 9
    with pytest.raises(ConnectionLost):
        await client.book_reservation("a1")
    assert len(script.requests) == QUICK.attempts


async def test_a_refusal_is_raised_at_once_with_all_its_data(
    scripted: tuple[ScriptedServer, HubClient],
) -> None:
    script, client = scripted
    script.replies = [lambda _: refusal("SLOT_TAKEN", 409)]
    with pytest.raises(HubError) as refused:
        await client.hold(dentist_id="d1", appointment_type_id="t1", start="2027-03-08T09:00:00Z")
    error = refused.value
    assert (error.code, error.status, error.request_id) == ("SLOT_TAKEN", 409, "r1")
    assert error.details[0].field == "start"
    assert len(script.requests) == 1


async def test_a_page_that_is_not_of_a_hub_has_its_own_error_code(
    scripted: tuple[ScriptedServer, HubClient],
) -> None:
    script, client = scripted
    script.replies = [lambda _: web.Response(status=502, text="<h1>Bad gateway</h1>")]
    with pytest.raises(HubError) as refused:
        await client.me()
    assert (refused.value.code, refused.value.status) == ("UNREADABLE_ANSWER", 502)


async def test_path_query_version_and_delegation_are_sent_as_rest_expects(
    scripted: tuple[ScriptedServer, HubClient],
) -> None:
    script, client = scripted
    script.replies = [lambda _: web.json_response({}), lambda _: web.Response(status=204)]
    await client.change("a1", version=3, notes="x")
    await client.cancel("a1", reason="ill")
    (put, put_path, put_headers, put_body), (_, delete_path, _, _) = script.requests
    assert (put, put_path, put_body) == ("PUT", "/api/appointments/a1", {"notes": "x"})
    assert put_headers["If-Match"] == '"3"'
    assert put_headers["On-Behalf-Of"] == "p1"
    assert put_headers["Authorization"] == "Bearer t"
    assert delete_path == "/api/appointments/a1?reason=ill"


def test_retry_after_is_read_as_a_number_or_a_date() -> None:
    assert _seconds("2") == 2.0
    assert _seconds("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0, "a past date: now"
    assert _seconds("soon") is None
    assert _seconds(None) is None


def test_after_a_long_wait_a_client_reconnects_soon() -> None:
    """Screens are right within five seconds, which includes connecting and catching up."""
    assert RetryPolicy(random=lambda: 1.0).delay_s(1_000) <= 3.0


def test_delays_grow_within_their_bounds() -> None:
    policy = RetryPolicy(first_delay_s=0.1, longest_delay_s=1.0, random=lambda: 1.0)
    assert [policy.delay_s(n) for n in (0, 1, 2, 9, 10_000)] == [0.1, 0.2, 0.4, 1.0, 1.0]
    least = RetryPolicy(first_delay_s=0.1, longest_delay_s=1.0, random=lambda: 0.0)
    assert least.delay_s(0) == 0.05
