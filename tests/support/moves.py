"""Many moves and bookings of the same slots at once, and what must hold of them."""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

from tests.support.api import Answer
from tests.support.clinic import Clinic, Person

STARTS = ("14:00", "14:30", "15:00", "15:30")
"""UTC: both dentists are open then."""
READ_EVERY_S = 0.1
"""Less often than the rate limit allows."""
ALLOWED = {None, "SLOT_TAKEN", "PATIENT_CONFLICT", "VERSION_CONFLICT", "UNAVAILABLE"}
"""The codes of answers in a race. Unavailable: others were faster too often, nothing is done."""


class Visits:
    """Visits of some patients, which go to and fro between two dentists of one practice."""

    def __init__(self, clinics: Sequence[Clinic], seed: int, count: int = 6) -> None:
        self.clinics, self.chance = clinics, random.Random(seed)
        self.patients = clinics[0].patients[:count]
        self.newcomers = clinics[0].patients[count : 3 * count]
        self.dentists = clinics[0].dentists[:2]
        self.ids: dict[str, Person] = {}
        """Each visit and its patient."""
        self.shown: dict[str, dict[str, Any]] = {}
        """The newest acknowledged state of each visit."""
        self.codes: Counter[str | None] = Counter()

    async def book(self) -> None:
        for number, patient in enumerate(self.patients):
            dentist, clock = self.dentists[number % 2], STARTS[number // 2]
            body = self._place(dentist, clock)
            made = await self._any().api(patient).post("/api/appointments", body)
            assert made.status == 201, made.body
            self.ids[made.body["id"]] = patient
            self._keep(made)

    def _any(self) -> Clinic:
        return self.chance.choice(self.clinics)

    def _place(self, dentist: Person, clock: str) -> dict[str, str]:
        clinic = self.clinics[0]
        return {
            "dentist_id": dentist.id,
            "start": clinic.at(clock),
            "appointment_type_id": clinic.types["check-up"],
        }

    def _keep(self, answer: Answer) -> None:
        known = self.shown.get(answer.body["id"])
        if known is None or known["version"] < answer.body["version"]:
            self.shown[answer.body["id"]] = answer.body

    async def move_one(self) -> Answer:
        """By the patient or the desk, to a place that may be taken."""
        visit = self.chance.choice(sorted(self.ids))
        place = self._place(self.chance.choice(self.dentists), self.chance.choice(STARTS))
        del place["appointment_type_id"]
        clinic = self._any()
        by = self.chance.choice((self.ids[visit], clinic.staff[0]))
        answer = await clinic.api(by).put(f"/api/appointments/{visit}", place)
        if answer.status == 200:
            self._keep(answer)
        return answer

    async def book_one(self) -> Answer:
        """A newcomer, who stays, at a place that may be taken."""
        body = self._place(self.chance.choice(self.dentists), self.chance.choice(STARTS))
        patient = self.chance.choice(self.newcomers)
        answer = await self._any().api(patient).post("/api/appointments", body)
        if answer.status == 201:
            self.ids[answer.body["id"]] = patient
            self._keep(answer)
        return answer

    async def race(self, moves: int, bookings: int) -> None:
        """All at once, while lists are read, which have each visit exactly once."""
        before = set(self.ids)
        sent = [self.move_one() for _ in range(moves)] + [self.book_one() for _ in range(bookings)]
        self.chance.shuffle(sent)
        stop = asyncio.Event()
        reading = [asyncio.create_task(self._read(clinic, before, stop)) for clinic in self.clinics]
        try:
            answers = await asyncio.gather(*sent)
        finally:
            stop.set()
            await asyncio.gather(*reading)
        self.codes.update(answer.code for answer in answers)
        assert set(self.codes) <= ALLOWED, self.codes

    async def _read(self, clinic: Clinic, visits: set[str], stop: asyncio.Event) -> None:
        desk = clinic.api(clinic.staff[0])
        while not stop.is_set():
            await asyncio.sleep(READ_EVERY_S)
            page = await desk.get("/api/appointments", limit=200)
            assert page.status == 200, page.body
            listed = Counter(row["id"] for row in page.body["data"])
            assert all(listed[visit] == 1 for visit in visits), (listed, visits)

    async def check(self) -> None:
        """Every visit is with one dentist, as it was acknowledged or as a later version."""
        clinic = self.clinics[0]
        lists = {
            dentist.id: (await clinic.api(dentist).get("/api/appointments", limit=200)).body["data"]
            for dentist in self.dentists
        }
        at = Counter(row["id"] for rows in lists.values() for row in rows)
        assert at == Counter(list(self.ids)), "exactly one of each"
        for visit, known in self.shown.items():
            row = (await clinic.api(self.ids[visit]).get(f"/api/appointments/{visit}")).body
            assert row["status"] == "confirmed"
            assert row["id"] in {each["id"] for each in lists[row["dentist_id"]]}
            assert row["version"] >= known["version"]
            if row["version"] == known["version"]:
                assert row == known
