"""The day and the time of a message together, relative to a moment in a zone."""

import re
from datetime import datetime
from typing import Final

from chairside.chatbot.understanding.clock_words import TAKEN, ClockTimes, take_clock
from chairside.chatbot.understanding.date_words import take_days
from chairside.chatbot.understanding.day_reader import Dates
from chairside.chatbot.understanding.when import TimeProblem, When, joined

_CORRECTION: Final = re.compile(
    r"\b(?:no,? wait|wait,? no|i mean(?:t)?|or rather|no sorry|sorry,? i mean|make that|actually)\b"
)
_BARE_NUMBER: Final = re.compile(r"^\W*(\d{1,2})\W*$")
_SOONEST: Final = re.compile(
    r"\b(?:asap|a\.s\.a\.p|(?:as )?soon(?:est)?(?: as)?(?: possible| you can)?|earliest possible"
    r"|(?:the )?(?:first|next|earliest|soonest) (?:available|possible|free|opening|slot you have)"
    r"(?: (?:slot|time|appointment|opening|date|one))?"
    r"|right away|immediately|urgent(?:ly)?|at once|whenever(?: you (?:can|have)| is fine)?"
    r"|any ?day|any date|as early as possible|the sooner the better)\b"
)
_ANY_TIME: Final = re.compile(
    r"\b(?:any ?time|whenever|all day|(?:the )?time (?:of day )?(?:does not|doesn't) matter"
    r"|don't (?:mind|care) (?:what|which) time)\b"
)


def take_when(text: str, now: datetime, *, month_first: bool = False) -> tuple[When, str]:
    """The time in plain ``text``, and the text without it.

    ``now`` is a wall time (with or without a zone) where the appointment will be.
    """
    corrected = _CORRECTION.split(text)
    if len(corrected) > 1:
        last = _BARE_NUMBER.sub(r"at \1", corrected[-1])
        later, rest = _take(last, now, month_first=month_first)
        if not later.is_empty:
            first, before = _take(" ".join(corrected[:-1]), now, month_first=month_first)
            return first.refined_by(later), f"{before} {rest}"
    return _take(text, now, month_first=month_first)


def _take(text: str, now: datetime, *, month_first: bool) -> tuple[When, str]:
    dates, text = take_days(text, now.date(), month_first=month_first)
    clock, text = take_clock(text)
    any_time, soonest = bool(_ANY_TIME.search(text)), bool(_SOONEST.search(text))
    text = _ANY_TIME.sub(TAKEN, _SOONEST.sub(TAKEN, text))
    problem, about = _problem(dates, clock)
    when = When(
        days=joined(dates.days),
        weekdays=tuple(sorted(set(dates.weekdays) - set(dates.not_weekdays))),
        not_weekdays=tuple(sorted(set(dates.not_weekdays))),
        time_from=clock.time_from,
        time_to=clock.time_to,
        at=clock.at,
        soonest=soonest,
        any_time=any_time,
        problem=problem,
        about=about,
    )
    if problem is None and when.is_over(now):
        when = _with_problem(when, TimeProblem.PAST, "that time")
    return when, text


def _with_problem(when: When, problem: TimeProblem, about: str) -> When:
    return When(days=when.days, at=when.at, problem=problem, about=about)


def _problem(dates: Dates, clock: ClockTimes) -> tuple[TimeProblem | None, str]:
    if dates.impossible or clock.impossible:
        return TimeProblem.UNREAL, (dates.impossible + clock.impossible)[0]
    if dates.clash:
        return TimeProblem.CONTRADICTION, dates.clash
    if clock.clash or clock.contradicts:
        return TimeProblem.CONTRADICTION, "those times of day"
    if dates.past:
        both = bool(dates.days)
        return (TimeProblem.CONTRADICTION if both else TimeProblem.PAST), dates.past[0]
    if dates.far:
        return TimeProblem.FAR, dates.far[0]
    excluded = set(dates.weekdays) & set(dates.not_weekdays)
    if excluded and not set(dates.weekdays) - excluded:
        return TimeProblem.CONTRADICTION, "those weekdays"
    return None, ""
