"""Responses: statuses from outcomes, entity tags, locations."""

from collections.abc import Sequence
from datetime import datetime

from aiohttp import web

from actors.domain.channels import Channel
from actors.domain.outcome import Outcome
from actors.domain.position import Position
from actors.ports.commits import Reply
from api.cursors import ListQuery, next_cursor
from api.rest.headers import content_tag, has_tag, version_tag
from api.rest.route import Call
from api.schemas.pages import Item, page_json

_JSON = "application/json"
_REVALIDATE = "private, no-cache"
"""Clients may store the response, and revalidate it before each use."""


def json_response(body: bytes, *, status: int = 200) -> web.Response:
    return web.Response(status=status, body=body, content_type=_JSON)


def resource_response(body: bytes, version: int) -> web.Response:
    """One resource, with its version as ``ETag``."""
    return web.Response(body=body, content_type=_JSON, headers={"ETag": version_tag(version)})


def reply_response(reply: Reply, collection: str | None = None) -> web.Response:
    """201 with ``Location`` below ``collection`` if created; 204 if gone; otherwise 200."""
    if reply.outcome is Outcome.GONE:
        return web.Response(status=204)
    response = resource_response(reply.body, reply.version)
    if reply.outcome is Outcome.CREATED and collection is not None:
        response.set_status(201)
        response.headers["Location"] = f"{collection}/{reply.resource_id}"
    return response


def page_response(
    call: Call[ListQuery, object],
    data: Sequence[Item],
    *,
    last: Sequence[str | datetime] | None,
    total: int,
    position: tuple[Channel, Position] | None = None,
) -> web.Response:
    """A page of a list; ``last``: the sort key of its last item, if more items follow."""
    cursor = next_cursor(call.request.path, call.query, last)
    page = page_json(
        data, limit=call.query.limit, next_cursor=cursor, total=total, position=position
    )
    return json_response(page)


def tagged_response(request: web.Request, body: bytes, tag: str | None = None) -> web.Response:
    """A response for ``If-None-Match``: 304 while the entity tag is the same."""
    tag = tag or content_tag(body)
    headers = {"ETag": tag, "Cache-Control": _REVALIDATE}
    if has_tag(request.headers, tag):
        return web.Response(status=304, headers=headers)
    return web.Response(body=body, content_type=_JSON, headers=headers)
