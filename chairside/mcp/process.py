"""Runs the MCP server over standard input and output, or over HTTP."""

import asyncio
import functools
import logging
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Final

import aiohttp
import uvicorn
from mcp.server.mcpserver import Context

from chairside.client import ClientError
from chairside.mcp.http import http_app, patient_of
from chairside.mcp.patient_tools import PatientTools, ToolEnvironment
from chairside.mcp.refusals import ToolRefused
from chairside.mcp.server import tools_server
from chairside.patient_access import NOT_DELEGATED, PatientAccess

logger = logging.getLogger(__name__)

PATIENTS_MAX: Final = 200
"""Patients whose tools, with what they have cached, are kept in memory."""


async def serve_stdio(access: PatientAccess, version: str) -> None:
    """Serve one AI client on standard input and output, for one patient, until it closes.

    Raises ClientError if the hub cannot be used with this token.
    """
    async with _environment() as environment:
        patient_id = await _verified(environment, access)
        tools = PatientTools(environment, access, patient_id)
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
    async with _environment() as environment:

        @functools.lru_cache(PATIENTS_MAX)
        def tools(access: PatientAccess, patient_id: str) -> PatientTools:
            return PatientTools(environment, access, patient_id)

        def tools_of(context: Context[Any, Any]) -> PatientTools:
            patient = patient_of(context)
            if patient is None:
                raise ToolRefused("UNAUTHORIZED", "The request has no token of a patient")
            return tools(*patient)

        async def verify(access: PatientAccess) -> str | None:
            if not access.is_delegated:
                logger.warning("token refused: %s", NOT_DELEGATED)
                return None
            try:
                return await _verified(environment, access)
            except ClientError:
                return None

        server = tools_server(tools_of, version)
        app = http_app(server, hub_url, verify, host=host, origins=origins)
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


@asynccontextmanager
async def _environment() -> AsyncIterator[ToolEnvironment]:
    async with aiohttp.ClientSession() as session:
        yield ToolEnvironment(
            session=session,
            key=secrets.token_bytes(32),
            now=lambda: datetime.now(UTC),
            monotonic=time.monotonic,
        )


async def _verified(environment: ToolEnvironment, access: PatientAccess) -> str:
    """The patient's id, by the hub. Raises ClientError."""
    return (await access.client(environment.session).me())["id"]
