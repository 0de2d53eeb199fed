"""The hub's commands and where they stand on either wire (DESIGN §7 and §8).

A Socket.IO command carries the REST body plus the path and query names, so one table
describes both.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, kw_only=True, slots=True)
class Operation:
    event: str
    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    """May name fields of the data in braces."""
    query: frozenset[str] = frozenset()
    """Fields that REST takes in the query."""

    @property
    def writes(self) -> bool:
        return self.method != "GET"


@dataclass(frozen=True, kw_only=True, slots=True)
class RestForm:
    path: str
    query: Mapping[str, Any]
    body: Mapping[str, Any] | None
    version: int | None
    """For ``If-Match``."""


SLOTS = Operation(
    event="slots:list",
    method="GET",
    path="/api/slots",
    query=frozenset(
        {
            "dentist_id",
            "appointment_type_id",
            "from",
            "to",
            "time_from",
            "time_to",
            "limit",
            "cursor",
        }
    ),
)
HOLD = Operation(event="reservation:create", method="POST", path="/api/reservations")
RELEASE = Operation(event="reservation:release", method="DELETE", path="/api/reservations/{id}")
BOOK = Operation(event="appointment:book", method="POST", path="/api/appointments")
CHANGE = Operation(event="appointment:update", method="PUT", path="/api/appointments/{id}")
CANCEL = Operation(
    event="appointment:cancel",
    method="DELETE",
    path="/api/appointments/{id}",
    query=frozenset({"reason"}),
)
AVAILABILITY = Operation(
    event="availability:get",
    method="GET",
    path="/api/availability/{dentist_id}",
    query=frozenset({"from", "to", "appointment_type_id"}),
)
REPLACE_AVAILABILITY = Operation(
    event="availability:update",
    method="PUT",
    path="/api/availability/{dentist_id}",
    query=frozenset({"dry_run"}),
)
ME = Operation(event="profile:get", method="GET", path="/api/profiles/me")
UPDATE_ME = Operation(event="profile:update", method="PUT", path="/api/profiles/me")


def rest_form(operation: Operation, data: Mapping[str, Any]) -> RestForm:
    """Where each field of ``data`` goes in a request."""
    rest = dict(data)
    version = rest.pop("version", None)
    in_path = {name: rest.pop(name) for name in list(rest) if f"{{{name}}}" in operation.path}
    query = {name: rest.pop(name) for name in list(rest) if name in operation.query}
    has_body = operation.method in ("POST", "PUT")
    assert has_body or not rest, f"{operation.event} takes no {sorted(rest)}"
    return RestForm(
        path=operation.path.format(**in_path),
        query=query,
        body=rest if has_body else None,
        version=version,
    )
