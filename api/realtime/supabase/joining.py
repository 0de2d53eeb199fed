"""Reads the payload of a ``phx_join``; pure.

``"true"`` and ``"false"`` count as booleans, unknown keys are ignored, and missing keys have
the defaults of Supabase.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TypeGuard

import orjson

from api.realtime.supabase.bindings import BINDINGS_MAX, Binding, InvalidBinding, parse_binding
from api.realtime.supabase.patterns import SIZE_MAX
from api.realtime.supabase.presence import KEY_CHARS_MAX, is_presence_key

_TOKENS: Final = ("access_token", "user_token")
_LIMIT_MAX: Final = 1_000_000


class InvalidJoin(Exception):
    """The payload of a join is not valid; the text is the reason."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ReplayRequest:
    """Requests the events since a time, before the live ones."""

    since: datetime
    limit: int | None
    """Only the newest ``limit`` events; ``None`` for all since then."""


@dataclass(frozen=True, kw_only=True, slots=True)
class JoinRequest:
    """The validated options of a join."""

    token: str | None
    """``None``: the key of the socket counts."""
    ack: bool
    """Whether the client's broadcasts are answered."""
    replay: ReplayRequest | None
    presence_key: str
    """Empty: the hub makes one."""
    presence: bool
    bindings: tuple[Binding, ...]
    bindings_reply: bytes
    """The bindings as they were sent, in order, each with its ``id``; encoded JSON."""


def parse_join(payload: Mapping[str, object]) -> JoinRequest:
    """Raises only :class:`InvalidJoin`."""
    config = _object(payload, "config")
    sent = _bindings(config)
    broadcast, presence = _object(config, "broadcast"), _object(config, "presence")
    bindings = _parsed(sent)
    return JoinRequest(
        token=token_of(payload),
        ack=_flag(broadcast, "ack", default=False),
        replay=_replay(broadcast),
        presence_key=_key(presence),
        presence=_flag(presence, "enabled", default=True),
        bindings=bindings,
        bindings_reply=_reply(sent, bindings),
    )


def token_of(payload: Mapping[str, object]) -> str | None:
    """The first token in a payload, if there is one."""
    for name in _TOKENS:
        token = payload.get(name)
        if isinstance(token, str) and token:
            return token
    return None


def _object(holder: Mapping[str, object], name: str) -> Mapping[str, object]:
    value = holder.get(name)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InvalidJoin(f"{name} must be an object")
    return value


def _flag(holder: Mapping[str, object], name: str, *, default: bool) -> bool:
    match holder.get(name):
        case None:
            return default
        case True | "true":
            return True
        case False | "false":
            return False
        case _:
            raise InvalidJoin(f"{name} must be true or false")


def _key(presence: Mapping[str, object]) -> str:
    key = presence.get("key") or ""
    if not isinstance(key, str) or (key and not is_presence_key(key)):
        raise InvalidJoin(f"presence.key must be a text of at most {KEY_CHARS_MAX} characters")
    return key


def _replay(broadcast: Mapping[str, object]) -> ReplayRequest | None:
    replay = _object(broadcast, "replay")
    if not replay:
        return None
    limit = replay.get("limit")
    if limit is not None and not (_is_int(limit) and 1 <= limit <= _LIMIT_MAX):
        raise InvalidJoin("replay.limit must be a whole number, 1 or more")
    since_ms = replay.get("since")
    try:
        if not _is_int(since_ms) or since_ms < 0:
            raise ValueError
        return ReplayRequest(since=datetime.fromtimestamp(since_ms / 1_000, UTC), limit=limit)
    except (ValueError, OverflowError, OSError):
        raise InvalidJoin("replay.since must be a time in milliseconds since 1970") from None


def _is_int(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _bindings(config: Mapping[str, object]) -> Sequence[Mapping[str, object]]:
    sent = config.get("postgres_changes")
    if sent is None:
        return []
    if not isinstance(sent, list):
        raise InvalidJoin("postgres_changes must be a list")
    if len(sent) > BINDINGS_MAX:
        raise InvalidJoin(f"a channel has at most {BINDINGS_MAX} postgres_changes")
    if not all(isinstance(each, Mapping) for each in sent):
        raise InvalidJoin("postgres_changes: a binding must be an object")
    return sent


def _parsed(sent: Sequence[Mapping[str, object]]) -> tuple[Binding, ...]:
    bindings: list[Binding] = []
    size = 0
    try:
        for each in sent:
            bindings.append(parse_binding(each))
            size += bindings[-1].size
            if size > SIZE_MAX:  # before the next pattern is compiled
                raise InvalidBinding("the patterns of a channel are too large")
    except InvalidBinding as invalid:
        raise InvalidJoin(f"postgres_changes: {invalid}") from None
    return tuple(bindings)


def _reply(sent: Sequence[Mapping[str, object]], bindings: Sequence[Binding]) -> bytes:
    answer = [{**each, "id": binding.id} for each, binding in zip(sent, bindings, strict=True)]
    try:
        return orjson.dumps(answer)
    except (orjson.JSONEncodeError, RecursionError):
        raise InvalidJoin("postgres_changes is nested too deeply") from None
