"""Supabase Realtime by hand: frames go in and come out as they are, in either version."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

BINDING = {"event": "*", "schema": "public", "table": "appointments"}


@dataclass(frozen=True, slots=True)
class Heard:
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
    kept: list[Heard] = field(default_factory=list)
    """What came while something else was waited for."""

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

    async def read(self, within_s: float = 3.0) -> Heard:
        """The next message, whatever it is. Raises ConnectionError when the hub hung up."""
        message = await asyncio.wait_for(self.ws.receive(), within_s)
        if message.type is aiohttp.WSMsgType.BINARY:
            return _sent(message.data)
        if message.type is not aiohttp.WSMsgType.TEXT:
            raise ConnectionError(self.ws.close_code)
        told = json.loads(message.data)
        if self.vsn == "2.0.0":
            return Heard(*told)
        assert told.keys() == {"topic", "event", "payload", "ref"}
        return Heard(None, told["ref"], told["topic"], told["event"], told["payload"])

    async def until(self, event: str, within_s: float = 3.0, **wanted: Any) -> Heard:
        """The first message of an event with these fields, from what was kept or comes."""
        async with asyncio.timeout(within_s):
            while True:
                for number, heard in enumerate(self.kept):
                    if heard.event == event and all(
                        getattr(heard, name) == value for name, value in wanted.items()
                    ):
                        return self.kept.pop(number)
                self.kept.append(await self.read(within_s))

    async def ask(self, topic: str, event: str, payload: Any = None, **refs: Any) -> Heard:
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
    ) -> Heard:
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
        return await self.ask(f"realtime:{channel}", "phx_join", payload, join_ref=join_ref)

    async def joined(self, channel: str, token: str | None = None, **options: Any) -> Heard:
        reply = await self.join(channel, token, **options)
        assert reply.status == "ok", reply
        return reply

    async def alive(self) -> None:
        """Everything that was sent before has been dealt with."""
        assert (await self.ask("phoenix", "heartbeat")).status == "ok"

    async def close_code(self, within_s: float = 3.0) -> int | None:
        """How the hub hangs up; TimeoutError if it does not."""
        async with asyncio.timeout(within_s):
            while True:
                try:
                    self.kept.append(await self.read(within_s))
                except ConnectionError:
                    return self.ws.close_code


def _sent(frame: bytes) -> Heard:
    """Kind 4."""
    kind, *lengths, encoding = frame[:5]
    assert (kind, encoding) == (4, 1)
    parts, at = [], 5
    for length in lengths:
        parts.append(frame[at : at + length].decode())
        at += length
    topic, event, meta = parts
    content = json.loads(frame[at:])
    payload = {"type": "broadcast", "event": event, "payload": content, "meta": json.loads(meta)}
    return Heard(None, None, topic, "broadcast", payload, binary=True)


def forged(topic: str, event: str, payload: Any, *, join_ref: str = "1", ref: str = "99") -> bytes:
    """A broadcast as realtime-js sends it in version 2.0.0: kind 3."""
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
