"""Published Supabase Realtime clients, in processes of their own.

All are driven by the same commands, as lines of JSON: ``open``, ``join``, ``send``, ``track``,
``untrack``, ``auth``, ``leave``. Their reports are kept with the time of their arrival.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.process import ROOT
from tools.node import install

NODE_FOLDER = ROOT / "tests" / "node"
OLD_REALTIME = ROOT / ".venv" / "realtime-2.30"
"""An older release line, installed by ``make .venv/.installed-dev``."""

KINDS = ("realtime-js 2.0.0", "realtime-js 1.0.0", "realtime-py", "realtime-py 2.30")
JOIN_S = 5.0


@dataclass(frozen=True, slots=True)
class Report:
    type: str
    name: str
    message: Any
    error: str | None
    at: float
    """On the monotonic clock."""


@dataclass(eq=False)
class RealClient:
    """Use :func:`real_client`."""

    kind: str
    process: asyncio.subprocess.Process
    reports: list[Report] = field(default_factory=list)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def is_js(self) -> bool:
        return self.kind.startswith("realtime-js")

    async def do(self, action: str, **sent: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"do": action, **sent}).encode() + b"\n")
        await self.process.stdin.drain()

    async def listen(self) -> None:
        """Keeps the reports of the process until it ends."""
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            content = json.loads(line)
            self.reports.append(
                Report(
                    content["report"],
                    content.get("name", ""),
                    content.get("message"),
                    content.get("error"),
                    time.monotonic(),
                )
            )
            self._changed.set()

    def mark(self) -> int:
        """A value for ``until(since=...)``: only later reports count."""
        return len(self.reports)

    async def until(
        self, matches: Callable[[Report], bool], within_s: float = 3.0, *, since: int = 0
    ) -> Report:
        try:
            async with asyncio.timeout(within_s):
                while True:
                    for each in self.reports[since:]:
                        if matches(each):
                            return each
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            seen = [(each.type, each.message, each.error) for each in self.reports]
            raise AssertionError(f"{self.kind}: not within {within_s} s; reports: {seen}") from None

    async def join(self, topic: str, *, name: str = "", **options: Any) -> None:
        """Joins and waits for ``SUBSCRIBED``.

        A transport that is lost meanwhile, as on a busy machine, is opened again by the library.
        """
        name, since = name or topic, self.mark()
        await self.do("join", name=name, topic=topic, config=options.pop("config", {}), **options)
        joined = await self.status("SUBSCRIBED", name=name, since=since, also=("CHANNEL_ERROR",))
        if "transport failure" in (joined.error or ""):
            joined = await self.status("SUBSCRIBED", name=name, since=since)
        assert joined.message == "SUBSCRIBED", joined

    async def status(
        self,
        status: str,
        within_s: float = JOIN_S,
        *,
        name: str = "",
        since: int = 0,
        also: tuple[str, ...] = (),
    ) -> Report:
        return await self.until(
            lambda each: (
                each.type == "status"
                and name in ("", each.name)
                and each.message in (status, *also)
            ),
            within_s,
            since=since,
        )

    async def event(
        self, type: str, within_s: float = 1.0, *, since: int = 0, **data: Any
    ) -> Report:
        """The first broadcast of the type whose resource has these fields."""
        return await self.until(
            lambda each: (
                each.type == "broadcast"
                and each.message["event"] == type
                and data.items() <= each.message["payload"]["data"].items()
            ),
            within_s,
            since=since,
        )

    async def change(self, kind: str, within_s: float = 1.0, *, since: int = 0) -> dict[str, Any]:
        """The first change of the type: ``{"new", "old", "raw"}``."""
        found = await self.until(
            lambda each: each.type == "change" and _kind_of(each.message) == kind,
            within_s,
            since=since,
        )
        message = found.message
        if self.is_js:
            return {"new": message["new"], "old": message["old"], "raw": message}
        data = message["data"]
        new, old = data.get("record") or {}, data.get("old_record") or {}
        return {"new": new, "old": old, "raw": message}

    def changes(self) -> list[str]:
        return [_kind_of(each.message) for each in self.reports if each.type == "change"]

    def broadcasts(self, name: str = "") -> list[dict[str, Any]]:
        return [
            each.message
            for each in self.reports
            if each.type == "broadcast" and name in ("", each.name)
        ]


def _kind_of(message: dict[str, Any]) -> str:
    kind = message["eventType"] if "eventType" in message else message["data"]["type"]
    return str(kind).removeprefix("RealtimePostgresChangesListenEvent.").upper()


@asynccontextmanager
async def real_client(
    kind: str, url: str, key: str, *, token: str | None = None
) -> AsyncIterator[RealClient]:
    """A client of ``kind`` (one of :data:`KINDS`) that will connect to the hub at ``url``."""
    command, environment = _command(kind)
    process = await asyncio.create_subprocess_exec(
        *command,
        env=environment,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        limit=16 * 1024 * 1024,
    )
    client = RealClient(kind, process)
    listening = asyncio.create_task(client.listen())
    try:
        address = url.replace("http", "ws", 1) + "/realtime/v1"
        vsn = kind.removeprefix("realtime-js ") if client.is_js else None
        await client.do("open", url=address, key=key, token=token, vsn=vsn)
        yield client
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await asyncio.gather(listening, return_exceptions=True)


def _command(kind: str) -> tuple[list[str], dict[str, str]]:
    environment = dict(os.environ)
    if kind.startswith("realtime-js"):
        node = install(NODE_FOLDER)
        return [str(node.node), str(NODE_FOLDER / "supabase.mjs")], dict(node.environment())
    path = [str(ROOT)]
    if kind.endswith("2.30"):
        assert (OLD_REALTIME / "realtime").is_dir(), "run make .venv/.installed-dev"
        path.insert(0, str(OLD_REALTIME))
    environment["PYTHONPATH"] = os.pathsep.join(path)
    script = Path(__file__).parents[1] / "clients" / "supabase_py.py"
    return [sys.executable, str(script)], environment
