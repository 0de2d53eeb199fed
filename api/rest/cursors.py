"""Opaque cursors of lists: where the page before ended, and of which list that was.

The check sum is no secret (a cursor opens nothing that the list itself does not show);
it makes altered cursors, and those of another list or other filters, plain errors.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import orjson
from marshmallow import ValidationError

from actors.domain.refusals import ValidationFailed
from api.rest.route import Call
from api.schemas.fields import instant_text, parse_id, parse_instant

_SUM_BYTES: Final = 8
_NOT_PART_OF_THE_LIST: Final = frozenset({"cursor", "limit"})


def next_cursor(call: Call, last: Sequence[str | datetime] | None) -> str | None:
    """The cursor to go on with after the item ``last``; ``None`` at the end."""
    if last is None:
        return None
    parts = [instant_text(part) if isinstance(part, datetime) else part for part in last]
    text = orjson.dumps(parts)
    return base64.urlsafe_b64encode(_sum(call, text) + text).rstrip(b"=").decode()


def after_start(call: Call) -> tuple[datetime, str] | None:
    """Where a list ordered by start, then id, goes on."""
    last = _last(call)
    if last is None:
        return None
    try:
        return parse_instant(last[0]), last[1]
    except ValidationError:
        raise _altered() from None


def after_name(call: Call) -> tuple[str, str] | None:
    """Where a list ordered by name, then id, goes on."""
    return _last(call)


def _last(call: Call) -> tuple[str, str] | None:
    """What the list is ordered by, and the id, of the last item shown."""
    cursor = call.query["cursor"]
    if cursor is None:
        return None
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        text = raw[_SUM_BYTES:]
        order, id_ = orjson.loads(text)
    except (TypeError, ValueError):  # not base64, not JSON, not a pair
        raise _altered() from None
    if raw[:_SUM_BYTES] != _sum(call, text) or not isinstance(order, str) or not parse_id(id_):
        raise _altered()
    return order, id_


def _sum(call: Call, text: bytes) -> bytes:
    which = _list(call.request.path, call.query)
    return hashlib.blake2b(which + text, digest_size=_SUM_BYTES).digest()


def _list(path: str, query: Mapping[str, Any]) -> bytes:
    """Which list: its path and filters."""
    filters = {
        name: sorted(value) if isinstance(value, list) else value
        for name, value in query.items()
        if name not in _NOT_PART_OF_THE_LIST
    }
    return orjson.dumps([path, filters], option=orjson.OPT_SORT_KEYS)


def _altered() -> ValidationFailed:
    return ValidationFailed.of("cursor", "does not belong to this list")
