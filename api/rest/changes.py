"""``/api/changes``: missed events of channels as JSON, or live events as a stream."""

from collections.abc import Callable, Mapping

from aiohttp import web

from actors.domain.channels import Channel
from actors.domain.position import Position
from actors.domain.refusals import ValidationFailed
from actors.services.changes import check_readable
from api.deps import DEPS
from api.middleware import CLAIMS, REQUEST_ID, add_headers
from api.realtime.sse.cursor import HEADER, read_cursor
from api.realtime.sse.stream import Bearer
from api.rest.headers import prefers
from api.rest.responses import Resource
from api.rest.route import Call, Result, Route, Routes
from api.schemas import channels_json
from api.schemas.queries import CHANGES, ChangesQuery

_STREAM = "text/event-stream"
_HEADERS = {
    "Content-Type": f"{_STREAM}; charset=utf-8",
    "X-Accel-Buffering": "no",  # or nginx would buffer events
}


@Route(
    "GET",
    "/api/changes",
    "Missed events since a position; recovered: false asks to fetch again",
    description=(
        "With `Accept: text/event-stream` a live stream: first `hub:ready`, then every event"
        " as it happens. The id of each is a cursor of all channels; sent back as"
        " `Last-Event-ID` it resumes without loss or repeat."
    ),
    response="Changes",
    streams=True,
    query=CHANGES,
)
async def missed(call: Call[ChangesQuery, None]) -> Result:
    await call.services.access.check(call.caller.principal, call.query.channels)
    if prefers(call.request.headers.get("Accept"), _STREAM, "application/json"):
        return await _stream(call)
    channels, since = call.query.channels, call.query.since
    if since is None:
        raise ValidationFailed.of("since", "one since is needed for each channel")
    wanted = list(zip(channels, since, strict=True))
    answers = await call.services.changes.read(call.caller.principal, wanted)
    return Resource(channels_json(answers))


async def _stream(call: Call[ChangesQuery, None]) -> web.StreamResponse:
    request, principal = call.request, call.caller.principal
    wanted = _wanted(call)
    check_readable(principal, list(wanted))
    response = web.StreamResponse(headers=_HEADERS)
    deps = request.app[DEPS]
    add_headers(request, response, request[REQUEST_ID], deps.settings.cors_origins)
    streams = deps.streams
    with streams.admit(principal):
        await response.prepare(request)
        if request.method != "HEAD":
            bearer = Bearer(
                claims=request[CLAIMS],
                on_behalf_of=request.headers.get("On-Behalf-Of"),
                principal=principal,
            )
            await streams.run(bearer, wanted, write=response.write, abort=_abort(request))
    return response


def _wanted(call: Call[ChangesQuery, None]) -> Mapping[Channel, Position | None]:
    """Where each channel begins: at the cursor in ``Last-Event-ID``, else at ``since``."""
    channels = call.query.channels
    if cursor := call.request.headers.get(HEADER):
        return read_cursor(cursor, channels)
    since = call.query.since
    return dict.fromkeys(channels) if since is None else dict(zip(channels, since, strict=True))


def _abort(request: web.Request) -> Callable[[], None]:
    def abort() -> None:
        if request.transport is not None:
            request.transport.abort()

    return abort


ROUTES: Routes = (missed,)
