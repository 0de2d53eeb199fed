"""A small clinic made through the real API, and the calls with which tests act in it."""

from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import aiohttp

from tests.support.api import Answer, Api
from tests.support.database import Database
from tests.support.screens import Screen, connect
from tests.support.tokens import token

ADMIN = token("admin", "clinic-admin")
CHATBOT = token("chatbot", "clinic-chatbot")

DAYS_AHEAD = 3
"""Tests book on this day: no minimum notice applies, at any time of the day."""

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@dataclass(frozen=True, kw_only=True)
class Person:
    id: str
    role: str
    name: str
    token: str = field(repr=False)
    time_zone: str = "UTC"


@dataclass(frozen=True, kw_only=True)
class People:
    """The people and appointment types of every test's clinic."""

    dentists: tuple[Person, ...]
    patients: tuple[Person, ...]
    types: Mapping[str, str]
    """``check-up`` (30 min), ``cleaning`` (60 min), ``surgery`` (45 min, 15 after): ids."""
    practices: tuple[str, ...]
    """Of the first two dentists, and of the third: ids."""
    staff: tuple[Person, ...]
    """The desk of each practice."""


def schedule(time_zone: str = "UTC", **changes: Any) -> dict[str, Any]:
    """Every day from 08:00 to 18:00, on a 15-minute grid, unless changed."""
    rules = [{"weekday": day, "start": "08:00", "end": "18:00"} for day in WEEKDAYS]
    return {
        "time_zone": time_zone,
        "slot_step_minutes": 15,
        "min_notice_minutes": 0,
        "horizon_days": 365,
        "rules": rules,
        "overrides": [],
        **changes,
    }


