"""The hub's commands and queries, as both REST and Socket.IO name them.

A Socket.IO command carries the fields of the REST body, path and query together, so one table
describes both (``docs/protocol.md``).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, Literal, TypeVar

from chairside.client.shapes import (
    Appointment,
    DentistAvailability,
    Profile,
    Reservation,
    SlotList,
)

ResultT = TypeVar("ResultT")


@dataclass(frozen=True, kw_only=True, slots=True)
class Operation(Generic[ResultT]):
    """One command or query; ``ResultT`` is the JSON of its answer."""

    event: str
    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    """May contain names of fields in braces."""
    query: frozenset[str] = frozenset()
    """Fields that REST takes in the query string."""

    @property
    def writes(self) -> bool:
        return self.method != "GET"


@dataclass(frozen=True, kw_only=True, slots=True)
class RestForm:
    """Where the fields of an operation go in an HTTP request."""

    path: str
    query: Mapping[str, object]
    body: Mapping[str, object] | None
    version: int | None
    """For ``If-Match``."""


SLOTS: Final[Operation[SlotList]] = Operation(
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
HOLD: Final[Operation[Reservation]] = Operation(
    event="reservation:create", method="POST", path="/api/reservations"
)
RELEASE: Final[Operation[None]] = Operation(
    event="reservation:release", method="DELETE", path="/api/reservations/{id}"
)
BOOK: Final[Operation[Appointment]] = Operation(
    event="appointment:book", method="POST", path="/api/appointments"
)
CHANGE: Final[Operation[Appointment]] = Operation(
    event="appointment:update", method="PUT", path="/api/appointments/{id}"
)
CANCEL: Final[Operation[None]] = Operation(
    event="appointment:cancel",
    method="DELETE",
    path="/api/appointments/{id}",
    query=frozenset({"reason"}),
)
AVAILABILITY: Final[Operation[DentistAvailability]] = Operation(
    event="availability:get",
    method="GET",
    path="/api/availability/{dentist_id}",
    query=frozenset({"from", "to", "appointment_type_id"}),
)
REPLACE_AVAILABILITY: Final[Operation[DentistAvailability]] = Operation(
    event="availability:update",
    method="PUT",
    path="/api/availability/{dentist_id}",
    query=frozenset({"dry_run"}),
)
ME: Final[Operation[Profile]] = Operation(
    event="profile:get", method="GET", path="/api/profiles/me"
)
UPDATE_ME: Final[Operation[Profile]] = Operation(
    event="profile:update", method="PUT", path="/api/profiles/me"
)


def rest_form(operation: Operation[Any], data: Mapping[str, object]) -> RestForm:
    """Where each field of ``data`` goes in a request."""
    rest = dict(data)
    version = rest.pop("version", None)
    assert version is None or isinstance(version, int)
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
