"""Creates a practice for ``chairside traffic --practice``, through the API as an administrator.

Everyone has a fixed token subject, so that another run finds the same people again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import aiohttp

from chairside.client import HubClient, HubError
from chairside.traffic.audit import run_each
from chairside.traffic.links import LinkedPerson, Links

DENTISTS: Final = 6
DESKS: Final = 2
PATIENTS: Final = 200
AT_ONCE: Final = 8
TIME_ZONE: Final = "Europe/Vienna"
WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
HOURS: Final = {
    "time_zone": TIME_ZONE,
    "slot_step_minutes": 15,
    "min_notice_minutes": 0,
    "horizon_days": 365,
    "rules": [
        {"weekday": day, "start": start, "end": end}
        for day in WEEKDAYS
        for start, end in (("08:00", "12:30"), ("13:15", "18:00"))
    ],
    "overrides": [],
}
"""Every day, with a break."""

IssueToken = Callable[[str, str], str]
"""Makes a token for a role and a subject."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PracticePlan:
    """Who a practice has; the figures of a usual day are the defaults."""

    url: str
    issue: IssueToken
    patients: int = PATIENTS
    dentists: int = DENTISTS
    desks: int = DESKS


async def found_practice(plan: PracticePlan) -> Links:
    """The people of the practice with their tokens; creates what is missing.

    Another practice has only a desk, the stranger, who must see nothing. Raises HubError if
    the hub refuses, and ConnectionLost.
    """
    async with aiohttp.ClientSession() as session:
        return await _Founding(plan, session).run()


class _Founding:
    def __init__(self, plan: PracticePlan, session: aiohttp.ClientSession) -> None:
        self._plan, self._session = plan, session
        self._admin = self._client(plan.issue("admin", "traffic-admin"))

    async def run(self) -> Links:
        kind = await self._type()
        home = await self._practice("Simulated practice")
        other = await self._practice("Simulated practice of strangers")
        stranger = await self._person("staff", "stranger", other)
        desks = [await self._person("staff", f"desk-{n}", home) for n in range(self._plan.desks)]
        dentists = [
            await self._person("dentist", f"dentist-{n}", home) for n in range(self._plan.dentists)
        ]
        for each in dentists:
            await self._client(each.token).replace_availability(each.id, HOURS)
        patients: dict[int, LinkedPerson] = {}

        async def enter(number: int) -> None:
            patients[number] = await self._person("patient", f"patient-{number:03}", home)

        await run_each(range(self._plan.patients), enter, at_once=AT_ONCE)
        return Links(
            dentists=tuple(dentists),
            patients=tuple(patients[number] for number in sorted(patients)),
            chatbot_token=self._plan.issue("chatbot", "traffic-chatbot"),
            appointment_type_ids=(kind,),
            desks=tuple(desks),
            stranger=stranger,
            practice_id=home,
        )

    async def _type(self) -> str:
        """The shortest type that patients may book at any practice; a new one if there is none."""
        types = [
            each
            for each in await self._admin.appointment_types()
            if each["active"] and "patient" in each["bookable_by"] and each["practice_id"] is None
        ]
        if not types:
            body = {"name": "Check-up", "duration_minutes": 30}
            made = await self._admin.request("POST", "/api/appointment-types", body=body)
            return str(made["id"])
        return min(types, key=lambda each: (each["duration_minutes"], each["id"]))["id"]

    async def _practice(self, name: str) -> str:
        page = await self._admin.request("GET", "/api/practices", query={"limit": 200})
        for each in page["data"]:
            if each["name"] == name:
                return str(each["id"])
        body = {"name": name, "time_zone": TIME_ZONE, "region": "AT"}
        return str((await self._admin.request("POST", "/api/practices", body=body))["id"])

    async def _person(self, role: str, name: str, practice_id: str) -> LinkedPerson:
        subject = f"traffic-{name}"
        token = self._plan.issue(role, subject)
        body: dict[str, Any] = {
            "role": role,
            "subject": subject,
            "name": f"Traffic {name}",
            "email": f"{subject}@example.org",
            "practice_id": practice_id,
        }
        if role == "patient":
            body["allow_duplicate"] = True  # an earlier run is known by the subject
        try:
            made = await self._admin.request("POST", "/api/profiles", body=body)
        except HubError as refusal:
            if not any(each.field == "subject" for each in refusal.details):
                raise
            made = await self._client(token).me()  # an earlier run has entered them
        return LinkedPerson(id=made["id"], token=token)

    def _client(self, token: str) -> HubClient:
        return HubClient(self._plan.url, token=token, session=self._session)
