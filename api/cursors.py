"""Opaque cursors of lists: where the page before ended, and of which list that was.

A list is its path in REST and its query, on every wire: a cursor goes on wherever the
same list is asked for. The check sum is no secret (a cursor opens nothing that the list
itself does not show); it makes altered cursors, and those of another list or other
filters, plain errors.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import orjson
from marshmallow import ValidationError

from actors.domain.refusals import ValidationFailed
from api.schemas.fields import instant_text, parse_id, parse_instant

_SUM_BYTES: Final = 8
_NOT_PART_OF_THE_LIST: Final = frozenset({"cursor", "limit"})

Query = Mapping[str, Any]
"""As its schema loaded it; ``cursor`` is ``None`` on the first page."""


def next_cursor(path: str, query: Query, last: Sequence[str | datetime] | None) -> str | None:
    """The cursor to go on with after the item ``last``; ``None`` at the end."""
    if last is None:
        return None
    parts = [instant_text(part) if isinstance(part, datetime) else part for part in last]
    text = orjson.dumps(parts)
    return base64.urlsafe_b64encode(_sum(path, query, text) + text).rstrip(b"=").decode()


def after_start(path: str, query: Query) -> tuple[datetime, str] | None:
    """Where a list ordered by start, then id, goes on; raises ValidationFailed."""
    last = _last(path, query)
    if last is None:
        return None
    try:
        return parse_instant(last[0]), last[1]
    except ValidationError:
        raise _altered() from None


def after_name(path: str, query: Query) -> tuple[str, str] | None:
    """Where a list ordered by name, then id, goes on; raises ValidationFailed."""
    return _last(path, query)


def _last(path: str, query: Query) -> tuple[str, str] | None:
    """What the list is ordered by, and the id, of the last item shown."""
    cursor = query["cursor"]
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


def _sum(path: str, query: Query, text: bytes) -> bytes:
    filters = {
        name: sorted(value) if isinstance(value, list) else value
        for name, value in query.items()
        if name not in _NOT_PART_OF_THE_LIST
    }
    which = orjson.dumps([path, filters], option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(which + text, digest_size=_SUM_BYTES).digest()


def _altered() -> ValidationFailed:
    return ValidationFailed.of("cursor", "does not belong to this list")
