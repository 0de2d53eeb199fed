"""What can go wrong between a client and a hub.

::

    ClientError
    ├── HubError          the hub refused or failed: code, status, details, request id
    ├── ConnectionLost    no answer arrived: the outcome of a command is unknown
    └── ClientClosed      the client was closed, by its owner or for good by the hub
"""

import json
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Final

RETRIED: Final = frozenset({"CALENDAR_BUSY", "UNAVAILABLE", "RATE_LIMITED"})
"""Codes of temporary failures: the same command may be sent again."""
FINAL: Final = frozenset(
    {
        "UNAUTHORIZED",
        "FORBIDDEN",
        "CONSENT_REQUIRED",
        "PROFILE_INCOMPLETE",
        "NOT_FOUND",
        "VALIDATION_ERROR",
        "Invalid namespace",
    }
)
"""Codes with which a hub refuses a connection for good: no attempt follows."""


class ClientError(Exception):
    """Base of all errors of this package."""


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One field of the input and what is wrong with it."""

    field: str
    message: str


@dataclass(eq=False)
class HubError(ClientError):
    """The hub refused or failed. Depend on ``code``, which is stable; not on ``message``."""

    code: str
    message: str
    _: KW_ONLY
    status: int | None = None
    details: tuple[FieldProblem, ...] = ()
    request_id: str | None = None
    retry_after_s: float | None = None

    def __str__(self) -> str:
        fields = "; ".join(f"{each.field}: {each.message}" for each in self.details)
        return f"{self.code}: {self.message}" + (f" ({fields})" if fields else "")

    @property
    def may_be_retried(self) -> bool:
        """Whether the failure is temporary."""
        return self.code in RETRIED or self.status == 503

    @classmethod
    def from_json(
        cls, body: object, *, status: int | None = None, retry_after_s: float | None = None
    ) -> "HubError":
        """From ``{"error": {…}}`` or its inner object.

        Anything else, such as the page of a proxy, becomes ``UNREADABLE_ANSWER``.
        """
        error = body.get("error", body) if isinstance(body, Mapping) else None
        if not isinstance(error, Mapping) or not isinstance(error.get("code"), str):
            return cls(
                "UNREADABLE_ANSWER",
                "The answer does not come from a Chairside hub",
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
            retry_after_s=retry_after_s,
        )


class ConnectionLost(ClientError):
    """No answer arrived. A command may have been executed: repeat it with the same key."""


class ClientClosed(ClientError):
    """The client is closed. ``refusal`` is the reason if the hub refused it for good."""

    def __init__(self, refusal: HubError | None = None) -> None:
        super().__init__(str(refusal) if refusal else "the client is closed")
        self.refusal = refusal


def json_or_none(raw: bytes) -> object:
    """The JSON of an answer; ``None`` for anything else, such as the page of a proxy."""
    try:
        return json.loads(raw)
    except ValueError:
        return None
