"""Drives the PyPI package ``realtime``: reads commands and writes reports, as lines of JSON.

It runs as a program of its own, so that any version can be first on the path.
tests/support/supabase_clients.py documents the lines.
"""

import asyncio
import json
import sys
from typing import Any

from realtime import AsyncRealtimeChannel, AsyncRealtimeClient
from realtime.types import RealtimeAcknowledgementStatus


def report(**content: Any) -> None:
    print(json.dumps(content, default=str), flush=True)


class Driver:
    client: AsyncRealtimeClient

    def __init__(self) -> None:
        self.channels: dict[str, AsyncRealtimeChannel] = {}

    async def open(self, *, url: str, key: str, token: str | None = None, **_: Any) -> None:
        self.client = AsyncRealtimeClient(url, key, max_retries=30, initial_backoff=0.2)
        if token:
            await self.client.set_auth(token)

    async def join(
        self,
        *,
        name: str,
        topic: str,
        config: dict[str, Any],
        broadcasts: list[str] | None = None,
        changes: list[dict[str, Any]] | None = None,
        presence: bool = False,
    ) -> None:
        params: Any = {
            "config": {
                "broadcast": {"ack": False, "self": False},
                "presence": {"key": "", "enabled": presence},
                "private": True,
                **config,
            }
        }
        channel = self.client.channel(topic, params)
        self.channels[name] = channel
        for event in broadcasts or ():
            channel.on_broadcast(
                event, lambda message: report(report="broadcast", name=name, message=message)
            )
        for change in changes or ():
            channel.on_postgres_changes(
                callback=lambda message: report(report="change", name=name, message=message),
                **change,
            )
        if presence:
            channel.on_presence_sync(
                lambda: report(report="presence", name=name, message=channel.presence_state())
            )
        await channel.subscribe(
            lambda status, error: report(
                report="status",
                name=name,
                message=status.value,
                error=str(error) if error else None,
            )
        )

    async def send(self, *, name: str, event: str, payload: Any) -> None:
        sent = {"type": "broadcast", "event": event, "payload": payload}
        push = await self.channels[name].push("broadcast", sent)
        for answer in (RealtimeAcknowledgementStatus.Ok, RealtimeAcknowledgementStatus.Error):
            push.receive(
                answer,
                lambda _response, answer=answer: report(
                    report="sent", name=name, message=answer.value
                ),
            )

    async def track(self, *, name: str, meta: Any) -> None:
        await self.channels[name].track(meta)

    async def untrack(self, *, name: str) -> None:
        await self.channels[name].untrack()

    async def auth(self, *, token: str) -> None:
        await self.client.set_auth(token)

    async def leave(self, *, name: str) -> None:
        await self.channels[name].unsubscribe()
        report(report="left", name=name, message="ok")


async def main() -> None:
    driver, loop = Driver(), asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        sent = json.loads(line)
        await getattr(driver, sent.pop("do"))(**sent)


if __name__ == "__main__":
    asyncio.run(main())
