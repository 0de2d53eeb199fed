"""Routes: each is declared once, beside its handler, and served and documented from there.

Commands of sockets use some of the same handlers: ``api/rest/commands.py``.
"""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, Final, Generic, NamedTuple, TypeAlias, TypeVar

from aiohttp import web

from actors.domain.ids import parse_id
from actors.domain.outcome import Outcome
from actors.domain.refusals import NotFound, Refusal
from actors.ports.commits import Reply
from actors.services.caller import Caller
from actors.services.services import Services
from api.deps import DEPS
from api.middleware import PRINCIPAL, REQUEST_ID
from api.rest.headers import (
    content_tag,
    expected_version,
    idempotency_key,
    not_modified,
    version_tag,
)
from api.rest.parser import load_body, load_query
from api.rest.responses import JSON, Resource
from api.schemas.queries import NOTHING
from api.schemas.strict import RequestSchema

_PATH_NAME: Final = re.compile(r"{(\w+)}")

Query = TypeVar("Query")
Body = TypeVar("Body")
Query_co = TypeVar("Query_co", covariant=True)
Body_co = TypeVar("Body_co", covariant=True)


class Call(NamedTuple, Generic[Query_co, Body_co]):
    """A request whose every part was checked; the argument of handlers."""

    services: Services
    caller: Caller
    path: Mapping[str, str]
    query: Query_co
    body: Body_co
    expected_version: int | None
    http: web.Request | None = None
    """``None`` for a socket's command."""

    @property
    def request(self) -> web.Request:
        """For handlers that no command of a socket uses."""
        assert self.http is not None
        return self.http

    def path_id(self, name: str, what: str) -> str:
        """An id of the path; raises NotFound for text that cannot be an id."""
        found = parse_id(self.path[name])
        if found is None:
            raise NotFound(what)
        return found


AnyCall: TypeAlias = Call[object, object]
Result: TypeAlias = Reply | Resource | web.StreamResponse
Handler: TypeAlias = Callable[[Call[Query, Body]], Awaitable[Result]]


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
    lines: bool = False
    """Also responds with lines of JSON, to clients that accept ``application/x-ndjson``."""
    uploads: str | None = None
    """The media type of a body that the handler reads by itself; it has a limit of its own."""
    downloads: str | None = None
    """The media type of a response that is a file."""
    query: RequestSchema[Query] = NOTHING  # type: ignore[assignment]  # without it, Query is None
    body: RequestSchema[Body] = NOTHING  # type: ignore[assignment]  # without it, Body is None
    cacheable: bool = False
    """Clients may store the response, and must revalidate it by its entity tag."""
    takes_version: bool = False
    """``If-Match`` is checked, and may cause ``VersionConflict``."""
    refusals: tuple[type[Refusal], ...] = ()
    """Beside those that every route has."""
    example: Mapping[str, object] | None = None
    """A request body for the API document; tested against ``body``."""
    leads_to: tuple[str, ...] = ()
    """Paths that take the response's id, in the path or as ``reservation_id``: linked to."""

    @property
    def takes_body(self) -> bool:
        return self.body is not NOTHING

    @property
    def statuses(self) -> tuple[int, ...]:
        """Of success."""
        return self.status, *self.other_statuses

    @property
    def path_names(self) -> Sequence[str]:
        """The names in the path."""
        return _PATH_NAME.findall(self.path)

    def __call__(self, handler: Handler[Query, Body]) -> "RouteHandler[Query, Body]":
        return RouteHandler(self, handler)


@dataclass(frozen=True, slots=True)
class RouteHandler(Generic[Query, Body]):
    """A handler and its route."""

    route: Route[Query, Body]
    handler: Handler[Query, Body]

    @property
    def operation_id(self) -> str:
        """``appointments_book``: in the API document."""
        return f"{self.handler.__module__.rpartition('.')[2]}_{self.handler.__name__}"

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
            services=request.app[DEPS].services,
            caller=caller,
            path=request.match_info,
            query=query,
            body=body,
            expected_version=version,
            http=request,
        )
        result = await self.handler(call)
        if isinstance(result, Reply | Resource):  # a response is slower to ask for its type
            return self._response(request, result)
        return result

    def _response(self, request: web.Request, result: Reply | Resource) -> web.Response:
        """201 with ``Location`` if created; 204 if gone; 304 while the entity tag is the same."""
        route, status, headers = self.route, 200, {"Content-Type": JSON}
        if isinstance(result, Reply):
            if result.outcome is Outcome.GONE:
                return web.Response(status=204)
            headers["ETag"] = version_tag(result.version)  # what ``If-Match`` takes
            if result.outcome is Outcome.CREATED and route.status == 201:
                status = 201
                headers["Location"] = f"{route.path}/{result.resource_id}"
        elif result.version is not None:
            tagged = result.body if result.has_more else None
            headers["ETag"] = version_tag(result.version, tagged)
        if route.cacheable:
            headers.setdefault("ETag", content_tag(result.body))
            headers["Cache-Control"] = "private, no-cache"  # stored, but revalidated
        response = web.Response(status=status, body=result.body, headers=headers)
        if route.method == "GET" and "ETag" in headers:
            return not_modified(request, response)
        return response


AnyRoute: TypeAlias = Route[Any, Any]
AnyHandler: TypeAlias = RouteHandler[Any, Any]
Routes: TypeAlias = tuple[AnyHandler, ...]
"""Handlers with any query and body, for the route table."""
