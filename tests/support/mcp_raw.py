"""An MCP client that sends any bytes, over both transports, and keeps the server's log lines."""

import asyncio
import json
import sys
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from tests.support.clinic import CHATBOT, Clinic
from tests.support.commandline import ROOT, environment
from tests.support.logs import Logs
from tests.support.mcp_http import serving_http

TRANSPORTS = ("stdio", "http")
HANDSHAKE = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "raw", "version": "1"},
}
ENVELOPE_VERSION = "2026-07-28"
ENVELOPE = {
    "io.modelcontextprotocol/protocolVersion": ENVELOPE_VERSION,
    "io.modelcontextprotocol/clientInfo": {"name": "raw", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
"""Each request of the newest protocol carries it, instead of the handshake."""


class RawMcp(ABC):
    """Sends requests and reads their answers."""

    @abstractmethod
    async def send(self, body: bytes) -> Any:
        """The answer to these bytes."""

    @abstractmethod
    async def log(self) -> Sequence[Mapping[str, Any]]:
        """What the server has logged so far; stdio: after its end."""

    async def request(self, method: str, params: Any = None) -> Any:
        """The answer, whole: with ``result`` or ``error``."""
        sent = {"jsonrpc": "2.0", "id": 1, "method": method}
        return await self.send(
            json.dumps(sent if params is None else {**sent, "params": params}).encode()
        )

    async def call(self, tool: str, arguments: Mapping[str, Any]) -> Any:
        answer = await self.request("tools/call", {"name": tool, "arguments": arguments})
        return answer["result"]

    async def initialize(self) -> Any:
        return (await self.request("initialize", HANDSHAKE))["result"]


@asynccontextmanager
async def raw_mcp(transport: str, clinic: Clinic, logs: Logs) -> AsyncIterator[RawMcp]:
    """A server for the clinic's first patient, and a connection to it."""
    async with _over_stdio(clinic) if transport == "stdio" else _over_http(clinic, logs) as raw:
        yield raw


class _Stdio(RawMcp):
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def send(self, body: bytes) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(body + b"\n")
        await self._process.stdin.drain()
        async with asyncio.timeout(60):
            return json.loads(await self._process.stdout.readline())

    async def log(self) -> Sequence[Mapping[str, Any]]:
        assert self._process.stdin is not None
        assert self._process.stderr is not None
        self._process.stdin.close()
        async with asyncio.timeout(60):
            text = await self._process.stderr.read()
        return [json.loads(line) for line in text.splitlines()]


class _Http(RawMcp):
    def __init__(
        self, session: aiohttp.ClientSession, url: str, headers: dict[str, str], logs: Logs
    ) -> None:
        self._session, self._url, self._headers, self._logs = session, url, headers, logs

    async def send(self, body: bytes) -> Any:
        sent = {**self._headers, **_headers_of(body)}
        async with self._session.post(self._url, data=body, headers=sent) as answer:
            if session_id := answer.headers.get("Mcp-Session-Id"):
                self._headers["Mcp-Session-Id"] = session_id
            text = await answer.text()
        data = [line[6:] for line in text.splitlines() if line.startswith("data: {")]
        return json.loads(data[-1] if data else text)

    async def log(self) -> Sequence[Mapping[str, Any]]:
        return [line for line in self._logs.lines() if line["level"] != "info"]


def _headers_of(body: bytes) -> dict[str, str]:
    """The newest protocol repeats the method and the name in headers."""
    if ENVELOPE_VERSION.encode() not in body:
        return {}
    message = json.loads(body)
    named = {"Mcp-Name": message["params"]["name"]} if "name" in message["params"] else {}
    return {"Mcp-Protocol-Version": ENVELOPE_VERSION, "Mcp-Method": message["method"], **named}


@asynccontextmanager
async def _over_stdio(clinic: Clinic) -> AsyncIterator[RawMcp]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "hub.cli", "mcp"),
        cwd=ROOT,
        env=environment(
            CHAIRSIDE_URL=clinic.url,
            CHAIRSIDE_TOKEN=CHATBOT,
            CHAIRSIDE_PATIENT=clinic.patients[0].id,
        ),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=2**22,
    )
    try:
        yield _Stdio(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@asynccontextmanager
async def _over_http(clinic: Clinic, logs: Logs) -> AsyncIterator[RawMcp]:
    headers = {
        "Authorization": f"Bearer {CHATBOT}",
        "On-Behalf-Of": clinic.patients[0].id,
        "Accept": "application/json, text/event-stream",
        "Content-Type": "application/json",
    }
    async with serving_http(clinic.url) as url, aiohttp.ClientSession() as session:
        yield _Http(session, url, headers, logs)
