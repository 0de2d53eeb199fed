"""A process of its own that owns a calendar, or believes so: ``python -m tests.faults.owner``.

Arguments: the database's URL, the dentist. It raises the fence, prints ``owns FENCE``, and for
each line ``PATIENT TYPE START`` that it reads, it commits a booking and prints the outcome.
"""

import asyncio
import sys
from datetime import datetime

from actors.domain.appointment import AppointmentType
from actors.domain.ids import AppointmentTypeId, ProfileId
from actors.domain.principal import Role
from actors.domain.profile import Profile
from actors.ports.commits import CommitFailure
from hub.clock import SystemClock, new_id
from store.engine import Store, open_store
from store.settings import DatabaseSettings
from tests.contract.clinic import Clinic, Postbox, booked, render
from tests.support.clock import FakeClock


async def main(url: str, dentist_id: str) -> None:
    opened = open_store(
        DatabaseSettings(url=url),
        render=render,
        publisher=Postbox(),
        new_id=new_id,
        clock=SystemClock(),
    )
    async with opened as store:
        await _own(store, Profile(id=ProfileId(dentist_id), role=Role.DENTIST, name="?"))


async def _own(store: Store, ann: Profile) -> None:
    clinic = Clinic(store, FakeClock(), new_id, Postbox())
    loaded = await clinic.open(ann)
    print("owns", loaded.fence, flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        patient, kind, start = line.split()
        clinic.kind = AppointmentType(id=AppointmentTypeId(kind), name="?", duration_minutes=30)
        whose = Profile(id=ProfileId(patient), role=Role.PATIENT, name="?")
        turn = clinic.turn(booked(clinic.row(ann, whose, datetime.fromisoformat(start))))
        try:
            await clinic.commit(loaded, turn)
        except CommitFailure as failure:
            print(type(failure).__name__, flush=True)
        else:
            print("Committed", flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