async def found_clinic(session: aiohttp.ClientSession, url: str, *, patients: int = 50) -> People:
    """Create dentists, patients, types and schedules through the API."""
    admin = Api(session, url, ADMIN)
    types = {}
    for name, minutes, after in (("check-up", 30, 0), ("cleaning", 60, 0), ("surgery", 45, 15)):
        made = await admin.post(
            "/api/appointment-types",
            {"name": name, "duration_minutes": minutes, "buffer_after_minutes": after},
        )
        types[name] = _created(made)["id"]
    practices = [
        _created(await admin.post("/api/practices", {"name": name, "time_zone": "UTC"}))["id"]
        for name in ("First practice", "Second practice")
    ]
    dentists = [
        await _person(admin, "dentist", number, zone, practices[number // 2])
        for number, zone in enumerate(("UTC", "America/New_York", "UTC"))
    ]
    staff = [
        await _person(admin, "staff", number, "UTC", practice)
        for number, practice in enumerate(practices)
    ]
    for dentist in dentists:
        saved = await Api(session, url, dentist.token).put(
            f"/api/availability/{dentist.id}", schedule(dentist.time_zone)
        )
        assert saved.status == 200, saved.body
    people = [
        await _person(admin, "patient", number, "UTC", practices[0]) for number in range(patients)
    ]
    return People(
        dentists=tuple(dentists),
        patients=tuple(people),
        types=types,
        practices=tuple(practices),
        staff=tuple(staff),
    )


async def _person(
    admin: Api, role: str, number: int, zone: str, practice: str | None = None
) -> Person:
    subject, name = f"{role}-{number}", f"{role.title()} {number}"
    made = await admin.post(
        "/api/profiles",
        {
            "role": role,
            "subject": subject,
            "name": name,
            "email": f"{subject}@example.org",
            "phone": f"+1 555 01{number:02}" if role == "patient" else f"+1 555 02{number:02}",
            "time_zone": zone,
            **({"practice_id": practice} if practice else {}),
        },
    )
    return Person(
        id=_created(made)["id"],
        role=role,
        name=name,
        token=token(role, subject, ttl_s=30 * 86_400),
        time_zone=zone,
    )


def _created(answer: Answer) -> dict[str, Any]:
    assert answer.status == 201, answer.body
    body = answer.body
    assert isinstance(body, dict)
    return body


class Clinic:
    """A running hub's clinic, seen by its clients: people, connections, free times."""

    def __init__(
        self,
        url: str,
        people: People,
        session: aiohttp.ClientSession,
        opened: AsyncExitStack,
        database: Database,
    ) -> None:
        self.url, self.session, self.database = url, session, database
        self.dentists, self.patients, self.types = people.dentists, people.patients, people.types
        self.practices, self.staff = people.practices, people.staff
        self._opened = opened

    # --- clients -----------------------------------------------------------------------

    def api(self, person: Person | None) -> Api:
        return Api(self.session, self.url, person.token if person else None)

    def with_token(self, token: str | None, *, on_behalf_of: str | None = None) -> Api:
        return Api(self.session, self.url, token, on_behalf_of=on_behalf_of)

    @property
    def admin(self) -> Api:
        return Api(self.session, self.url, ADMIN)

    def chatbot(self, patient: Person) -> Api:
        """The chatbot service acting for a patient."""
        return Api(self.session, self.url, CHATBOT, on_behalf_of=patient.id)

    async def screen(self, person: Person, *join: str) -> Screen:
        """The person's dashboard: own channels, and ``join``."""
        return await self._screen(f"/{person.role}", {"token": person.token}, *join)

    async def chatbot_screen(self, patient: Person, *join: str) -> Screen:
        return await self._screen("/chatbot", {"token": CHATBOT, "on_behalf_of": patient.id}, *join)

    async def admin_screen(self, *join: str) -> Screen:
        return await self._screen("/admin", {"token": ADMIN}, *join)

    async def connect(self, namespace: str, auth: Any, **options: Any) -> Screen:
        """A connection with any namespace and auth, closed with the clinic.

        Raises ConnectionRefused.
        """
        screen = await connect(self.url, namespace, auth, session=self.session, **options)
        self._opened.push_async_callback(screen.close)
        return screen

    async def _screen(self, namespace: str, auth: Any, *join: str) -> Screen:
        screen = await self.connect(namespace, auth)
        for channel in join:
            await screen.ok("channel:join", {"channel": channel})
        return screen

    # --- times -------------------------------------------------------------------------

    def at(self, clock: str, *, dentist: Person | None = None, days: int = DAYS_AHEAD) -> str:
        """The instant of a wall time (``"09:00"``) at a dentist's, some days from today."""
        zone = ZoneInfo(dentist.time_zone if dentist else "UTC")
        day = (datetime.now(zone) + timedelta(days=days)).date()
        return instant(datetime.combine(day, time.fromisoformat(clock), zone))

    # --- frequent actions ------------------------------------------------------------------

    def slot(
        self, clock: str = "09:00", *, dentist: Person | None = None, kind: str = "check-up"
    ) -> dict[str, str]:
        """The body that holds or books this time."""
        chosen = dentist or self.dentists[0]
        return {
            "dentist_id": chosen.id,
            "appointment_type_id": self.types[kind],
            "start": self.at(clock, dentist=chosen),
        }

    async def book(self, patient: Person, clock: str = "09:00", **which: Any) -> dict[str, Any]:
        return _created(
            await self.api(patient).post("/api/appointments", self.slot(clock, **which))
        )

    async def visit(
        self, patient: Person, clock: str = "09:00", *, dentist: Person | None = None
    ) -> dict[str, Any]:
        """A visit of today, which the dentist has booked: it may have any status."""
        by = dentist or self.dentists[0]
        slot = self.slot(clock, dentist=by) | {"start": self.at(clock, dentist=by, days=0)}
        body = {**slot, "patient_id": patient.id}
        return _created(await self.api(by).post("/api/appointments", body))

    async def hold(self, patient: Person, clock: str = "09:00", **which: Any) -> dict[str, Any]:
        return _created(
            await self.api(patient).post("/api/reservations", self.slot(clock, **which))
        )

    async def looked_up(self, caller: Api, patient_id: str) -> None:
        """What must come before a link: the caller finds the patient by two identifiers."""
        path, born = f"/api/profiles/{patient_id}", {"date_of_birth": "1980-03-08"}
        known = (await self.admin.put(path, born)).body
        kind = "phone" if known["phone"] else "email"
        found = await caller.post("/api/patients/lookup", {kind: known[kind], **born})
        assert found.body == {"found": True, "id": patient_id, "name": known["name"]}, found.body

    async def shows(self, viewer: Person, appointment_id: str, **fields: Any) -> bool:
        """Whether the viewer's appointment has these values now."""
        answer = await self.api(viewer).get(f"/api/appointments/{appointment_id}")
        return all(answer.body[name] == value for name, value in fields.items())

    async def free(
        self, viewer: Person, *, dentist: Person | None = None, kind: str = "check-up"
    ) -> set[str]:
        """The starts that this viewer is offered on the tests' day."""
        chosen = dentist or self.dentists[0]
        answer = await self.api(viewer).get("/api/slots", **self.day_of(chosen, kind))
        assert answer.status == 200, answer.body
        return {slot["start"] for slot in answer.body["data"]}

    def day_of(self, dentist: Person, kind: str = "check-up") -> dict[str, Any]:
        """The query for the free slots of the tests' day."""
        return {
            "dentist_id": dentist.id,
            "appointment_type_id": self.types[kind],
            "from": self.at("00:00", dentist=dentist),
            "to": self.at("00:00", dentist=dentist, days=DAYS_AHEAD + 1),
            "limit": 200,
        }


def instant(moment: datetime) -> str:
    """An instant in the hub's format, in whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def appointments_of(person: Person) -> str:
    return f"appointments:{person.role}:{person.id}"


def availability_of(dentist: Person) -> str:
    return f"availability:dentist:{dentist.id}"
