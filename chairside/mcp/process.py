"""Runs the MCP server over standard input and output, or over HTTP."""

import asyncio
import functools
import secrets
from typing import Final

import aiohttp
import uvicorn

from chairside.mcp.http import http_app, patient_of
from chairside.mcp.patient_tools import PatientTools
from chairside.mcp.server import tools_server
from chairside.patient_access import PatientAccess

PATIENTS_MAX: Final = 200
"""Patients whose tools, with what they have cached, are kept in memory."""
KEY_BYTES: Final = 32


async def serve_stdio(access: PatientAccess, version: str) -> None:
    """Serve one AI client on standard input and output, for one patient, until it closes.

    Raises ClientError if the hub cannot be used with this token.
    """
    async with aiohttp.ClientSession() as session:
        patient_id = (await access.client(session).me())["id"]
        tools = PatientTools(session, secrets.token_bytes(KEY_BYTES), access, patient_id)
        await tools_server(lambda _context: tools, version).run_stdio_async()


async def serve_http(
    hub_url: str,
    version: str,
    *,
    host: str,
    port: int,
    origins: tuple[str, ...] = (),
    stopping: asyncio.Event | None = None,
) -> None:
    """Serve many clients over streamable HTTP, each for the patient of its own token.

    Of web pages, only those of ``origins`` may send requests. Runs until SIGINT, SIGTERM or
    ``stopping``.
    """
    async with aiohttp.ClientSession() as session:
        key = secrets.token_bytes(KEY_BYTES)

        @functools.lru_cache(PATIENTS_MAX)
        def tools(access: PatientAccess, patient_id: str) -> PatientTools:
            return PatientTools(session, key, access, patient_id)

        server = tools_server(lambda context: tools(*patient_of(context)), version)
        app = http_app(server, hub_url, session, host=host, origins=origins)
        config = uvicorn.Config(
            app, host=host, port=port, log_level="warning", access_log=False, lifespan="on"
        )
        await _serve(uvicorn.Server(config), stopping)


async def _serve(server: uvicorn.Server, stopping: asyncio.Event | None) -> None:
    async def stop() -> None:
        if stopping is not None:
            await stopping.wait()
            server.should_exit = True

    stopper = asyncio.create_task(stop())
    try:
        await server.serve()
    finally:
        stopper.cancel()
