"""The PyPI package ``realtime``, told what to do by lines and telling by lines what it got.

A program of its own, so that any version can be put in front of the path. The words are
those of tests/support/supabase_clients.py.
"""

import asyncio
import json
import sys
from typing import Any

from realtime import AsyncRealtimeChannel, AsyncRealtimeClient
from realtime.types import RealtimeAcknowledgementStatus


def tell(**told: Any) -> None:
    print(json.dumps(told, default=str), flush=True)


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
                event, lambda message: tell(told="broadcast", name=name, message=message)
            )
        for wanted in changes or ():
            channel.on_postgres_changes(
                callback=lambda message: tell(told="change", name=name, message=message),
                **wanted,
            )
        if presence:
            channel.on_presence_sync(
                lambda: tell(told="presence", name=name, message=channel.presence_state())
            )
        await channel.subscribe(
            lambda status, error: tell(
                told="status", name=name, message=status.value, error=str(error) if error else None
            )
        )

    async def send(self, *, name: str, event: str, payload: Any) -> None:
        sent = {"type": "broadcast", "event": event, "payload": payload}
        push = await self.channels[name].push("broadcast", sent)
        for answer in (RealtimeAcknowledgementStatus.Ok, RealtimeAcknowledgementStatus.Error):
            push.receive(
                answer,
                lambda _response, answer=answer: tell(told="sent", name=name, message=answer.value),
            )

    async def track(self, *, name: str, said: Any) -> None:
        await self.channels[name].track(said)

    async def untrack(self, *, name: str) -> None:
        await self.channels[name].untrack()

    async def auth(self, *, token: str) -> None:
        await self.client.set_auth(token)

    async def leave(self, *, name: str) -> None:
        await self.channels[name].unsubscribe()
        tell(told="left", name=name, message="ok")


async def main() -> None:
    driver, loop = Driver(), asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        sent = json.loads(line)
        await getattr(driver, sent.pop("do"))(**sent)


if __name__ == "__main__":
    asyncio.run(main())
