"""The hub's commands and queries, as both REST and Socket.IO name them.

A Socket.IO command carries the fields of the REST body, path and query together, so one table
describes both (``docs/protocol.md``). Over REST the fields that are not in the path go into the
body of POST and PUT, and into the query string otherwise.
"""

import re
from dataclasses import dataclass
from typing import Final, Generic, Literal, TypeVar

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
    """Contains names of fields in braces."""

    @property
    def in_path(self) -> list[str]:
        """Fields that REST takes in the path."""
        return re.findall(r"{(\w+)}", self.path)

    @property
    def writes(self) -> bool:
        return self.method != "GET"


SLOTS: Final[Operation[SlotList]] = Operation(
    event="slots:list",
    method="GET",
    path="/api/slots",
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
)
AVAILABILITY: Final[Operation[DentistAvailability]] = Operation(
    event="availability:get",
    method="GET",
    path="/api/availability/{dentist_id}",
)
REPLACE_AVAILABILITY: Final[Operation[DentistAvailability]] = Operation(
    event="availability:update",
    method="PUT",
    path="/api/availability/{dentist_id}",
)
ME: Final[Operation[Profile]] = Operation(
    event="profile:get", method="GET", path="/api/profiles/me"
)
UPDATE_ME: Final[Operation[Profile]] = Operation(
    event="profile:update", method="PUT", path="/api/profiles/me"
)
