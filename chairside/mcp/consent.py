"""The patient's yes: a question, and a token that belongs to it and to nothing else.

The token is signed by this process, for one operation with its arguments on one version of
the appointment, and ends after ten minutes. Whoever holds it must have been answered the
question first. Keys of idempotency come from the same facts, so a repeated call does nothing
twice.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import jwt

LIFE: Final = timedelta(minutes=10)
_ALGORITHM: Final = "HS256"
_AUDIENCE: Final = "chairside-mcp-confirmation"


@dataclass(frozen=True, kw_only=True, slots=True)
class Operation:
    """One change, as the patient is asked about it."""

    name: str
    person: str
    """Whose token it is done with."""
    arguments: Mapping[str, Any]
    version: int | None = None
    """Of the appointment that is changed."""

    @property
    def digest(self) -> str:
        said = [self.name, self.person, dict(self.arguments), self.version]
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()

    @property
    def key(self) -> str:
        """The same operation on the same version has the same idempotency key."""
        return f"mcp:{self.digest}"


def ask(operation: Operation, key: bytes, now: datetime) -> str:
    payload = {"aud": _AUDIENCE, "op": operation.digest, "exp": now + LIFE}
    return jwt.encode(payload, key, algorithm=_ALGORITHM)


def is_yes_to(operation: Operation, confirmation: str, key: bytes, now: datetime) -> bool:
    try:
        payload = jwt.decode(
            confirmation,
            key,
            algorithms=[_ALGORITHM],
            audience=_AUDIENCE,
            options={"require": ["exp", "op"], "verify_exp": False},
        )
        return bool(payload["op"] == operation.digest and payload["exp"] > now.timestamp())
    except (jwt.PyJWTError, TypeError, KeyError):
        return False
