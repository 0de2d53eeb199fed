"""Real tokens, signed with the tests' own secret."""

import time
from typing import Any

import jwt

SECRET = "a secret of the tests: long enough for HS256 and even for HS512, 64 bytes"


def token(
    role: str | None,
    subject: str,
    *,
    ttl_s: float = 3_600,
    secret: str = SECRET,
    algorithm: str = "HS256",
    **claims: Any,
) -> str:
    """A token as an identity provider issues it.

    ``claims`` are added or replace others; a claim that is ``None`` is left out.
    """
    now = time.time()
    payload: dict[str, Any] = {"sub": subject, "iat": int(now), "exp": now + ttl_s, **claims}
    if role is not None:
        payload["role"] = role
    payload = {name: value for name, value in payload.items() if value is not None}
    return jwt.encode(payload, secret, algorithm=algorithm)
