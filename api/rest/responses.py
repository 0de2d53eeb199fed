"""How answers look: statuses from outcomes, tags, locations."""

from aiohttp import web

from actors.domain.outcome import Outcome
from actors.ports.commits import Reply
from api.rest.headers import content_tag, has_tag, version_tag

_JSON = "application/json"
_REVALIDATE = "private, no-cache"
"""May be kept by the caller, but not shown again without asking."""


def json_response(body: bytes, *, status: int = 200) -> web.Response:
    return web.Response(status=status, body=body, content_type=_JSON)


def resource_response(body: bytes, version: int) -> web.Response:
    """One resource, with its version as ``ETag``."""
    return web.Response(body=body, content_type=_JSON, headers={"ETag": version_tag(version)})


def reply_response(reply: Reply, collection: str | None = None) -> web.Response:
    """201 with ``Location`` below ``collection`` for what is new; 200; 204 for what is gone."""
    if reply.outcome is Outcome.GONE:
        return web.Response(status=204)
    answer = resource_response(reply.body, reply.version)
    if reply.outcome is Outcome.CREATED and collection is not None:
        answer.set_status(201)
        answer.headers["Location"] = f"{collection}/{reply.resource_id}"
    return answer


def tagged_response(request: web.Request, body: bytes, tag: str | None = None) -> web.Response:
    """What may be asked for again with ``If-None-Match``: 304 while it is the same."""
    tag = tag or content_tag(body)
    headers = {"ETag": tag, "Cache-Control": _REVALIDATE}
    if has_tag(request.headers, tag):
        return web.Response(status=304, headers=headers)
    return web.Response(body=body, content_type=_JSON, headers=headers)
