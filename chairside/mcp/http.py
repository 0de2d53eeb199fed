"""The tools over streamable HTTP: every request carries its patient's token.

A session belongs to the patient it was opened for; with another's token it is not found.
"""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any, Final

from mcp.server import MCPServer
from mcp.server.auth.middleware.auth_context import AuthContextMiddleware
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser, RequireAuthMiddleware
from mcp.server.auth.provider import AccessToken
from mcp.server.mcpserver import Context
from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette
from starlette.authentication import AuthCredentials, AuthenticationBackend
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import HTTPConnection
from starlette.types import Receive, Scope, Send

from chairside.mcp.patient_tools import Patient

PATH: Final = "/mcp"
KNOWN_FOR_S: Final = 60.0
KNOWN_MAX: Final = 1_000
_SCOPE: Final = "appointments"
_PATIENT: Final = "chairside.patient"

PersonOf = Callable[[Patient], Awaitable[str | None]]
"""The id of the person a token acts for, as the hub says; ``None``: not a valid one."""


def patient_of(context: Context[Any, Any]) -> Patient | None:
    """Whose request a tool answers; of the request itself, as tokens are renewed."""
    request = context.request_context.request
    return request.scope.get(_PATIENT) if isinstance(request, HTTPConnection) else None


class _Required(RequireAuthMiddleware):
    """Requests need a token; the server's own start and stop do not."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await super().__call__(scope, receive, send)
        else:
            await self.app(scope, receive, send)


def http_app(
    server: MCPServer[Any], person_of: PersonOf, *, host: str, origins: tuple[str, ...] = ()
) -> Starlette:
    """The application to be served; ``host`` is where it listens."""
    security = None
    if host not in ("127.0.0.1", "localhost", "::1"):
        security = TransportSecuritySettings(
            enable_dns_rebinding_protection=bool(origins),
            allowed_hosts=["*"],
            allowed_origins=list(origins),
        )
    app = server.streamable_http_app(
        streamable_http_path=PATH, host=host, transport_security=security
    )
    app.user_middleware = [
        Middleware(AuthenticationMiddleware, backend=PatientTokens(person_of)),
        Middleware(_Required, required_scopes=[_SCOPE]),
        Middleware(AuthContextMiddleware),
        *app.user_middleware,
    ]
    return app


class PatientTokens(AuthenticationBackend):
    """Bearer tokens, and ``On-Behalf-Of`` beside a service token; the hub verifies them.

    Who a valid token stands for is remembered for a minute; every command that is then
    carried out verifies the token again, at the hub.
    """

    def __init__(self, person_of: PersonOf, clock: Callable[[], float] = time.monotonic) -> None:
        self._person_of, self._clock = person_of, clock
        self._known: OrderedDict[str, tuple[str, float]] = OrderedDict()

    async def authenticate(
        self, conn: HTTPConnection
    ) -> tuple[AuthCredentials, AuthenticatedUser] | None:
        scheme, _, token = conn.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            return None
        patient = Patient(
            token=token.strip(), on_behalf_of=conn.headers.get("On-Behalf-Of") or None
        )
        person = await self._person(patient)
        if person is None:
            return None
        access = AccessToken(token=patient.token, client_id=person, subject=person, scopes=[_SCOPE])
        conn.scope[_PATIENT] = patient
        return AuthCredentials([_SCOPE]), AuthenticatedUser(access)

    async def _person(self, patient: Patient) -> str | None:
        digest = hashlib.sha256(patient.scope.encode()).hexdigest()
        known = self._known.get(digest)
        if known is not None and self._clock() < known[1]:
            return known[0]
        person = await self._person_of(patient)
        if person is not None:
            self._known[digest] = person, self._clock() + KNOWN_FOR_S
            self._known.move_to_end(digest)
            if len(self._known) > KNOWN_MAX:
                self._known.popitem(last=False)
        return person
