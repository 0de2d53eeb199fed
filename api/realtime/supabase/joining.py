"""What a client asks for when it joins a topic; pure.

``"true"`` and ``"false"`` count as booleans, unknown keys are ignored, and whatever is
missing has the original's default.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from api.realtime.supabase.bindings import (
    BINDINGS_MAX,
    BadBinding,
    Binding,
    parse_binding,
)
from api.realtime.supabase.presence import KEY_CHARS_MAX, is_key

_TOKENS: Final = ("access_token", "user_token")
_LIMIT_MAX: Final = 1_000_000


class BadJoin(Exception):
    """The join cannot be meant; the text says why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Replay:
    since: datetime
    limit: int | None
    """Only the newest so many, ``None`` for all there is since then."""


@dataclass(frozen=True, kw_only=True, slots=True)
class JoinRequest:
    token: str | None
    """``None``: the client means the key of its socket."""
    ack: bool
    """Whether its broadcasts are answered."""
    replay: Replay | None
    presence_key: str
    """Empty: the hub makes one."""
    presence: bool
    bindings: tuple[Binding, ...]
    bindings_reply: bytes
    """The bindings as they came, in order, each with its ``id``: ready JSON."""


def parse_join(payload: Mapping[str, Any]) -> JoinRequest:
    """Raises :class:`BadJoin`, and nothing else."""
    config = _object(payload, "config")
    sent = _bindings(config)
    broadcast, presence = _object(config, "broadcast"), _object(config, "presence")
    try:
        bindings = tuple(parse_binding(each) for each in sent)
    except BadBinding as bad:
        raise BadJoin(f"postgres_changes: {bad}") from None
    return JoinRequest(
        token=token_of(payload),
        ack=_flag(broadcast, "ack", default=False),
        replay=_replay(broadcast),
        presence_key=_key(presence),
        presence=_flag(presence, "enabled", default=True),
        bindings=bindings,
        bindings_reply=_reply(sent, bindings),
    )


def token_of(payload: Mapping[str, Any]) -> str | None:
    """The token in a payload, if there is any."""
    for name in _TOKENS:
        token = payload.get(name)
        if isinstance(token, str) and token:
            return token
    return None


def _object(holder: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = holder.get(name)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise BadJoin(f"{name} is an object")
    return value


def _flag(holder: Mapping[str, Any], name: str, *, default: bool) -> bool:
    match holder.get(name):
        case bool() as value:
            return value
        case None:
            return default
        case "true":
            return True
        case "false":
            return False
        case _:
            raise BadJoin(f"{name} is true or false")


def _key(presence: Mapping[str, Any]) -> str:
    key = presence.get("key") or ""
    if not isinstance(key, str) or (key and not is_key(key)):
        raise BadJoin(f"presence.key is a text of at most {KEY_CHARS_MAX} characters")
    return key


def _replay(broadcast: Mapping[str, Any]) -> Replay | None:
    asked = _object(broadcast, "replay")
    if not asked:
        return None
    since, limit = _whole(asked.get("since")), asked.get("limit")
    if since is None or since < 0:
        raise BadJoin("replay.since is a time in milliseconds since 1970")
    if limit is not None:
        limit = _whole(limit)
        if limit is None or not 1 <= limit <= _LIMIT_MAX:
            raise BadJoin("replay.limit is a whole number, 1 or more")
    try:
        return Replay(since=datetime.fromtimestamp(since / 1_000, UTC), limit=limit)
    except (ValueError, OverflowError, OSError):
        raise BadJoin("replay.since is a time in milliseconds since 1970") from None


def _whole(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value


def _bindings(config: Mapping[str, Any]) -> list[Any]:
    sent = config.get("postgres_changes")
    if sent is None:
        return []
    if not isinstance(sent, list):
        raise BadJoin("postgres_changes is a list")
    if len(sent) > BINDINGS_MAX:
        raise BadJoin(f"a channel has at most {BINDINGS_MAX} postgres_changes")
    return sent


def _reply(sent: list[Any], bindings: tuple[Binding, ...]) -> bytes:
    answered = [{**each, "id": binding.id} for each, binding in zip(sent, bindings, strict=True)]
    try:
        return orjson.dumps(answered)
    except (orjson.JSONEncodeError, RecursionError):  # nested deeper than can be written
        raise BadJoin("postgres_changes is nested too deeply") from None
