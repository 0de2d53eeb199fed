"""A conversation's state as a signed text that its client keeps between two messages.

So the hub stores no conversation: any process answers any message, a restart loses none, and
no client can fill the hub's memory with them. The signature (HS256, a key of its own) binds
the text to one patient and a time.
"""

import hashlib
import hmac
from datetime import datetime, timedelta
from typing import Final

import jwt
from cattrs import BaseValidationError

from chairside.chatbot.dialogue.state import DialogueState
from chairside.chatbot.json_values import value_converter

LIFE: Final = timedelta(hours=12)
"""A conversation that rested longer begins again."""
_ALGORITHM: Final = "HS256"
_AUDIENCE: Final = "chairside-chat"
"""No token of the hub has it, and no state is a token."""

_CONVERTER: Final = value_converter(forbid_extra_keys=True)
"""Refuses fields that it does not know, as another version of the hub may seal them."""


def signing_key(secret: str) -> bytes:
    """A key for states, derived from a secret that also signs other things."""
    return hmac.digest(secret.encode(), b"chairside chat state", hashlib.sha256)


def sealed(state: DialogueState, person: str, key: bytes, now: datetime) -> str:
    data = _CONVERTER.unstructure(state)
    payload = {"sub": person, "aud": _AUDIENCE, "exp": now + LIFE, "state": data}
    return jwt.encode(payload, key, algorithm=_ALGORITHM)


def unsealed(text: str, person: str, key: bytes, now: datetime) -> DialogueState | None:
    """The state, if it was sealed here, for this person, and not too long ago.

    None also for what another version of the hub sealed: the conversation begins again.
    """
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
        return _CONVERTER.structure(payload["state"], DialogueState)
    except (jwt.PyJWTError, BaseValidationError, KeyError, TypeError):
        return None
