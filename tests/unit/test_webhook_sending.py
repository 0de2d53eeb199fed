"""One request to a misbehaving receiver: bounded, and only to a checked address."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from standardwebhooks import Webhook as Verifier

from actors.domain.channels import AVAILABILITY_ALL
from actors.domain.principal import Principal, Role
from actors.domain.webhook import Webhook, WebhookId
from actors.ports.webhooks import Attempt, Target, WebhookView
from hub.webhooks.messages import WebhookMessage, notice_message
from hub.webhooks.resolver import NOT_PUBLIC
from hub.webhooks.sender import Sender, retry_after_s
from hub.webhooks.settings import WebhookSettings
from tests.unit.test_webhook_addresses import Names

SECRETS = (
    "whsec_" + "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0",
    "whsec_" + "YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4",
)
Handle = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def target(url: str) -> Target:
    now = datetime.now(UTC)
    webhook = Webhook(
        id=WebhookId("w"),
        owner=Principal(role=Role.CHATBOT, subject="bot"),
        url=url,
        channels=(AVAILABILITY_ALL,),
        key_id="key-1",
        expires_at=now + timedelta(days=90),
        created_at=now,
        updated_at=now,
    )
    return Target(view=WebhookView(webhook=webhook, progress=()), secrets=SECRETS)


def message() -> WebhookMessage:
    now = datetime.now(UTC)
    return notice_message(target("https://x.example").view.webhook, "id-1", "webhook.ping", now)


@asynccontextmanager
async def serving(handle: Handle) -> AsyncIterator[int]:
    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def answering(*parts: bytes) -> tuple[Handle, list[bytes]]:
    requests: list[bytes] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        requests.append(head + await reader.readexactly(length))
        for part in parts:
            writer.write(part)
        await writer.drain()
        writer.close()

    return handle, requests


async def send(
    url: str, *, allowed: str = "127.0.0.0/8", names: Names | None = None, timeout_s: float = 5.0
) -> Attempt:
    settings = WebhookSettings(allowed_networks=(allowed,), allow_http=True, timeout_s=timeout_s)
    sender = Sender(settings, names)
    try:
        return await sender.send(target(url), message(), datetime.now(UTC))
    finally:
        await sender.close()


async def test_a_request_is_signed_with_every_secret() -> None:
    handle, requests = answering(b"HTTP/1.1 204 No Content\r\n\r\n")
    async with serving(handle) as port:
        attempt = await send(f"http://127.0.0.1:{port}/hook")
    assert (attempt.status, attempt.delivered, attempt.error) == (204, True, None)
    head, _, body = requests[0].partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /hook HTTP/1.1"
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    assert headers["content-type"].startswith("application/cloudevents+json")
    for secret in SECRETS:
        assert Verifier(secret).verify(body, headers)["specversion"] == "1.0"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_a_failure_and_is_not_followed(status: int) -> None:
    inside, requests = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    async with serving(inside) as hidden:
        where = f"HTTP/1.1 {status} Moved\r\nLocation: http://127.0.0.1:{hidden}/\r\n".encode()
        handle, _ = answering(where + b"Content-Length: 0\r\n\r\n")
        async with serving(handle) as port:
            attempt = await send(f"http://127.0.0.1:{port}/")
    assert (attempt.status, attempt.delivered) == (status, False)
    assert requests == []


async def test_a_hanging_receiver_times_out() -> None:
    never = asyncio.Event()

    async def hang(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await never.wait()
        finally:
            writer.close()

    async with serving(hang) as port:
        attempt = await send(f"http://127.0.0.1:{port}/", timeout_s=0.1)
        never.set()
    assert (attempt.status, attempt.error) == (None, "no answer in time")
    assert attempt.duration_ms < 2_000


async def test_an_endless_answer_is_not_read() -> None:
    sent = 0

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            while sent < 200_000_000:
                writer.write(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
                sent += 0x10000
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    async with serving(endless) as port:
        attempt = await send(f"http://127.0.0.1:{port}/")
    assert attempt.delivered
    assert sent < 50_000_000


@pytest.mark.parametrize(
    "answer",
    [
        b"not HTTP at all\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 999999 What\r\n\r\n",
        b"",
    ],
)
async def test_a_malformed_answer_is_a_failure(answer: bytes) -> None:
    handle, _ = answering(answer)
    async with serving(handle) as port:
        attempt = await send(f"http://127.0.0.1:{port}/")
    assert not attempt.delivered
    assert attempt.status is None
    assert attempt.error


async def test_a_refused_connection_is_a_failure() -> None:
    handle, _ = answering(b"")
    async with serving(handle) as port:
        pass
    attempt = await send(f"http://127.0.0.1:{port}/")
    assert (attempt.status, attempt.error) == (None, "the connection failed")


async def test_retry_after_is_read() -> None:
    handle, _ = answering(b"HTTP/1.1 503 Busy\r\nRetry-After: 120\r\nContent-Length: 0\r\n\r\n")
    async with serving(handle) as port:
        attempt = await send(f"http://127.0.0.1:{port}/")
    assert (attempt.status, attempt.retry_after_s) == (503, 120.0)


NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "waits_s"),
    [
        ("120", 120.0),
        (" 0 ", 0.0),
        ("9999999", 9_999_999.0),  # the caller caps it
        ("9" * 5_000, float("inf")),
        ("Mon, 30 Nov 2026 12:02:00 GMT", 120.0),
        ("Monday, 30-Nov-26 12:02:00 GMT", 120.0),
        ("Mon Nov 30 12:02:00 2026", 120.0),
        ("Mon, 30 Nov 2026 11:00:00 GMT", 0.0),
        (
            "Fri, 31 Dec 9999 23:59:59 GMT",
            (datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC) - NOW).total_seconds(),
        ),
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("\u0663", None),
        ("Mon, 30 Nov 99999 12:00:00 GMT", None),
        ("Mon, 30 Nov 2026 12:02:00 +9999", None),
    ],
)
def test_retry_after_takes_seconds_and_dates(header: str | None, waits_s: float | None) -> None:
    assert retry_after_s(header, NOW) == waits_s


async def test_a_date_in_retry_after_is_honoured() -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(hours=2), usegmt=True).encode()
    answer = b"HTTP/1.1 429 Slow\r\nRetry-After: " + later + b"\r\nContent-Length: 0\r\n\r\n"
    handle, _ = answering(answer)
    async with serving(handle) as port:
        attempt = await send(f"http://127.0.0.1:{port}/")
    assert attempt.retry_after_s is not None
    assert 7_000 < attempt.retry_after_s <= 7_200


async def test_a_name_is_looked_up_and_checked_for_every_connection() -> None:
    """DNS rebinding: public when it was checked, this machine when it is connected to."""
    handle, requests = answering(b"HTTP/1.1 204 No Content\r\n\r\n")
    names = Names()
    async with serving(handle) as port:
        names.answers["rebinding.example"] = [["8.8.8.8"], ["127.0.0.1"]]
        url = f"http://rebinding.example:{port}/"
        sender = Sender(WebhookSettings(allow_http=True, timeout_s=5.0), names)
        try:
            await sender.check(url)
            attempt = await sender.send(target(url), message(), datetime.now(UTC))
        finally:
            await sender.close()
    assert names.looked_up == ["rebinding.example"] * 2
    assert attempt.error == NOT_PUBLIC
    assert requests == []


async def test_the_connection_uses_the_checked_address() -> None:
    handle, requests = answering(b"HTTP/1.1 204 No Content\r\n\r\n")
    names = Names()
    async with serving(handle) as port:
        names.answers["bot.example"] = [["127.0.0.1"], ["10.0.0.1"]]
        attempt = await send(f"http://bot.example:{port}/hook", names=names)
    assert attempt.delivered
    assert names.looked_up == ["bot.example"], "one lookup, for the check and the connection"
    assert b"Host: bot.example" in requests[0]


async def test_literal_addresses_are_checked_when_sending() -> None:
    for url in ("http://127.0.0.1:9/", "http://2130706433:9/", "http://[::ffff:7f00:1]:9/"):
        attempt = await send(url, allowed="10.0.0.0/8")
        assert attempt.status is None
        assert "address" in (attempt.error or "")
