"""Fills an empty hub with the demo clinic, and lists its people and their tokens.

Everything goes through the services of the hub, so the rules of booking apply.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

import orjson

from actors.domain.appointment import Status
from actors.domain.cancel_reason import CancelReason
from actors.domain.ids import AppointmentId, AppointmentTypeId, DentistId, ProfileId
from actors.domain.issuers import EXTERNAL
from actors.domain.principal import Principal, Role
from actors.domain.profile import Profile
from actors.domain.sign_in import Account, AccountId
from actors.ports.commits import Reply
from actors.services.caller import Caller
from actors.services.identity import Claims
from actors.services.requests import (
    AppointmentChange,
    BookSlotRequest,
    Cancellation,
    NewAppointmentType,
    NewPractice,
    NewProfile,
)
from hub.bootstrap import Hub
from hub.demo.plan import (
    PATIENTS,
    PRACTICE,
    DemoPlan,
    PlannedDentist,
    PlannedPatient,
    PlannedPractice,
    PlannedType,
    PlannedVisit,
)

TOKEN_LIFE = timedelta(days=1)

DENTISTS = 3
ADMIN = "demo-admin"
CHATBOT = "demo-chatbot"

_CONCURRENCY = 64
"""Commands in flight while seeding: enough to share commits, too few to fill a mailbox."""

_STATUSES_UNTIL = {
    "completed": (Status.ARRIVED, Status.CHECKED_IN, Status.COMPLETED),
    "no_show": (Status.NO_SHOW,),
}

T = TypeVar("T")

IssueToken = Callable[[str, Role], str]
"""Makes a token that is valid for TOKEN_LIFE, for a subject and a role."""


def dentist_subject(number: int) -> str:
    return f"demo-dentist-{number + 1}"


def desk_subject(number: int) -> str:
    return f"demo-desk-{number + 1}"


def patient_subject(number: int) -> str:
    return f"demo-patient-{number + 1:03}"


async def seed(hub: Hub, plan: DemoPlan) -> None:
    """Create the planned clinic in an empty hub."""
    await _Seeding(hub).run(plan)


async def add_desk(hub: Hub) -> None:
    """Enter the front desk in a clinic that an earlier version seeded without one."""
    known = await hub.core.base.store.profiles.by_identity((EXTERNAL, desk_subject(0)))
    if known is None:
        await _Seeding(hub).desk(PRACTICE)


async def add_accounts(hub: Hub) -> None:
    """Let the people sign in at the hub, as if they had accepted invitations."""
    subjects = [
        *(desk_subject(n) for n in range(len(PRACTICE.desk))),
        *(dentist_subject(n) for n in range(DENTISTS)),
        *(patient_subject(n) for n in range(PATIENTS)),
    ]
    await _all(_account(hub, subject) for subject in subjects)


async def _account(hub: Hub, subject: str) -> None:
    """Add the account of a person who has none."""
    base, person = hub.core.base, await _person(hub, subject)
    if not await base.store.accounts.of_person(person.id):
        account = Account(
            id=AccountId(base.new_id()), role=person.role, created_at=base.clock.now()
        )
        await base.store.accounts.add(account, person.id)


async def links(hub: Hub, url: str, issue: IssueToken) -> dict[str, Any]:
    """What clients need to try the demo: the content of ``links.json``."""
    desk = [await _person(hub, desk_subject(n)) for n in range(len(PRACTICE.desk))]
    dentists = [await _person(hub, dentist_subject(n)) for n in range(DENTISTS)]
    patients = [await _person(hub, patient_subject(n)) for n in range(PATIENTS)]
    assert desk[0].practice_id, "the front desk works at the practice"
    practice = await hub.services.practices.find(desk[0].practice_id)

    def linked(person: Profile) -> dict[str, str | None]:
        assert person.subject, "everyone in the demo can sign in"
        return {
            "id": person.id,
            "name": person.name,
            "email": person.email,
            "token": issue(person.subject, person.role),
        }

    return {
        "url": url,
        "practice": {"id": practice.id, "name": practice.name},
        "staff": [linked(each) for each in desk],
        "dentists": [{**linked(each), "time_zone": each.time_zone} for each in dentists],
        "patients": [linked(each) for each in patients],
        "chatbot": {"token": issue(CHATBOT, Role.CHATBOT)},
        "admin": {"token": issue(ADMIN, Role.ADMIN)},
        "appointment_types": [
            {"id": kind.id, "name": kind.name, "duration_minutes": kind.duration_minutes}
            for kind in await hub.services.catalog.types()
        ],
    }


def _address(subject: str) -> str:
    return f"{subject}@practice.example"


async def _person(hub: Hub, subject: str) -> Profile:
    profile = await hub.core.base.store.profiles.by_identity((EXTERNAL, subject))
    assert profile is not None, "the demo was seeded with them"
    return profile


class _Seeding:
    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._admin = self._caller(Principal(role=Role.ADMIN, subject=ADMIN))

    async def run(self, plan: DemoPlan) -> None:
        await self._practice(plan.practice)
        types = await _all(self._type(each) for each in plan.types)
        patients = await _all(self._patient(n, who) for n, who in enumerate(plan.patients))
        dentists = await _all(self._dentist(n, who) for n, who in enumerate(plan.dentists))
        await _all(
            self._visit(visit, dentists[visit.dentist], patients[visit.patient], types[visit.kind])
            for visit in plan.visits
        )

    async def _practice(self, practice: PlannedPractice) -> None:
        await self._hub.services.practices.create(
            self._admin,
            NewPractice(
                name=practice.name,
                time_zone=practice.time_zone,
                region=practice.region,
                address=practice.address,
                phone=practice.phone,
            ),
        )
        await self.desk(practice)

    async def desk(self, practice: PlannedPractice) -> None:
        for number, name in enumerate(practice.desk):
            subject = desk_subject(number)
            await self._hub.services.people.create(
                self._admin,
                NewProfile(role=Role.STAFF, subject=subject, name=name, email=_address(subject)),
            )

    async def _type(self, kind: PlannedType) -> AppointmentTypeId:
        reply = await self._hub.services.catalog.create(
            self._admin,
            NewAppointmentType(
                name=kind.name,
                duration_minutes=kind.duration,
                buffer_before_minutes=kind.before,
                buffer_after_minutes=kind.after,
            ),
        )
        return AppointmentTypeId(reply.resource_id)

    async def _patient(self, number: int, who: PlannedPatient) -> Principal:
        subject = patient_subject(number)
        await self._hub.services.people.create(
            self._admin,
            NewProfile(
                role=Role.PATIENT,
                subject=subject,
                name=who.name,
                email=who.email,
                phone=who.phone,
            ),
        )
        return await self._principal(subject, Role.PATIENT)

    async def _dentist(self, number: int, who: PlannedDentist) -> Principal:
        subject = dentist_subject(number)
        reply = await self._hub.services.people.create(
            self._admin,
            NewProfile(
                role=Role.DENTIST,
                subject=subject,
                name=who.name,
                email=_address(subject),
                time_zone=who.schedule.time_zone,
            ),
        )
        dentist = await self._principal(subject, Role.DENTIST)
        await self._hub.services.availability.replace(
            self._caller(dentist), DentistId(ProfileId(reply.resource_id)), who.schedule
        )
        return dentist

    async def _visit(
        self, visit: PlannedVisit, dentist: Principal, patient: Principal, kind: AppointmentTypeId
    ) -> None:
        assert dentist.person is not None, "a dentist's principal has a person"
        over = visit.start <= self._hub.core.base.clock.now() + timedelta(hours=1)
        by_staff = over or visit.booked_by == "dentist"
        reply = await self._hub.services.bookings.book(
            self._caller(dentist if by_staff else self._booker(visit, patient)),
            BookSlotRequest(
                dentist_id=DentistId(dentist.person),
                appointment_type_id=kind,
                start=visit.start,
                patient_id=patient.person if by_staff else None,
                notes=visit.notes,
            ),
        )
        await self._ending(visit, self._caller(dentist), reply)

    async def _ending(self, visit: PlannedVisit, dentist: Caller, booked: Reply) -> None:
        """Complete the visits that are over, or mark them missed; cancel some."""
        appointment_id = AppointmentId(booked.resource_id)
        if visit.ends_as == "cancelled":
            await self._hub.services.bookings.cancel(
                dentist, appointment_id, Cancellation(reason=CancelReason.PATIENT_ILL)
            )
        elif _end(booked) <= self._hub.core.base.clock.now():
            for status in _STATUSES_UNTIL[visit.ends_as]:
                await self._hub.services.bookings.change(
                    dentist, appointment_id, AppointmentChange(status=status)
                )

    def _booker(self, visit: PlannedVisit, patient: Principal) -> Principal:
        if visit.booked_by == "patient":
            return patient
        return Principal(role=Role.PATIENT, subject=CHATBOT, person=patient.person, acting=CHATBOT)

    async def _principal(self, subject: str, role: Role) -> Principal:
        expires_at = self._hub.core.base.clock.now() + TOKEN_LIFE
        return await self._hub.services.identity.principal(
            Claims(subject=subject, role=role, expires_at=expires_at)
        )

    def _caller(self, principal: Principal) -> Caller:
        return Caller(principal=principal, request_id=self._hub.core.base.new_id())


def _end(booked: Reply) -> datetime:
    return datetime.fromisoformat(orjson.loads(booked.body)["end"])


async def _all(work: Iterable[Awaitable[T]]) -> Sequence[T]:
    """The results in order; a bounded number runs at a time, so that commits are shared."""
    free = asyncio.Semaphore(_CONCURRENCY)

    async def one(part: Awaitable[T]) -> T:
        async with free:
            return await part

    return await asyncio.gather(*map(one, work))
