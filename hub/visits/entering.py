"""Finds the people and the type of each row, and books: past visits as history."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from chairside.client import HubClient, HubError
from hub.visits.rows import RefusedRow, VisitRow, plain

_STEPS: Final[Mapping[str, Sequence[str]]] = {
    "completed": ("confirmed", "arrived", "checked_in", "completed"),
    "no_show": ("confirmed", "no_show"),
    "confirmed": ("confirmed",),
}
"""The statuses on the way to the one that a past visit has."""
_FOUND_AT_ONCE: Final = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class PracticeNames:
    """The practice, as its front desk sees it: read once for a file."""

    region: str
    zone: str
    dentists: Sequence[Mapping[str, Any]]
    types: Sequence[Mapping[str, Any]]

    @classmethod
    async def read(cls, hub: HubClient) -> "PracticeNames":
        practice_id = (await hub.request("GET", "/api/profiles/me"))["practice_id"]
        practice = await hub.request("GET", f"/api/practices/{practice_id}")
        dentists = await hub.dentists()
        return cls(
            region=practice["region"] or "",
            zone=practice["time_zone"],
            dentists=[each for each in dentists if each["practice_id"] == practice_id],
            types=await hub.appointment_types(),
        )


@dataclass(kw_only=True, slots=True)
class Entering:
    """Enters rows one by one; a row that is there already is only completed."""

    hub: HubClient
    names: PracticeNames
    now: datetime
    default_type: str = ""
    dry_run: bool = False
    _patients: dict[tuple[str, str | None, str | None], str] = field(default_factory=dict)

    async def enter(self, row: VisitRow) -> bool:
        """Whether the visit is new. Raises RefusedRow, ConnectionLost."""
        try:
            return await self._enter(row)
        except HubError as error:
            raise RefusedRow("visit", str(error)) from None

    async def _enter(self, row: VisitRow) -> bool:
        dentist = _named(self.names.dentists, row.dentist, "dentist")
        kind = _named(self.names.types, row.type or self.default_type, "type")
        patient_id = await self._patient(row)
        start = row.start(dentist["time_zone"] or self.names.zone)
        is_past = start < self.now
        if row.status not in ("", "confirmed") and not is_past:
            raise RefusedRow("status", "a visit to come is entered as confirmed only")
        booking = {
            "dentist_id": dentist["id"],
            "appointment_type_id": kind["id"],
            "patient_id": patient_id,
            "start": start.isoformat(),
        }
        found = await self._known(booking, start)
        if self.dry_run:
            return found is None
        visit = found or await self._booked(booking, row, is_past)
        if is_past:
            await self._ended(visit, row.status or "completed")
        return found is None

    async def _patient(self, row: VisitRow) -> str:
        key = plain(row.patient), row.date_of_birth, row.contact
        if key not in self._patients:
            found = {
                each["id"]
                async for each in self._search(row.contact or row.patient)
                if plain(each["name"]) == key[0]
                and row.date_of_birth in (None, each.get("date_of_birth"))
            }
            if not found:
                raise RefusedRow("patient", "the practice has no such patient: import them first")
            if len(found) > 1:
                raise RefusedRow("patient", "several patients have this name: add a date of birth")
            (self._patients[key],) = found
        return self._patients[key]

    async def _search(self, text: str) -> AsyncIterator[Mapping[str, Any]]:
        query = {"q": text, "limit": str(_FOUND_AT_ONCE)}
        while True:
            page = await self.hub.request("GET", "/api/patients", query=query)
            for each in page["data"]:
                yield each
            if page["pagination"]["next_cursor"] is None:
                return
            query["cursor"] = page["pagination"]["next_cursor"]

    async def _known(self, booking: Mapping[str, str], start: datetime) -> Mapping[str, Any] | None:
        page = await self.hub.request(
            "GET",
            "/api/appointments",
            query={
                "dentist_id": booking["dentist_id"],
                "patient_id": booking["patient_id"],
                "from": booking["start"],
                "to": (start + timedelta(minutes=1)).isoformat(),
            },
        )
        found: Sequence[Mapping[str, Any]] = page["data"]
        return found[0] if found else None

    async def _booked(
        self, booking: Mapping[str, str], row: VisitRow, is_past: bool
    ) -> Mapping[str, Any]:
        body: dict[str, object] = {**booking, "overbook": is_past}  # history may overlap
        if row.notes:
            body["notes"] = row.notes
        made: Mapping[str, Any] = await self.hub.request("POST", "/api/appointments", body=body)
        return made

    async def _ended(self, visit: Mapping[str, Any], status: str) -> None:
        """Take the steps that are missing: an earlier import may have ended between them."""
        path = f"/api/appointments/{visit['id']}"
        if status == "cancelled":
            if visit["status"] == "confirmed":
                await self.hub.request("DELETE", path)
            return
        steps = _STEPS[status]
        if visit["status"] in steps:
            for step in steps[steps.index(visit["status"]) + 1 :]:
                await self.hub.request("PUT", path, body={"status": step})


def _named(things: Iterable[Mapping[str, Any]], name: str, field_name: str) -> Mapping[str, Any]:
    """The one of this name; without a name the only one there is."""
    usable = list(things)
    found = [each for each in usable if plain(each["name"]) == plain(name)] if name else usable
    if len(found) != 1:
        known = ", ".join(each["name"] for each in usable)
        raise RefusedRow(field_name, f"must be one of: {known}")
    return found[0]
