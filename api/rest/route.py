"""What a route is: one row of the table that serves it, checks it and documents it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from actors.domain.refusals import NotFound, Refusal
from actors.services.caller import Caller
from actors.services.services import Services
from api.deps import DEPS, AppDeps
from api.middleware import PRINCIPAL, REQUEST_ID
from api.rest.headers import expected_version, idempotency_key
from api.rest.parser import json_body, parser
from api.schemas import load
from api.schemas.fields import parse_id
from api.schemas.queries import NOTHING
from api.schemas.strict import Strict


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """A request whose every part was checked; what handlers get."""

    request: web.Request
    deps: AppDeps
    caller: Caller
    query: Mapping[str, Any]
    body: Mapping[str, Any]
    expected_version: int | None

    @property
    def services(self) -> Services:
        return self.deps.services

    def path_id(self, name: str, what: str) -> str:
        """An id of the path; one that cannot be an id is as unknown as a foreign one."""
        found = parse_id(self.request.match_info[name])
        if found is None:
            raise NotFound(what)
        return found


Answers = Callable[[Call], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Route:
    method: str
    path: str
    answer: Answers
    tag: str
    summary: str
    description: str = ""
    status: int = 200
    shows: str | None = None
    """Name of the answer's schema in the API document; ``None``: no body."""
    streams: bool = False
    """Also answers with events as they happen, for who accepts ``text/event-stream``."""
    query: Strict = field(default=NOTHING)
    body: Strict | None = None
    takes_version: bool = False
    """``If-Match`` is understood; elsewhere it would promise what is not kept."""
    also: tuple[int, ...] = ()
    """Other statuses of success: 200 beside 201, 304."""
    refusals: tuple[type[Refusal], ...] = ()
    """Beside those every route has."""
    example: Mapping[str, Any] | None = None
    """A request body for the API document; tested against ``body``."""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Check everything that was sent, then answer (criterion 9.6)."""
        caller = Caller(
            principal=request[PRINCIPAL],
            request_id=request[REQUEST_ID],
            idempotency_key=idempotency_key(request.headers) if self.method != "GET" else None,
        )
        version = expected_version(request.headers) if self.takes_version else None
        query: Mapping[str, Any] = {}
        if self.query is not NOTHING or request.query_string:
            query = await parser.parse(self.query, request, location="query", unknown=None)
        body: Mapping[str, Any] = {}
        if self.body is not None:
            body = load(self.body, await json_body(request))
        call = Call(
            request=request,
            deps=request.app[DEPS],
            caller=caller,
            query=query,
            body=body,
            expected_version=version,
        )
        return await self.answer(call)
