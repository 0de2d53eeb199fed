"""The caller of a service, on any wire, and the idempotency keys of its requests."""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from enum import Enum

from actors.domain.principal import Principal
from actors.domain.values import value
from actors.ports.clock import NewId
from actors.ports.commits import IdempotencyKey


@value
class Caller:
    """On whose behalf a service acts, and for which request."""

    principal: Principal
    request_id: str
    """Identifies the request in logs, errors and the audit."""
    idempotency_key: str | None = None
    """The client's own; a retry with the same key gets the first reply."""


def idempotency_key(
    caller: Caller, operation: str, body: Mapping[str, object], new_id: NewId
) -> IdempotencyKey:
    """The client's own key, or an internal one that settles unknown outcomes.

    Scope: the effective person and the acting party; fingerprint: operation and body.

    The body is canonical (sorted, instants in UTC), so the same request over REST and
    Socket.IO has the same fingerprint.
    """
    canonical = _CANONICAL.encode([operation, body])
    return IdempotencyKey(
        scope=caller.principal.scope,
        key=caller.idempotency_key or new_id(),
        fingerprint=hashlib.blake2b(canonical.encode(), digest_size=16).hexdigest(),
        internal=caller.idempotency_key is None,
    )


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Enum):
        return str(value.value)
    return repr(value)


_CANONICAL = json.JSONEncoder(sort_keys=True, default=_plain, check_circular=False)
