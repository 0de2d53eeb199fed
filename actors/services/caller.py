"""One request, whatever the wire it came over."""

from dataclasses import dataclass

from actors.domain.principal import Principal


@dataclass(frozen=True, kw_only=True, slots=True)
class Caller:
    principal: Principal
    request_id: str
    """Goes into logs, errors and the audit, so that one request can be followed."""
    idempotency_key: str | None = None
    """The client's own; with it a retry is answered with the first reply."""
