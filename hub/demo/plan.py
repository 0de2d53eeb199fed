"""The demo clinic on paper: who works when, who comes when. Pure, and the same every time.

Everything follows from the date and a fixed seed. Names are made up, e-mail addresses
are of example.org (RFC 2606) and telephone numbers of the range reserved for fiction.
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
"""The share of openings that are taken; the rest stays free to be booked."""

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
class Kind:
    """An appointment type; lengths in minutes."""

    name: str
    duration: int
    before: int
    after: int
    share: int
    """How often it is chosen, against the others."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Dentist:
    name: str
    schedule: Schedule


@dataclass(frozen=True, kw_only=True, slots=True)
class Patient:
    name: str
    email: str
    phone: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Visit:
    """One appointment; people and type by their place in the plan's lists."""

    dentist: int
    patient: int
    kind: int
    start: datetime
    booked_by: str
    """``dentist``, ``patient`` or ``chatbot``."""
    ends_as: str
    """The status it would have once its time is over."""
    notes: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    kinds: tuple[Kind, ...]
    dentists: tuple[Dentist, ...]
    patients: tuple[Patient, ...]
    visits: tuple[Visit, ...]


KINDS = (
    Kind(name="Check-up", duration=30, before=0, after=5, share=5),
    Kind(name="Cleaning", duration=45, before=0, after=10, share=4),
    Kind(name="Filling", duration=60, before=5, after=10, share=3),
    Kind(name="Root canal", duration=90, before=10, after=15, share=1),
    Kind(name="Emergency visit", duration=15, before=0, after=5, share=1),
)


def plan(today: date) -> Plan:
    """The clinic around ``today``: a fortnight, a few days of it already over."""
    rng = random.Random(_SEED)  # noqa: S311  # a demo, not a secret
    dentists = _dentists(today)
    return Plan(
        kinds=KINDS,
        dentists=dentists,
        patients=tuple(_patients(rng)),
        visits=tuple(_visits(today, dentists, rng)),
    )


def _dentists(today: date) -> tuple[Dentist, ...]:
    short_day = Override(date=today + timedelta(days=8), windows=(_window(10, 12),))
    day_off = Override(date=today + timedelta(days=9), windows=())
    return (
        Dentist(
            name="Dr. Mara Lindqvist",
            schedule=_schedule("Europe/Berlin", "MTWRF", ((9, 12.5), (13.25, 17)), short_day),
        ),
        Dentist(
            name="Dr. Tomas Herrera",
            schedule=_schedule("Europe/Berlin", "TWRFS", ((8, 12), (13, 16))),
        ),
        Dentist(
            name="Dr. Aisha Bell",
            schedule=_schedule("America/New_York", "MTWRF", ((9, 13), (14, 18)), day_off),
        ),
    )


_LETTERS = dict(zip("MTWRFSU", Weekday, strict=True))


def _schedule(
    time_zone: str, days: str, hours: Sequence[tuple[float, float]], *overrides: Override
) -> Schedule:
    """Hours of opening with a break for lunch between them."""
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


def _patients(rng: random.Random) -> Iterator[Patient]:
    for number, (first, last) in enumerate(rng.sample(list(product(_FIRST, _LAST)), PATIENTS)):
        yield Patient(
            name=f"{first} {last}",
            email=f"{first}.{last}@example.org".lower(),
            phone=f"+1 202 555 {100 + number:04}",
        )


def _visits(today: date, dentists: Sequence[Dentist], rng: random.Random) -> Iterator[Visit]:
    for offset in range(-DAYS_BEFORE, DAYS_AFTER + 1):
        # nobody has two appointments on one day, so nobody is in two places at once
        coming = rng.sample(range(PATIENTS), PATIENTS)
        for number, dentist in enumerate(dentists):
            for kind, start in _openings(dentist.schedule, today + timedelta(days=offset), rng):
                if rng.random() < _BUSY:
                    yield _visit(number, coming.pop(), kind, start, rng)


def _openings(schedule: Schedule, day: date, rng: random.Random) -> Iterator[tuple[int, datetime]]:
    """One after the other on the grid, buffers kept, until the window is full."""
    midnight = datetime.combine(day, datetime.min.time(), tzinfo=schedule.zone)
    for window in schedule.windows_on(day):
        at = window.start
        while True:
            (number,) = rng.choices(range(len(KINDS)), [kind.share for kind in KINDS])
            kind = KINDS[number]
            if at + kind.duration > window.end:
                break
            yield number, (midnight + timedelta(minutes=at)).astimezone(UTC)
            busy = kind.duration + max(kind.after, *(other.before for other in KINDS))
            at += -(-busy // _STEP_MINUTES) * _STEP_MINUTES


def _visit(dentist: int, patient: int, kind: int, start: datetime, rng: random.Random) -> Visit:
    return Visit(
        dentist=dentist,
        patient=patient,
        kind=kind,
        start=start,
        booked_by=rng.choice(("patient", "patient", "chatbot", "dentist")),
        ends_as=rng.choices(("completed", "no_show", "cancelled"), (88, 5, 7))[0],
        notes=rng.choice(_NOTES) if rng.random() < 0.15 else None,
    )
