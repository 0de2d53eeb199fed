"""The plan of the demo clinic: dentists, patients and their appointments.

It depends only on the date: the seed is fixed. Names are made up, e-mail addresses are of
example.org (RFC 2606), and telephone numbers are of the range reserved for fiction.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import product

from actors.domain.schedule import Override, Schedule, Weekday, WeeklyRule, Window

PATIENTS = 100
DAYS_BEFORE = 3
DAYS_AFTER = 10

_SEED = 49
_STEP_MINUTES = 15
_BUSY = 0.65
"""The share of openings that are booked; the others stay free."""

# fmt: off
_FIRST = (
    "Amara", "Anton", "Beatriz", "Chidi", "Clara", "David", "Elif", "Emma", "Farid", "Grace",
    "Hana", "Ivan", "Jonas", "Julia", "Kofi", "Lena", "Luca", "Maya", "Mei", "Nadia",
    "Noah", "Olga", "Omar", "Priya", "Rosa", "Sara", "Tomas", "Uma", "Viktor", "Yuki",
)
_LAST = (
    "Adeyemi", "Becker", "Costa", "Dvorak", "Eriksen", "Fischer", "Garcia", "Haddad", "Ivanova",
    "Jensen", "Kaya", "Kowalski", "Laurent", "Marino", "Nakamura", "Novak", "Okafor", "Patel",
    "Quinn", "Rossi", "Santos", "Silva", "Tanaka", "Weber", "Young",
)
# fmt: on
_NOTES = (
    "Prefers the morning",
    "Please call when an earlier time becomes free",
    "Coming with a small child",
    "First visit",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedType:
    """An appointment type; lengths in minutes."""

    name: str
    duration: int
    before: int
    after: int
    share: int
    """Its frequency, relative to the other types."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedDentist:
    name: str
    schedule: Schedule


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedPatient:
    name: str
    email: str
    phone: str


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedVisit:
    """One appointment; people and type by their index in the plan."""

    dentist: int
    patient: int
    kind: int
    start: datetime
    booked_by: str
    """``dentist``, ``patient`` or ``chatbot``."""
    ends_as: str
    """Its status once its time is over."""
    notes: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedPractice:
    name: str
    time_zone: str
    region: str
    """ISO 3166 code of its country."""
    address: str
    phone: str
    desk: tuple[str, ...]
    """The names of those who work at the front desk."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DemoPlan:
    practice: PlannedPractice
    types: tuple[PlannedType, ...]
    dentists: tuple[PlannedDentist, ...]
    patients: tuple[PlannedPatient, ...]
    visits: tuple[PlannedVisit, ...]


PRACTICE = PlannedPractice(
    name="Dental practice on the square",
    time_zone="Europe/Berlin",
    region="US",
    address="1 Square, Example Town",
    phone="+1 202 555 0199",
    desk=("Nora Brandt",),
)

TYPES = (
    PlannedType(name="Check-up", duration=30, before=0, after=5, share=5),
    PlannedType(name="Cleaning", duration=45, before=0, after=10, share=4),
    PlannedType(name="Filling", duration=60, before=5, after=10, share=3),
    PlannedType(name="Root canal", duration=90, before=10, after=15, share=1),
    PlannedType(name="Emergency visit", duration=15, before=0, after=5, share=1),
)


def plan(today: date) -> DemoPlan:
    """The clinic around ``today``: a fortnight, of which a few days are over."""
    rng = random.Random(_SEED)  # noqa: S311  # a demo, not a secret
    dentists = _dentists(today)
    return DemoPlan(
        practice=PRACTICE,
        types=TYPES,
        dentists=dentists,
        patients=tuple(_patients(rng)),
        visits=tuple(_visits(today, dentists, rng)),
    )


def _dentists(today: date) -> tuple[PlannedDentist, ...]:
    short_day = Override(date=today + timedelta(days=8), windows=(_window(10, 12),))
    day_off = Override(date=today + timedelta(days=9), windows=())
    return (
        PlannedDentist(
            name="Dr. Mara Lindqvist",
            schedule=_schedule("Europe/Berlin", "MTWRF", ((9, 12.5), (13.25, 17)), short_day),
        ),
        PlannedDentist(
            name="Dr. Tomas Herrera",
            schedule=_schedule("Europe/Berlin", "TWRFS", ((8, 12), (13, 16))),
        ),
        PlannedDentist(
            name="Dr. Aisha Bell",
            schedule=_schedule("America/New_York", "MTWRF", ((9, 13), (14, 18)), day_off),
        ),
    )


_LETTERS = dict(zip("MTWRFSU", Weekday, strict=True))


def _schedule(
    time_zone: str, days: str, hours: Sequence[tuple[float, float]], *overrides: Override
) -> Schedule:
    """Opening hours with a lunch break between them."""
    return Schedule(
        time_zone=time_zone,
        slot_step_minutes=_STEP_MINUTES,
        min_notice_minutes=30,
        horizon_days=180,
        rules=tuple(
            WeeklyRule(weekday=_LETTERS[day], window=_window(*span))
            for day, span in product(days, hours)
        ),
        overrides=overrides,
    )


def _window(start: float, end: float) -> Window:
    return Window(int(start * 60), int(end * 60))


def _patients(rng: random.Random) -> Iterator[PlannedPatient]:
    for number, (first, last) in enumerate(rng.sample(list(product(_FIRST, _LAST)), PATIENTS)):
        yield PlannedPatient(
            name=f"{first} {last}",
            email=f"{first}.{last}@example.org".lower(),
            phone=f"+1 202 555 {100 + number:04}",
        )


def _visits(
    today: date, dentists: Sequence[PlannedDentist], rng: random.Random
) -> Iterator[PlannedVisit]:
    for offset in range(-DAYS_BEFORE, DAYS_AFTER + 1):
        # a patient has at most one appointment a day, so no two overlap
        coming = rng.sample(range(PATIENTS), PATIENTS)
        for number, dentist in enumerate(dentists):
            for kind, start in _openings(dentist.schedule, today + timedelta(days=offset), rng):
                if rng.random() < _BUSY:
                    yield _visit(number, coming.pop(), kind, start, rng)


def _openings(schedule: Schedule, day: date, rng: random.Random) -> Iterator[tuple[int, datetime]]:
    """Consecutive appointments on the grid, with their buffers, until the window is full."""
    midnight = datetime.combine(day, datetime.min.time(), tzinfo=schedule.zone)
    for window in schedule.windows_on(day):
        at = window.start
        while True:
            (number,) = rng.choices(range(len(TYPES)), [kind.share for kind in TYPES])
            kind = TYPES[number]
            if at + kind.duration > window.end:
                break
            yield number, (midnight + timedelta(minutes=at)).astimezone(UTC)
            busy = kind.duration + max(kind.after, *(other.before for other in TYPES))
            at += -(-busy // _STEP_MINUTES) * _STEP_MINUTES


def _visit(
    dentist: int, patient: int, kind: int, start: datetime, rng: random.Random
) -> PlannedVisit:
    return PlannedVisit(
        dentist=dentist,
        patient=patient,
        kind=kind,
        start=start,
        booked_by=rng.choice(("patient", "patient", "chatbot", "dentist")),
        ends_as=rng.choices(("completed", "no_show", "cancelled"), (88, 5, 7))[0],
        notes=rng.choice(_NOTES) if rng.random() < 0.15 else None,
    )
