"""What can go wrong when talking to a hub.

::

    ClientError
    ├── HubError          the hub said no: code, status, details, request id
    ├── ConnectionLost    nobody said anything: the outcome of a command is unknown
    └── ClientClosed      the client was closed: by its owner, or for good by the hub
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

RETRIED = frozenset({"CALENDAR_BUSY", "UNAVAILABLE", "RATE_LIMITED"})
"""Codes that say "neither yes nor no": the same command may be sent again."""
FINAL = frozenset(
    {"UNAUTHORIZED", "FORBIDDEN", "NOT_FOUND", "VALIDATION_ERROR", "Invalid namespace"}
)
"""Refusals of a connection that the next attempt would get as well."""


class ClientError(Exception):
    """Base of the tree."""


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One field of the input and what is wrong with it."""

    field: str
    message: str


class HubError(ClientError):
    """A refusal or failure in the hub's own words; ``code`` is stable, depend on it."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        status: int | None = None,
        details: tuple[FieldProblem, ...] = (),
        request_id: str | None = None,
        timestamp: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(code, message)
        self.code, self.message, self.status = code, message, status
        self.details, self.request_id, self.timestamp = details, request_id, timestamp
        self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        fields = "; ".join(f"{each.field}: {each.message}" for each in self.details)
        return f"{self.code}: {self.message}" + (f" ({fields})" if fields else "")

    @property
    def may_be_retried(self) -> bool:
        return self.code in RETRIED or self.status == 503

    @classmethod
    def from_json(
        cls, body: Any, *, status: int | None = None, retry_after_s: float | None = None
    ) -> "HubError":
        """The error object of a reply (``{"error": {…}}`` or its inner object).

        Anything else (a proxy's page, say) becomes ``UNREADABLE_ANSWER``.
        """
        error = body.get("error", body) if isinstance(body, Mapping) else None
        if not isinstance(error, Mapping) or not isinstance(error.get("code"), str):
            return cls(
                "UNREADABLE_ANSWER",
                "The answer is not one of a Chairside hub",
                status=status,
                retry_after_s=retry_after_s,
            )
        return cls(
            error["code"],
            str(error.get("message", "")),
            status=status,
            details=tuple(
                FieldProblem(str(each.get("field")), str(each.get("message")))
                for each in error.get("details") or ()
            ),
            request_id=error.get("request_id"),
            timestamp=error.get("timestamp"),
            retry_after_s=retry_after_s,
        )


class ConnectionLost(ClientError):
    """No answer came. A command may have been carried out: repeat it with the same key."""


class ClientClosed(ClientError):
    """Nothing can be asked any more; ``refusal`` is why, when the hub ended it."""

    def __init__(self, refusal: HubError | None = None) -> None:
        super().__init__(str(refusal) if refusal else "the client is closed")
        self.refusal = refusal
