"""The patient's consent to a change: a signed token for exactly that change.

This process signs a confirmation for one change with its arguments on one version of the
appointment. It expires after ten minutes, and its holder was shown the question. Idempotency keys
are derived from the same facts, so calling a tool again executes nothing twice.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import jwt

LIFETIME: Final = timedelta(minutes=10)
_ALGORITHM: Final = "HS256"
_AUDIENCE: Final = "chairside-mcp-confirmation"


@dataclass(frozen=True, kw_only=True, slots=True)
class ProposedChange:
    """One change that a patient may consent to."""

    name: str
    patient_id: str
    arguments: Mapping[str, str | None]
    version: int | None = None
    """Of the appointment to be changed."""

    @property
    def digest(self) -> str:
        facts = [self.name, self.patient_id, dict(self.arguments), self.version]
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()

    @property
    def idempotency_key(self) -> str:
        return f"mcp:{self.digest}"


def sign_confirmation(change: ProposedChange, key: bytes) -> str:
    payload = {"aud": _AUDIENCE, "op": change.digest, "exp": datetime.now(UTC) + LIFETIME}
    return jwt.encode(payload, key, algorithm=_ALGORITHM)


def confirms(confirmation: str, change: ProposedChange, key: bytes) -> bool:
    """Whether the confirmation is genuine, still valid, and about this change."""
    try:
        payload = jwt.decode(
            confirmation,
            key,
            algorithms=[_ALGORITHM],
            audience=_AUDIENCE,
            options={"require": ["exp", "op"]},
        )
    except jwt.PyJWTError:
        return False
    return bool(payload["op"] == change.digest)
