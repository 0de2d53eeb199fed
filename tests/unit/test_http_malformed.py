"""What is no HTTP, a broken body, and a client that leaves: one 4xx, one line, no alarm."""

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from tests.support.logs import Logs, captured_logs
from tests.unit.api_world import PROFILE
from tests.unit.http_world import WITHIN_S, HttpWorld, http_world

INVALID = (400, "VALIDATION_ERROR")
UNKNOWN_CODING = (415, "UNSUPPORTED_MEDIA_TYPE")
SECRET = "secret-of-the-client"


@asynccontextmanager
async def watched() -> AsyncIterator[tuple[HttpWorld, Logs]]:
    """At the end nothing was logged as a failure, counted as one, or quoted."""
    with captured_logs() as logs:
        async with http_world() as w:
            w.people.results["me"] = PROFILE
            yield w, logs
            await w.close()
            await w.connected(0)
        assert [line for line in logs.lines() if line["level"] != "info"] == []
        assert "Traceback" not in logs.getvalue()
        assert SECRET not in logs.getvalue()
        assert [status for _, _, status, _ in w.requests if status >= 500] == []


def request(*lines: str, first: str = "GET /health HTTP/1.1") -> bytes:
    return "\r\n".join((first, *lines, "", "")).encode("latin-1")


HOST = "Host: hub"


def packed(data: bytes) -> bytes:
    """The same bytes each time: names of tests are made of them."""
    return gzip.compress(data, mtime=0)


@pytest.mark.parametrize(
    "raw",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        request(HOST, first=f"G@T /{SECRET} HTTP/1.1"),
        request(HOST, first=f"FOO /{SECRET} HTTP/1.1"),
        request(HOST, first="A" * 50_000 + " / HTTP/1.1"),
        request(HOST, first=f"GET /a {SECRET} HTTP/1.1"),
        request(HOST, first="GET /\xff\xfe HTTP/1.1"),
        request(HOST, first="GET /\x00 HTTP/1.1"),
        request(HOST, first="GET http://[::1/ HTTP/1.1"),
        request(HOST, first="GET http://hub:99999999/ HTTP/1.1"),
        request(HOST, first="GET /" + "a" * 100_000 + " HTTP/1.1"),
        request(HOST, first="GET /health HTTP/x.y"),
        request(),
        request("Host: a", "Host: b"),
        request(HOST, f"no-colon {SECRET}"),
        request(HOST, f"Authorization : Bearer {SECRET}"),
        request(HOST, f"Authorization: Bearer {SECRET}\x00"),
        request(HOST, "Folded: a", " b"),
        request(HOST, *(f"X-{number}: {SECRET}" for number in range(5_000))),
        request(HOST, f"X-Long: {SECRET}" + "y" * 100_000),
        request(HOST, "Content-Length: -5", first="POST / HTTP/1.1"),
        request(HOST, "Content-Length: +5", first="POST / HTTP/1.1"),
        request(HOST, f"Content-Length: {SECRET}", first="POST / HTTP/1.1"),
        request(HOST, "Content-Length: " + "9" * 40, first="POST / HTTP/1.1"),
        request(HOST, "Content-Length: 2", "Content-Length: 3", first="POST / HTTP/1.1"),
        request(HOST, "Transfer-Encoding: gzip", first="POST / HTTP/1.1"),
        request(HOST, "Content-Length: 2", "Transfer-Encoding: chunked", first="POST / HTTP/1.1"),
        request(HOST).replace(b"\r\n", b"\n"),
        request(HOST).replace(b"\r\n", b"\r"),
        request(HOST) + b"garbage after a request\r\n\r\n",
    ],
)
async def test_what_is_no_http_is_refused_in_the_one_form(raw: bytes) -> None:
    async with watched() as (w, logs):
        client = await w.connect()
        await client.send(raw)
        answer = await client.answer()
        assert answer.refusal == INVALID
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert SECRET.encode() not in answer.body
        await client.until_closed()
    (line,) = logs.lines()
    assert (line["event"], line["status"]) == ("http_refused", 400)
    assert line["request_id"] == answer.error["request_id"]
    assert w.requests == [("unknown", "unknown", 400, 0.0)]


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (request(HOST, first="GET /%zz%f HTTP/1.1"), 404),
        (request(HOST, first="GET /%ff%fe HTTP/1.1"), 404),
        (request(HOST, first="GET /docs/%00 HTTP/1.1"), 404),
        (request(HOST, first="GET //evil/..//health HTTP/1.1"), 404),
        (request(HOST, first="OPTIONS * HTTP/1.1"), 404),
        (request(HOST, first="CONNECT hub:80 HTTP/1.1"), 404),
        (request(HOST, first="TRACE /health HTTP/1.1"), 405),
        (request(HOST, "Expect: tea"), 417),
        (request(HOST, "Authorization: \xff\xfe", first="GET /api/profiles/me HTTP/1.1"), 401),
        (request("Host: [::1", "Origin: \xff://[", first="GET /api/nowhere HTTP/1.1"), 401),
        (request("Host: a b/\xff[", first="GET /nowhere HTTP/1.1"), 404),
    ],
)
async def test_an_odd_request_gets_its_own_error(raw: bytes, status: int) -> None:
    async with watched() as (w, logs):
        client = await w.connect()
        await client.send(raw)
        answer = await client.answer()
        assert answer.error["code"]
        assert answer.status == status
    assert [line["status"] for line in logs.lines()] == [status]


