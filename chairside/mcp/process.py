"""The MCP server's process: which desk a tool works at, and over which transport it is asked."""

import asyncio
import logging
import secrets
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import aiohttp
import uvicorn
from mcp.server.mcpserver import Context

from chairside.access import NOT_DELEGATED, Access, names_actor
from chairside.client import ClientError, HubClient
from chairside.mcp.http import http_app, patient_of
from chairside.mcp.patient_tools import Clinic, Desk, Desks, Patient
from chairside.mcp.refusals import ToolRefused
from chairside.mcp.server import tools_server

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class HttpPlace:
    host: str
    port: int
    origins: tuple[str, ...] = ()
    """Origins whose pages may ask; others, and pages of none, may not."""


async def serve_stdio(access: Access, version: str) -> None:
    """Answer one AI client on standard input and output, for one patient, until it closes.

    Raises ClientError when the hub cannot be used with this token.
    """
    patient = Patient(token=access.token, on_behalf_of=access.patient)
    async with AsyncExitStack() as stack:
        clinic = await _clinic(stack, access.url)
        await _me(clinic, patient)
        desks = Desks(clinic)

        async def desk_of(context: Context[Any, Any]) -> Desk:
            return desks.desk(patient)

        await tools_server(desk_of, version).run_stdio_async()


async def serve_http(
    url: str, place: HttpPlace, version: str, stopping: asyncio.Event | None = None
) -> None:
    """Answer many clients over streamable HTTP, each for the patient of its own token.

    Until SIGINT, SIGTERM or ``stopping``.
    """
    async with AsyncExitStack() as stack:
        clinic = await _clinic(stack, url)
        desks = Desks(clinic)

        async def desk_of(context: Context[Any, Any]) -> Desk:
            patient = patient_of(context)
            if patient is None:
                raise ToolRefused("UNAUTHORIZED", "No patient's token came with the request")
            return desks.desk(patient)

        async def person_of(patient: Patient) -> str | None:
            if patient.on_behalf_of is None and not names_actor(patient.token):
                logger.warning("token refused: %s", NOT_DELEGATED)
                return None
            try:
                return await _me(clinic, patient)
            except ClientError:
                return None

        app = http_app(
            tools_server(desk_of, version),
            person_of,
            host=place.host,
            origins=place.origins,
        )
        config = uvicorn.Config(
            app,
            host=place.host,
            port=place.port,
            log_level="warning",
            access_log=False,
            lifespan="on",
        )
        server = uvicorn.Server(config)
        stop = asyncio.create_task(_stop(server, stopping)) if stopping else None
        try:
            await server.serve()
        finally:
            if stop is not None:
                stop.cancel()


async def _stop(server: uvicorn.Server, stopping: asyncio.Event) -> None:
    await stopping.wait()
    server.should_exit = True


async def _clinic(stack: AsyncExitStack, url: str) -> Clinic:
    return Clinic(
        url=url,
        session=await stack.enter_async_context(aiohttp.ClientSession()),
        key=secrets.token_bytes(32),
        now=lambda: datetime.now(UTC),
        monotonic=time.monotonic,
    )


async def _me(clinic: Clinic, patient: Patient) -> str:
    """Who it is, by the hub; raises ClientError."""
    hub = HubClient(
        clinic.url,
        token=patient.token,
        on_behalf_of=patient.on_behalf_of,
        session=clinic.session,
    )
    return (await hub.me())["id"]
