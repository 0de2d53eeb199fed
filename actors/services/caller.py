"""The caller of a service, on any wire."""

from dataclasses import dataclass

from actors.domain.principal import Principal


@dataclass(frozen=True, kw_only=True, slots=True)
class Caller:
    """On whose behalf a service acts, and for which request."""

    principal: Principal
    request_id: str
    """Identifies the request in logs, errors and the audit."""
    idempotency_key: str | None = None
    """The client's own; a retry with the same key gets the first reply."""