# --- bodies ------------------------------------------------------------------------------


def post(w: HttpWorld, *lines: str, body: bytes = b"", token: bool = True) -> bytes:
    sent = [HOST, "Content-Type: application/json", *lines]
    if token:
        sent.append(f"Authorization: Bearer {w.token()}")
    return request(*sent, first="POST /api/appointments HTTP/1.1") + body


def raw_deflate(data: bytes) -> bytes:
    deflate = zlib.compressobj(wbits=-15)
    return deflate.compress(data) + deflate.flush()


@pytest.mark.parametrize("token", [True, False])
@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", b"this is not gzip"),
        ("gzip", packed(b"{}" * 50)[:15]),
        ("GZIP", packed(b"{}") + b"and more"),
        ("deflate", b"this is not deflate"),
        ("gzip", raw_deflate(b"{}")),
    ],
)
async def test_a_broken_compressed_body_is_400(token: bool, coding: str, body: bytes) -> None:
    async with watched() as (w, logs):
        client = await w.connect()
        length = f"Content-Length: {len(body)}"
        await client.send(post(w, f"Content-Encoding: {coding}", length, body=body, token=token))
        answer = await client.answer()
        assert answer.refusal == (INVALID if token else (401, "UNAUTHORIZED"))
    assert len(logs.lines()) == 1


@pytest.mark.parametrize(
    "coding", ["br", "zstd", "compress", "x-gzip", "gzip, gzip", "gzip, identity", "", "\xff", "*"]
)
async def test_an_unknown_coding_is_415(coding: str) -> None:
    async with watched() as (w, logs):
        client = await w.connect()
        await client.send(post(w, f"Content-Encoding: {coding}", "Content-Length: 2", body=b"{}"))
        answer = await client.answer()
        assert answer.refusal == UNKNOWN_CODING
        assert answer.headers["accept-encoding"] == "gzip, deflate"
    assert [line["status"] for line in logs.lines()] == [415]


async def test_two_codings_are_415() -> None:
    async with watched() as (w, _):
        client = await w.connect()
        body = packed(b"{}")
        twice = ("Content-Encoding: gzip", "Content-Encoding: gzip")
        await client.send(post(w, *twice, f"Content-Length: {len(body)}", body=body))
        assert (await client.answer()).refusal == UNKNOWN_CODING


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", packed(b"{}")),
        ("Deflate", zlib.compress(b"{}")),
        ("identity", b"{}"),
    ],
)
async def test_a_known_coding_is_decoded(coding: str, body: bytes) -> None:
    async with watched() as (w, _):
        client = await w.connect()
        length = f"Content-Length: {len(body)}"
        await client.send(post(w, f"Content-Encoding: {coding}", length, body=body))
        answer = await client.answer()
        assert answer.refusal == INVALID
        assert answer.error["details"], "the object was read, and lacks its fields"


async def test_a_small_body_that_grows_is_413() -> None:
    async with watched() as (w, _):
        client = await w.connect()
        body = packed(b"0" * 5_000_000)
        length = f"Content-Length: {len(body)}"
        await client.send(post(w, "Content-Encoding: gzip", length, body=body))
        assert (await client.answer()).refusal == (413, "PAYLOAD_TOO_LARGE")


async def test_a_body_that_is_announced_too_large_is_413_at_once() -> None:
    async with watched() as (w, _):
        client = await w.connect()
        await client.send(post(w, "Content-Length: 9999999999", body=b"{"))
        assert (await client.answer()).refusal == (413, "PAYLOAD_TOO_LARGE")


