"""Runs the MCP server over standard input and output, or over HTTP."""

import asyncio
import functools
import logging
import secrets
from http import HTTPStatus
from typing import Any, Final

import aiohttp
import uvicorn
from cachetools import TTLCache
from mcp.server import MCPServer
from mcp.server.auth.middleware.auth_context import AuthContextMiddleware
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser, RequireAuthMiddleware
from mcp.server.auth.provider import AccessToken
from mcp.server.mcpserver import Context
from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette
from starlette.authentication import (
    AuthCredentials,
    AuthenticationBackend,
    AuthenticationError,
)
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from chairside.client import ClientError, HubError
from chairside.mcp.connection import BoundedConnection
from chairside.mcp.messages import CheckedMessages, RefuseOrigins
from chairside.mcp.patient_tools import PatientTools
from chairside.mcp.server import tools_server
from chairside.mcp.session_limit import ALL_SESSIONS_MAX, IDLE_S, SessionLimit
from chairside.mcp.tools import ToolsOf
from chairside.patient_access import NOT_DELEGATED, PatientAccess

logger = logging.getLogger(__name__)

PATH: Final = "/mcp"
VERIFIED_FOR_S: Final = 60.0
VERIFIED_MAX: Final = 1_000
PATIENTS_MAX: Final = 200
"""Patients whose tools, with what they have cached, are kept in memory."""
KEY_BYTES: Final = 32
CONSENT_REQUIRED: Final = "CONSENT_REQUIRED"
_SCOPE: Final = "appointments"
_PATIENT: Final = "chairside.patient"
_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
_LOOPBACK_NAMES: Final = ("127.0.0.1", "localhost", "[::1]")
_LOOPBACK_ORIGINS: Final = tuple(f"http://{name}:*" for name in _LOOPBACK_NAMES)


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

    A session belongs to the patient it was opened for; with another token it does not exist.
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
            app,
            host=host,
            port=port,
            http=BoundedConnection,
            log_level="warning",
            access_log=False,
            lifespan="on",
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


def patient_of(context: Context[Any, Any]) -> tuple[PatientAccess, str]:
    """The access and the patient's id of the request that a tool answers.

    Not of the session: tokens are renewed.
    """
    request = context.request_context.request
    assert isinstance(request, HTTPConnection), "the server listens to HTTP only"
    access, patient_id = request.scope[_PATIENT]
    return access, patient_id


def _not_consented(_conn: HTTPConnection, error: AuthenticationError) -> Response:
    """Not 401: with another token, nothing would change."""
    body = {"error": CONSENT_REQUIRED, "error_description": str(error)}
    return JSONResponse(body, status_code=HTTPStatus.FORBIDDEN)


class _RequireToken(RequireAuthMiddleware):
    """Requires a token of requests, but not of the server's lifespan messages."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await super().__call__(scope, receive, send)
        else:
            await self.app(scope, receive, send)


def http_app(
    server: MCPServer[ToolsOf],
    hub_url: str,
    session: aiohttp.ClientSession,
    *,
    host: str,
    origins: tuple[str, ...] = (),
) -> Starlette:
    """The ASGI application; ``host`` is the address it will listen on."""
    local = host in _LOOPBACK
    app = server.streamable_http_app(
        streamable_http_path=PATH,
        host=host,
        session_idle_timeout=IDLE_S,
        max_sessions=ALL_SESSIONS_MAX,
        transport_security=TransportSecuritySettings(
            enable_dns_rebinding_protection=local,
            allowed_hosts=[f"{name}:*" for name in _LOOPBACK_NAMES],
            allowed_origins=[*_LOOPBACK_ORIGINS, *origins],
        ),
    )
    cors = Middleware(
        CORSMiddleware,
        allow_origins=list(origins),
        allow_methods=["GET", "POST", "DELETE"],
        allow_headers=["*"],
        expose_headers=["Mcp-Session-Id"],
    )
    app.user_middleware = [
        *([] if local else [Middleware(RefuseOrigins, allowed=frozenset(origins))]),
        *([cors] if origins else []),  # before the token: a preflight has none
        Middleware(
            AuthenticationMiddleware,
            backend=PatientTokens(hub_url, session),
            on_error=_not_consented,
        ),
        Middleware(_RequireToken, required_scopes=[_SCOPE]),
        Middleware(AuthContextMiddleware),
        Middleware(CheckedMessages),
        Middleware(SessionLimit),
        *app.user_middleware,
    ]
    return app


class PatientTokens(AuthenticationBackend):
    """Bearer tokens, with ``On-Behalf-Of`` beside a service token.

    The patient of a valid token is cached for a minute. Each command verifies the token again,
    at the hub.
    """

    def __init__(self, hub_url: str, session: aiohttp.ClientSession) -> None:
        self._hub_url, self._session = hub_url, session
        self._verified: TTLCache[PatientAccess, str] = TTLCache(VERIFIED_MAX, VERIFIED_FOR_S)

    async def authenticate(
        self, conn: HTTPConnection
    ) -> tuple[AuthCredentials, AuthenticatedUser] | None:
        scheme, _, token = conn.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            return None
        access = PatientAccess(
            url=self._hub_url,
            token=token.strip(),
            on_behalf_of=conn.headers.get("On-Behalf-Of") or None,
        )
        patient_id = await self._patient_id(access)
        if patient_id is None:
            return None
        conn.scope[_PATIENT] = access, patient_id
        user = AccessToken(
            token=access.token, client_id=patient_id, subject=patient_id, scopes=[_SCOPE]
        )
        return AuthCredentials([_SCOPE]), AuthenticatedUser(user)

    async def _patient_id(self, access: PatientAccess) -> str | None:
        """The patient for whom the token acts, by the hub; ``None`` if it is not valid.

        Raises AuthenticationError for a valid token that the patient has not consented to.
        """
        if (patient_id := self._verified.get(access)) is not None:
            return patient_id
        if not access.is_delegated:
            logger.warning("token refused: %s", NOT_DELEGATED)
            return None
        try:
            patient_id = (await access.client(self._session).me())["id"]
        except HubError as refused:
            if refused.code == CONSENT_REQUIRED:
                raise AuthenticationError(refused.message) from refused
            return None
        except ClientError:
            return None
        self._verified[access] = patient_id
        return patient_id
