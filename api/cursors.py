"""Opaque cursors of lists: where the page before ended, and of which list that was.

A list is its path in REST and its filters, on every wire: a cursor continues wherever the
same list is requested. The check sum is no secret (a cursor opens nothing that the list
itself does not show); it turns altered cursors, and those of another list or other filters,
into plain errors.
"""

import base64
import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Final, TypeAlias

import orjson
from marshmallow import ValidationError

from actors.domain.ids import parse_id
from actors.domain.refusals import ValidationFailed
from actors.services.requests import all_fields
from api.schemas.fields import instant_text, parse_instant
from api.schemas.messages import MessagePageQuery
from api.schemas.queries import AppointmentPageQuery, PageQuery, SlotPageQuery

_SUM_BYTES: Final = 8
_NOT_FILTERS: Final = frozenset({"cursor", "limit", "after"})


ListQuery: TypeAlias = PageQuery | AppointmentPageQuery | SlotPageQuery | MessagePageQuery


def next_cursor(path: str, query: ListQuery, last: Sequence[str | datetime] | None) -> str | None:
    """The cursor that continues after the item ``last``; ``None`` at the end."""
    if last is None:
        return None
    parts = [instant_text(part) if isinstance(part, datetime) else part for part in last]
    text = orjson.dumps(parts)
    return base64.urlsafe_b64encode(_sum(path, query, text) + text).rstrip(b"=").decode()


def after_start(path: str, query: ListQuery) -> tuple[datetime, str] | None:
    """Where a list ordered by start, then id, continues; raises ValidationFailed."""
    last = after_name(path, query)
    if last is None:
        return None
    try:
        return parse_instant(last[0]), last[1]
    except ValidationError:
        raise _altered() from None


def after_name(path: str, query: ListQuery) -> tuple[str, str] | None:
    """Where a list ordered by name, then id, continues; raises ValidationFailed."""
    cursor = query.cursor
    if cursor is None:
        return None
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        text = raw[_SUM_BYTES:]
        order, id_ = orjson.loads(text)
    except (TypeError, ValueError):  # not base64, not JSON, not a pair
        raise _altered() from None
    known = isinstance(order, str) and parse_id(id_) is not None
    if not known or raw[:_SUM_BYTES] != _sum(path, query, text):
        raise _altered()
    return order, id_


def _sum(path: str, query: ListQuery, text: bytes) -> bytes:
    filters = {
        name: sorted(value) if isinstance(value, tuple | frozenset) else value
        for name, value in all_fields(query).items()
        if name not in _NOT_FILTERS
    }
    which = orjson.dumps([path, filters], option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(which + text, digest_size=_SUM_BYTES).digest()


def _altered() -> ValidationFailed:
    return ValidationFailed.of("cursor", "does not belong to this list")
