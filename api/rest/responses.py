"""What handlers return: JSON with a version, and pages of lists."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from aiohttp import web

from actors.domain.channels import Channel
from actors.domain.position import Position
from api.cursors import ListQuery, next_cursor
from api.schemas.pages import Item, page_json

JSON: Final = "application/json"


@dataclass(frozen=True, slots=True)
class Resource:
    """JSON that was read, and its version if one resource has it all to itself."""

    body: bytes
    version: int | None = None
    has_more: bool = False
    """The body also contains what changes without the version, such as progress."""


def json_response(body: bytes, *, status: int = 200) -> web.Response:
    return web.Response(status=status, body=body, content_type=JSON)


def list_page(
    path: str,
    query: ListQuery,
    data: Sequence[Item],
    *,
    last: Sequence[str | datetime] | None,
    total: int,
    position: tuple[Channel, Position] | None = None,
    positions: Mapping[Channel, Position] | None = None,
) -> Resource:
    """A page of the list at ``path``; ``last``: its last item's sort key, if more items follow."""
    return Resource(
        page_json(
            data,
            limit=query.limit,
            next_cursor=next_cursor(path, query, last),
            total=total,
            position=position,
            positions=positions,
        )
    )
