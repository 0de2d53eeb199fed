"""The clinic of the chatbot's tests, and short forms of what it understands."""

from dataclasses import fields
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from chairside.chatbot.clinic import Facts, Practitioner, Treatment
from chairside.chatbot.understanding.acts import DialogueAct
from chairside.chatbot.understanding.when import Days, When
from chairside.client.slot_table import TypeTimes

BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"

MARA = Practitioner(id="mara", name="Dr. Mara Lindqvist", time_zone=BERLIN)
JAMES = Practitioner(id="james", name="Dr. James Okonkwo", time_zone=BERLIN)
WEI = Practitioner(id="wei", name="Dr. Wei Chen", time_zone=NEW_YORK)


def treatment(name: str, minutes: int) -> Treatment:
    times = TypeTimes(name.split()[0].lower(), timedelta(minutes=minutes), timedelta(), timedelta())
    return Treatment(id=times.id, name=name, times=times)


TREATMENTS = tuple(
    treatment(name, minutes)
    for name, minutes in (
        ("Check-up", 30),
        ("Cleaning", 45),
        ("Filling", 60),
        ("Root canal", 90),
        ("Emergency visit", 15),
    )
)
FACTS = Facts(dentists=(MARA, JAMES, WEI), treatments=TREATMENTS, time_zone=BERLIN)
WEDNESDAY = datetime(2027, 3, 10, 9, 0, tzinfo=UTC)
"""10:00 in Berlin, 04:00 in New York."""


def local(zone: str = BERLIN, now: datetime = WEDNESDAY) -> datetime:
    return now.astimezone(ZoneInfo(zone))


def shown_acts(acts: tuple[DialogueAct, ...]) -> str:
    """Acts on one line: ``book treatment=cleaning 16.3. from=15:00 ++ cancel of:12.3.``"""
    return " ++ ".join(map(_act, acts))


def time_of(when: When) -> str:
    """``16.3.-18.3. from=15:00``; empty for nothing."""
    parts = [_days(days) for days in when.days]
    parts += [f"not={_days(days)}" for days in when.not_days]
    parts += [f"{name}={'/'.join(_WEEKDAYS[day] for day in days)}" for name, days in (
        ("only", when.weekdays), ("not", when.not_weekdays)) if days]  # fmt: skip
    parts += [
        f"{name}={clock:%H:%M}"
        for name, clock in (("from", when.time_from), ("to", when.time_to), ("at", when.at))
        if clock is not None
    ]
    if when.one_of:
        parts.append("one-of=" + "/".join(f"{clock:%H:%M}" for clock in when.one_of))
    parts += [
        word for word, is_set in (("soonest", when.soonest), ("any-time", when.any_time)) if is_set
    ]
    if when.problem:
        parts.append(f"!{when.problem}")
    return " ".join(parts)


_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def _days(days: Days) -> str:
    first, last = days.first, days.last
    shown = f"{first.day}.{first.month}."
    if first.year != WEDNESDAY.year:
        shown += str(first.year)
    return shown if first == last else f"{shown}-{last.day}.{last.month}."


def _act(act: DialogueAct) -> str:
    parts = [act.intent.value]
    for field in fields(act):
        value = getattr(act, field.name)
        if field.name in ("intent", "when", "which") or not value:
            continue
        shown = "+".join(value) if isinstance(value, tuple) else str(value)
        parts.append(field.name if value is True else f"{field.name}={shown}")
    if not act.when.is_empty:
        parts.append(time_of(act.when))
    if not act.which.is_empty:
        parts.append(f"of:{time_of(act.which)}")
    return " ".join(parts)
