"""The clinic of every simulation: two practices, their people, and a database with them."""

import asyncio
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from actors.domain.consent import Consent, ConsentId
from actors.domain.events import ConsentSaved, ScheduleReplaced
from actors.domain.ids import AppointmentTypeId, DentistId, PatientId, ProfileId
from actors.domain.principal import Role
from actors.domain.profile import Profile
from actors.domain.schedule import Schedule, Weekday, WeeklyRule, Window
from actors.services.identity import Claims
from api.auth import _secret_id
from store.engine import open_store
from store.migrations.migrate import upgrade
from store.settings import DatabaseSettings
from tests.contract.clinic import Clinic, Postbox, render
from tests.simulation.process import BEGAN, CONFIG
from tests.support.clock import FakeClock
from tests.support.ids import SerialIds

SLOTS: Final = 6
"""Slots of each dentist that the workload wants: few, so that they are disputed."""
_FIRST: Final = BEGAN + timedelta(days=1, hours=1)
_SLOT: Final = timedelta(minutes=30)
BOT: Final = "bot"


@dataclass(frozen=True)
class Person:
    id: str
    role: Role
    name: str

    @property
    def claims(self) -> Claims:
        return claims_of(f"sub-{self.name}", self.role)


def claims_of(subject: str, role: Role) -> Claims:
    """Those of a token that outlasts every run."""
    key = _secret_id(CONFIG.auth.secret)
    return Claims(subject=subject, role=role, expires_at=BEGAN + timedelta(days=30), key=key)


@dataclass(frozen=True)
class People:
    """All people, and the schedule and the type that all begin with."""

    dentists: Sequence[Person]
    patients: Sequence[Person]
    staff: Sequence[Person]
    type_id: AppointmentTypeId
    schedule: Schedule

    @property
    def everyone(self) -> Sequence[Person]:
        return (*self.dentists, *self.patients, *self.staff)


ADMIN_CLAIMS: Final = claims_of("admin", Role.ADMIN)
BOT_CLAIMS: Final = claims_of(BOT, Role.CHATBOT)


def slot(number: int) -> datetime:
    return _FIRST + number * _SLOT


@cache
def clinic() -> tuple[People, sqlite3.Connection]:
    """Made once in each process, outside of any simulation."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "clinic.db"
        upgrade(f"sqlite:///{path}")
        people = asyncio.run(_founded(path))
        stored = sqlite3.connect(path)
        template = sqlite3.connect(":memory:")
        stored.backup(template)
        stored.close()
    template.execute("PRAGMA journal_mode = MEMORY").close()
    template.execute("UPDATE hub SET first_epoch = 1").close()
    template.execute("UPDATE event_log SET epoch = 1").close()
    template.commit()
    return people, template


async def _founded(path: Path) -> People:
    ids, clock = SerialIds(1), FakeClock(BEGAN - timedelta(days=1))
    settings = DatabaseSettings(url=f"sqlite:///{path}")
    async with open_store(
        settings, render=render, publisher=Postbox(), new_id=ids, clock=clock
    ) as store:
        clinic = Clinic(store, clock, ids, Postbox())
        await clinic.found()
        return await _people(clinic, clock)


async def _people(clinic: Clinic, clock: FakeClock) -> People:
    practices = [await clinic.add_practice(name) for name in ("North", "South")]
    dentists = [
        await clinic.add_dentist(
            name, subject=f"sub-{name}", time_zone="UTC", practice_id=practices[at].id
        )
        for name, at in (("ann", 0), ("bob", 0), ("cid", 0), ("dot", 1))
    ]
    staff = [
        await clinic.add_staff(name, practices[at], subject=f"sub-{name}")
        for name, at in (("eva", 0), ("fin", 1))
    ]
    patients = [
        await clinic.add_patient(
            name,
            practices[at].id,
            subject=f"sub-{name}" if has_account else None,
            email=f"{name}@clinic.example",
        )
        for name, at, has_account in (
            ("pia", 0, True),
            ("quin", 0, True),
            ("rob", 0, True),
            ("sam", 1, True),
            ("tom", 0, False),
        )
    ]
    schedule = _schedule()
    for dentist in dentists:
        loaded = await clinic.open(dentist)
        replaced = ScheduleReplaced(
            dentist_id=DentistId(dentist.id), before=loaded.schedule, after=schedule
        )
        await clinic.commit(loaded, clinic.turn(replaced))
    consent = Consent(
        id=ConsentId(clinic.new_id()),
        patient_id=PatientId(patients[0].id),
        party=f"chatbot:{BOT}",
        given_at=clock.now(),
        given_by="admin:admin",
        expires_at=BEGAN + timedelta(days=30),
    )
    await clinic.save(ConsentSaved(before=None, after=consent))
    return People(
        dentists=[_person(each) for each in dentists],
        patients=[_person(each) for each in patients],
        staff=[_person(each) for each in staff],
        type_id=clinic.kind.id,
        schedule=schedule,
    )


def _person(profile: Profile) -> Person:
    return Person(ProfileId(profile.id), profile.role, profile.name)


def _schedule() -> Schedule:
    window = Window(start=8 * 60, end=18 * 60)
    return Schedule(
        time_zone="UTC",
        slot_step_minutes=30,
        rules=tuple(WeeklyRule(weekday=day, window=window) for day in Weekday),
        version=2,
    )
