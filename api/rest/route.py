"""Routes: each is declared once, beside its handler, and served and documented from there."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from aiohttp import web

from actors.domain.refusals import NotFound, Refusal
from actors.services.caller import Caller
from actors.services.services import Services
from api.deps import DEPS, AppDeps
from api.middleware import PRINCIPAL, REQUEST_ID
from api.rest.headers import expected_version, idempotency_key
from api.rest.parser import load_body, load_query
from api.schemas.fields import parse_id
from api.schemas.queries import NOTHING
from api.schemas.strict import RequestSchema

Query = TypeVar("Query")
Body = TypeVar("Body")
Query_co = TypeVar("Query_co", covariant=True)
Body_co = TypeVar("Body_co", covariant=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class Call(Generic[Query_co, Body_co]):
    """A request whose every part was checked; the argument of handlers."""

    request: web.Request
    deps: AppDeps
    caller: Caller
    query: Query_co
    body: Body_co
    expected_version: int | None

    @property
    def services(self) -> Services:
        return self.deps.services

    def path_id(self, name: str, what: str) -> str:
        """An id of the path; raises NotFound for text that cannot be an id."""
        found = parse_id(self.request.match_info[name])
        if found is None:
            raise NotFound(what)
        return found


AnyCall: TypeAlias = Call[object, object]


Handler: TypeAlias = Callable[[Call[Query, Body]], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Route(Generic[Query, Body]):
    """What is served at a method and path, checked and documented; decorates the handler."""

    method: str
    path: str
    summary: str
    _: KW_ONLY
    description: str = ""
    status: int = 200
    other_statuses: tuple[int, ...] = ()
    """Other statuses of success: 200 beside 201, 304."""
    response: str | None = None
    """Name of the response's schema in the API document; ``None``: no body."""
    streams: bool = False
    """Also responds with live events, to clients that accept ``text/event-stream``."""
    query: RequestSchema[Query] = NOTHING  # type: ignore[assignment]  # without it, Query is None
    body: RequestSchema[Body] = NOTHING  # type: ignore[assignment]  # without it, Body is None
    takes_version: bool = False
    """``If-Match`` is checked, and may cause ``VersionConflict``."""
    refusals: tuple[type[Refusal], ...] = ()
    """Beside those that every route has."""
    example: Mapping[str, object] | None = None
    """A request body for the API document; tested against ``body``."""

    @property
    def takes_body(self) -> bool:
        return self.body is not NOTHING

    def __call__(self, handler: Handler[Query, Body]) -> "RouteHandler[Query, Body]":
        return RouteHandler(self, handler)


@dataclass(frozen=True, slots=True)
class RouteHandler(Generic[Query, Body]):
    """A handler and its route."""

    route: Route[Query, Body]
    handler: Handler[Query, Body]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Check everything that was sent, then call the handler (criterion 9.6)."""
        route = self.route
        key = idempotency_key(request.headers) if route.method != "GET" else None
        caller = Caller(
            principal=request[PRINCIPAL], request_id=request[REQUEST_ID], idempotency_key=key
        )
        version = expected_version(request.headers) if route.takes_version else None
        query = load_query(request, route.query)
        body = await load_body(request, route.body) if route.takes_body else route.body.make({})
        call = Call(
            request=request,
            deps=request.app[DEPS],
            caller=caller,
            query=query,
            body=body,
            expected_version=version,
        )
        return await self.handler(call)


AnyRoute: TypeAlias = Route[Any, Any]
Routes: TypeAlias = tuple[RouteHandler[Any, Any], ...]
"""Handlers with any query and body, for the route table."""
