"""A Supabase Realtime client that sends and receives raw frames, in either version."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

BINDING = {"event": "*", "schema": "public", "table": "appointments"}


@dataclass(frozen=True, slots=True)
class ServerMessage:
    join_ref: Any
    ref: Any
    topic: str
    event: str
    payload: Any
    binary: bool = False

    @property
    def status(self) -> str:
        return str(self.payload["status"])

    @property
    def reason(self) -> str:
        return str(self.payload["response"]["reason"])


@dataclass(eq=False)
class RawSupabase:
    ws: aiohttp.ClientWebSocketResponse
    vsn: str
    ref: int = 0
    kept: list[ServerMessage] = field(default_factory=list)
    """Messages that arrived while another one was expected."""

    async def send(self, frame: str | bytes) -> None:
        if isinstance(frame, bytes):
            await self.ws.send_bytes(frame)
        else:
            await self.ws.send_str(frame)

    async def push(
        self, topic: str, event: str, payload: Any = None, *, join_ref: Any = None
    ) -> str:
        """Send a message; returns its ref."""
        self.ref += 1
        ref, payload = str(self.ref), payload if payload is not None else {}
        if self.vsn == "2.0.0":
            await self.send(json.dumps([join_ref, ref, topic, event, payload]))
        else:
            message = {"topic": topic, "event": event, "payload": payload, "ref": ref}
            await self.send(json.dumps(message))
        return ref

    async def read(self, within_s: float = 3.0) -> ServerMessage:
        """The next message. Raises ConnectionError when the hub has closed the socket."""
        message = await asyncio.wait_for(self.ws.receive(), within_s)
        if message.type is aiohttp.WSMsgType.BINARY:
            return _broadcast_of(message.data)
        if message.type is not aiohttp.WSMsgType.TEXT:
            raise ConnectionError(self.ws.close_code)
        content = json.loads(message.data)
        if self.vsn == "2.0.0":
            return ServerMessage(*content)
        assert content.keys() == {"topic", "event", "payload", "ref"}
        return ServerMessage(
            None, content["ref"], content["topic"], content["event"], content["payload"]
        )

    async def until(self, event: str, within_s: float = 3.0, **fields: Any) -> ServerMessage:
        """The first message of the event with these fields, kept or new."""
        async with asyncio.timeout(within_s):
            while True:
                for number, message in enumerate(self.kept):
                    if message.event == event and all(
                        getattr(message, name) == value for name, value in fields.items()
                    ):
                        return self.kept.pop(number)
                self.kept.append(await self.read(within_s))

    async def request(
        self, topic: str, event: str, payload: Any = None, **refs: Any
    ) -> ServerMessage:
        ref = await self.push(topic, event, payload, **refs)
        return await self.until("phx_reply", ref=ref)

    async def join(
        self,
        channel: str,
        token: str | None = None,
        *,
        changes: Any = (),
        replay: Any = None,
        presence: Any = None,
        ack: bool = False,
    ) -> ServerMessage:
        """The reply; the join's ref is also its join_ref."""
        broadcast = {"ack": ack, "self": False} | ({"replay": replay} if replay else {})
        config = {
            "broadcast": broadcast,
            "presence": presence or {"key": "", "enabled": False},
            "postgres_changes": list(changes),
            "private": True,
        }
        payload = {"config": config} | ({"access_token": token} if token is not None else {})
        join_ref = str(self.ref + 1)
        return await self.request(f"realtime:{channel}", "phx_join", payload, join_ref=join_ref)

    async def joined(self, channel: str, token: str | None = None, **options: Any) -> ServerMessage:
        reply = await self.join(channel, token, **options)
        assert reply.status == "ok", reply
        return reply

    async def alive(self) -> None:
        """Returns when the hub has handled all messages that were sent before."""
        assert (await self.request("phoenix", "heartbeat")).status == "ok"

    async def close_code(self, within_s: float = 3.0) -> int | None:
        """The code with which the hub closes the socket; TimeoutError if it does not."""
        async with asyncio.timeout(within_s):
            while True:
                try:
                    self.kept.append(await self.read(within_s))
                except ConnectionError:
                    return self.ws.close_code


def _broadcast_of(frame: bytes) -> ServerMessage:
    """Decodes kind 4."""
    kind, *lengths, encoding = frame[:5]
    assert (kind, encoding) == (4, 1)
    parts, at = [], 5
    for length in lengths:
        parts.append(frame[at : at + length].decode())
        at += length
    topic, event, meta = parts
    content = json.loads(frame[at:])
    payload = {"type": "broadcast", "event": event, "payload": content, "meta": json.loads(meta)}
    return ServerMessage(None, None, topic, "broadcast", payload, binary=True)


def client_broadcast(
    topic: str, event: str, payload: Any, *, join_ref: str = "1", ref: str = "99"
) -> bytes:
    """A broadcast as realtime-js 2.0.0 sends it: kind 3."""
    names = [each.encode() for each in (join_ref, ref, topic, event, "")]
    return bytes((3, *map(len, names), 1)) + b"".join(names) + json.dumps(payload).encode()


@asynccontextmanager
async def raw_supabase(
    session: aiohttp.ClientSession,
    url: str,
    key: str,
    *,
    vsn: str = "2.0.0",
    path: str = "/realtime/v1/websocket",
) -> AsyncIterator[RawSupabase]:
    params = {"apikey": key, "vsn": vsn}
    async with session.ws_connect(url + path, params=params, max_msg_size=0) as ws:
        yield RawSupabase(ws, vsn)