@pytest.mark.parametrize("token", [True, False])
@pytest.mark.parametrize(
    "body",
    [
        b"zz\r\n",
        b"2\r\n{}xx\r\n",
        b"-1\r\n",
        b"2;" + b"a" * 100_000 + b"\r\n{}\r\n0\r\n\r\n",
        b"2\r\n{}\r\n0\r\n"
        + b"".join(b"X-%d: y\r\n" % number for number in range(5_000))
        + b"\r\n",
    ],
)
async def test_broken_chunks_are_a_client_error(token: bool, body: bytes) -> None:
    async with watched() as (w, _):
        client = await w.connect()
        await client.send(post(w, "Transfer-Encoding: chunked", body=body, token=token))
        answer = await client.answer()
        assert answer.status in (400, 401)
        assert answer.error["code"]


@pytest.mark.parametrize(
    ("media_type", "status"),
    [
        ('"/;;=;charset=\xff', 415),
        ("application/json; charset=klingon", 400),
        ("multipart/form-data", 415),
        ("multipart/form-data; boundary=\xff", 415),
        ("application/json" + ";" * 20_000, 400),  # took seconds
        ("application/json" + ";a=b" * 5_000, 400),
        ("(" * 20_000, 415),  # was a stack overflow
        ('application/json; a="' + '\\"' * 10_000, 400),
    ],
)
async def test_an_odd_media_type_is_a_client_error(media_type: str, status: int) -> None:
    async with watched() as (w, logs):
        client = await w.connect()
        sent = (HOST, f"Authorization: Bearer {w.token()}", f"Content-Type: {media_type}")
        raw = request(*sent, "Content-Length: 2", first="POST /api/appointments HTTP/1.1")
        await client.send(raw + b"{}")
        answer = await client.answer()
        assert answer.error["code"]
        assert answer.status == status
    assert len(logs.lines()) == 1


# --- clients that leave ------------------------------------------------------------------


async def logged(logs: Logs, event: str) -> list[int]:
    """The statuses of the lines, once there is one."""
    async with asyncio.timeout(WITHIN_S):
        while not (lines := logs.lines(event)):  # noqa: ASYNC110  # the hub writes it
            await asyncio.sleep(0.002)
    return [line["status"] for line in lines]


@pytest.mark.parametrize("form", ["Content-Length: 100", "Transfer-Encoding: chunked"])
@pytest.mark.parametrize("reset", [True, False])
async def test_an_aborted_upload_is_logged_as_a_client_that_left(form: str, reset: bool) -> None:
    async with watched() as (w, logs):
        client = await w.connect()
        await client.send(post(w, form, body=b"1\r\n{\r\n"))
        await asyncio.sleep(0.02)
        client.abort() if reset else await client.close()
        assert await logged(logs, "api_request") == [499]
        await w.connected(0)
    assert [status for _, _, status, _ in w.requests] == [499]


@pytest.mark.parametrize("reset", [True, False])
async def test_an_upload_that_is_aborted_after_its_refusal_is_no_alarm(reset: bool) -> None:
    async with watched() as (w, logs):
        client = await w.connect()
        await client.send(post(w, "Content-Length: 100", body=b"{", token=False))
        assert (await client.answer()).status == 401
        client.abort() if reset else await client.close()
        await w.connected(0)
    assert len(logs.lines()) == 1


async def test_a_client_that_leaves_before_its_response_is_no_alarm() -> None:
    goes_on = asyncio.Event()

    async def slow(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await goes_on.wait()
        for _ in range(200):
            await response.write(b"x" * 100_000)
        raise AssertionError("writes to a closed connection fail")

    with captured_logs() as logs:
        async with http_world([web.get("/slow", slow)]) as w:
            client = await w.connect()
            await client.send(request(HOST, first="GET /slow HTTP/1.1"))
            await asyncio.sleep(0.02)
            client.abort()
            await w.connected(0)
            goes_on.set()
            assert await logged(logs, "api_request") == [499]
    assert [line for line in logs.lines() if line["level"] != "info"] == []


async def test_our_own_failure_is_still_an_alarm() -> None:
    """Also one of the kinds that clients can cause, if it is not about their connection."""

    async def fails(request: web.Request) -> web.Response:
        raise ConnectionRefusedError("the database is not there")

    with captured_logs() as logs:
        async with http_world([web.get("/fails", fails)]) as w:
            answer = await (await w.connect()).get("/fails")
            assert answer.refusal == (500, "INTERNAL_ERROR")
    (line,) = [line for line in logs.lines() if line["level"] == "error"]
    assert "ConnectionRefusedError" in line["exception"]
