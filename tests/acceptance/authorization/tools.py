"""The MCP tools of the matrix, called over HTTP as each caller."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from tests.acceptance.authorization.callers import UNKNOWN, Bearer, World

_HELLO: Final = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "matrix", "version": "1"},
    },
}
_ACCEPT: Final = {"Accept": "application/json, text/event-stream"}
Arguments = Callable[[World], Awaitable[Mapping[str, Any]]]


async def _find(world: World) -> Mapping[str, Any]:
    day = world.clinic.at("08:00")[:10]
    return {"appointment_type_id": world.kind, "from_date": day, "to_date": day}


async def _slot(world: World) -> Mapping[str, Any]:
    return world.slot()


async def _none(_: World) -> Mapping[str, Any]:
    return {}


async def _hold(world: World) -> Mapping[str, Any]:
    return {"reservation_id": (await world.kept("reservation"))["id"]}


async def _cancel(world: World) -> Mapping[str, Any]:
    return {"appointment_id": (await world.kept("appointment"))["id"]}


async def _move(world: World) -> Mapping[str, Any]:
    return {**await _cancel(world), "start": world.start()}


def _unknown(name: str, **more: Any) -> Arguments:
    async def build(world: World) -> Mapping[str, Any]:
        return {name: UNKNOWN, **({"start": world.start()} if "start" in more else {})}

    return build


TOOLS: Final[Mapping[str, Mapping[str, Arguments]]] = {
    "list_dentists": {"all": _none},
    "find_slots": {"D's": _find},
    "my_appointments": {"own": _none},
    "hold_slot": {"a slot at D": _slot},
    "book_appointment": {"P's hold": _hold, "unknown": _unknown("reservation_id")},
    "reschedule_appointment": {
        "P's at D": _move,
        "unknown": _unknown("appointment_id", start=True),
    },
    "cancel_appointment": {"P's at D": _cancel, "unknown": _unknown("appointment_id")},
}
"""The arguments of each tool, by what it is called on."""


@asynccontextmanager
async def assistants(
    url: str, bearers: Mapping[str, Bearer]
) -> AsyncIterator[Mapping[str, Client | str]]:
    """A client of every caller, or the status with which the server refuses the caller."""
    async with AsyncExitStack() as stack:
        found: dict[str, Client | str] = {}
        for name, bearer in bearers.items():
            headers = {**bearer.headers}
            http = await stack.enter_async_context(httpx2.AsyncClient(headers=headers, timeout=10))
            hello = await http.post(url, json=_HELLO, headers=_ACCEPT)
            if hello.status_code != 200:
                found[name] = str(hello.status_code)
                continue
            client = Client(streamable_http_client(url, http_client=http))
            found[name] = await stack.enter_async_context(client)
        yield found


async def call(client: Client | str, tool: str, arguments: Mapping[str, Any]) -> str:
    """``ok``, or the code of the refusal."""
    if isinstance(client, str):
        return client
    result: Any = await client.call_tool(tool, dict(arguments))
    content = result.structured_content or {}
    return str(content.get("code", "refused")) if result.is_error else "ok"
