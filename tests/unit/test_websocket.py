"""Messages of a WebSocket are handled while they are read, and never overtake each other."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp._websocket.reader import WebSocketDataQueue, WebSocketReader
from aiohttp.base_protocol import BaseProtocol
from aiohttp.test_utils import TestClient, TestServer

from api.realtime.engineio.websocket import PRIVATE_NAMES, MessageQueue, WebSocket
from tests.unit.relay_world import until


class Receiver:
    """Serves one WebSocket; ``takes`` decides which texts are handled at once."""

    def __init__(self, takes: Callable[[str], bool]) -> None:
        self._takes = takes
        self.handled: list[str] = []
        """All messages, in the order in which they were handled."""
        self.at_once: list[str] = []
        self.reads = asyncio.Event()
        """The queue is read while it is set."""

    def _now(self, text: str) -> bool:
        if not self._takes(text):
            return False
        self.at_once.append(text)
        self.handled.append(text)
        return True

    async def serve(self, request: web.Request) -> web.StreamResponse:
        websocket = WebSocket(request, 1_000, compress=False)
        await websocket.response.prepare(request)
        websocket.handle_now(self._now)
        try:
            while True:
                await self.reads.wait()
                self.handled.append(str(await websocket.receive()))
        except OSError:
            return websocket.response

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Callable[..., Awaitable[None]]]:
        """A function that sends texts, and returns when all of them were handled."""
        app = web.Application()
        app.router.add_get("/", self.serve)
        async with TestClient(TestServer(app)) as http, http.ws_connect("/") as socket:

            async def send(*texts: str) -> None:
                for text in texts:
                    await socket.send_str(text)
                await until(lambda: len(self.handled) == len(texts))

            yield send


async def test_texts_are_handled_while_they_are_read() -> None:
    receiver = Receiver(takes=lambda _: True)
    async with receiver.client() as send:
        await send("a", "b")
    assert receiver.at_once == receiver.handled == ["a", "b"]


async def test_no_message_overtakes_one_that_waits() -> None:
    receiver = Receiver(takes=lambda text: text != "slow")
    async with receiver.client() as send:
        asyncio.get_running_loop().call_later(0.05, receiver.reads.set)
        await send("a", "slow", "b", "c")
    assert receiver.handled == ["a", "slow", "b", "c"]
    assert receiver.at_once == ["a"], "the others wait behind the slow one"


async def test_the_private_names_are_those_of_aiohttp() -> None:
    assert set(PRIVATE_NAMES) == {
        "aiohttp._websocket.reader.WebSocketDataQueue",
        "WebSocketDataQueue._buffer",
        "WebSocketResponse._reader",
    }
    assert hasattr(web.WebSocketResponse, "_reader")
    assert hasattr(WebSocketDataQueue, "_buffer")


async def test_what_is_parsed_while_a_message_is_taken_waits_behind_it() -> None:
    """After a long message, aiohttp parses on when that message is taken out of the queue."""
    handled: list[str] = []

    def takes_short_texts(text: str) -> bool:
        if len(text) < 10:
            handled.append(text)
        return len(text) < 10

    queue = MessageQueue(Upgraded())
    queue.handle_now = takes_short_texts
    reader = WebSocketReader(queue, 1 << 20, compress=False, decode_text=True)
    reader.feed_data(b"".join(map(frame, ["first", "b" * 140_000, "last"])))
    await queue.read()
    assert handled == ["first"], "the last one waits until the long one was handled"
    assert (await queue.read()).data == "last"
    reader.feed_data(frame("next"))
    assert handled == ["first"], "the last one is being handled"


class Upgraded(BaseProtocol):
    """The protocol of a connection that has become a WebSocket."""

    def __init__(self) -> None:
        super().__init__(asyncio.get_running_loop())
        self._upgraded = True


def frame(text: str) -> bytes:
    """A text frame of a server, which is not masked (RFC 6455, section 5.2)."""
    payload = text.encode()
    short = len(payload) < 126
    length = bytes([len(payload)]) if short else b"\x7f" + len(payload).to_bytes(8)
    return b"\x81" + length + payload
