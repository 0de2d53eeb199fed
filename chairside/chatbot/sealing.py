"""A conversation's state as a signed text that its client keeps between two messages.

So the hub remembers no conversation: any process answers any message, a restart loses none,
and nobody can fill its memory with them. The signature (HS256, a key of its own) binds the
text to one patient and a time, and what was signed here needs no checks when it comes back.
"""

import hashlib
import hmac
import types
import typing
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time, timedelta
from enum import Enum
from typing import Any, Final

import jwt

from chairside.chatbot.dialogue.state import DialogueState

LIFE: Final = timedelta(hours=12)
"""A conversation that rested longer begins anew."""
_ALGORITHM: Final = "HS256"
_AUDIENCE: Final = "chairside-chat"
"""No token of the hub's has it, and no state is a token."""


def signing_key(secret: str) -> bytes:
    """A key for states out of a secret that signs other things, too."""
    return hmac.digest(secret.encode(), b"chairside chat state", hashlib.sha256)


def sealed(state: DialogueState, person: str, key: bytes, now: datetime) -> str:
    payload = {"sub": person, "aud": _AUDIENCE, "exp": now + LIFE, "state": plain_data(state)}
    return jwt.encode(payload, key, algorithm=_ALGORITHM)


def unsealed(text: str, person: str, key: bytes, now: datetime) -> DialogueState | None:
    """The state, if it was sealed here, for this person, and not too long ago."""
    try:
        payload = jwt.decode(
            text,
            key,
            algorithms=[_ALGORITHM],
            audience=_AUDIENCE,
            subject=person,
            options={"require": ["exp", "sub", "aud"], "verify_exp": False},
        )
        if payload["exp"] <= now.timestamp():
            return None
        state = from_data(DialogueState, payload["state"])
    except (jwt.PyJWTError, ValueError, KeyError, TypeError):
        return None  # also what an older version of the hub sealed
    assert isinstance(state, DialogueState)
    return state


# --- frozen dataclasses as JSON --------------------------------------------------------------


def plain_data(value: Any) -> Any:
    """Dataclasses as objects without their defaults, times as text."""
    match value:
        case Enum():
            return value.value
        case datetime() | date() | time():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case tuple() | list():
            return [plain_data(each) for each in value]
        case _ if is_dataclass(value) and not isinstance(value, type):
            shown = {field.name: getattr(value, field.name) for field in fields(value)}
            return {name: plain_data(each) for name, each in shown.items() if each is not None}
        case _:
            return value


def from_data(hint: Any, data: Any) -> Any:
    """The value of type ``hint``; raises ValueError, KeyError, TypeError if it is none."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        wanted = [one for one in arguments if one is not type(None)]
        return None if data is None else from_data(wanted[0], data)
    if origin is tuple:
        if arguments[1:] == (...,):
            return tuple(from_data(arguments[0], each) for each in data)
        return tuple(from_data(one, each) for one, each in zip(arguments, data, strict=True))
    if is_dataclass(hint):
        return _object(hint, data)
    if hint in (datetime, date, time):
        return hint.fromisoformat(data)
    if hint is timedelta:
        return timedelta(seconds=data)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint(data)
    if not isinstance(data, hint):
        raise TypeError(f"{data!r:.40} is no {hint}")
    return data


def _object(hint: Any, data: Mapping[str, Any]) -> Any:
    types_of = typing.get_type_hints(hint)
    known = {field.name for field in fields(hint)}
    if not set(data) <= known:
        raise ValueError("unknown fields")
    return hint(**{name: from_data(types_of[name], each) for name, each in data.items()})
