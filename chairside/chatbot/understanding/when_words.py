"""The ways to write a time: "next Tuesday after 3", "the 12th of March", "not on Mondays".

What each day comes to is decided in :mod:`chairside.chatbot.understanding.day_reader`.
"""

import re
from datetime import datetime
from typing import Final

from chairside.chatbot.understanding.clock_words import TAKEN, ClockReader
from chairside.chatbot.understanding.day_reader import WEEKDAY, DayReader, Rule
from chairside.chatbot.understanding.normalize import MONTHS
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

_UNIT: Final = r"(?:days?|weeks?|months?|years?|fortnights?)"
_COUNT: Final = r"(?:\d{1,4}|a couple of|a few|an?|another)"
_NOT_CLOCK: Final = r"(?! ?(?:am\b|pm\b|:\d|o'clock))"
_YEAR: Final = r"(?:,? (?P<year>\d{4}))?"
_EDGE: Final = (
    r"(?:(?P<edge>early|beginning of|start of|mid|middle of|late|end of)(?: in)?[ -](?:the )?)?"
)


def _rule(rule: Rule, pattern: str) -> tuple[re.Pattern[str], Rule]:
    return re.compile(pattern), rule


_T: Final = r" *⟦(?P<{}>\d+)⟧ *"
_A, _B = _T.format("a"), _T.format("b")

_DAY_RULES: Final = (
    _rule(
        DayReader.iso,
        r"\b\d{4}-\d{1,2}-\d{1,2}\b",
    ),
    _rule(
        DayReader.dotted,
        r"\b(\d{1,2})\.(\d{1,2})\.(?:(\d{4}|\d{2})\b)?",
    ),
    _rule(
        DayReader.slashed,
        r"\b\d{1,2}/\d{1,2}(?:/(?:\d{4}|\d{2}))?\b",
    ),
    _rule(
        DayReader.nth_weekday,
        rf"\b(?:the )?(?P<nth>first|second|third|fourth|last|[1-4](?:st|nd|rd|th))"
        rf" (?P<day>{WEEKDAY}) (?:of|in)(?: (?:next|this|the) month| (?P<month>{MONTHS}))",
    ),
    _rule(
        DayReader.named,
        rf"\b(?:the )?(?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?: day)?(?: of)? (?P<month>{MONTHS}){_YEAR}",
    ),
    _rule(
        DayReader.named,
        rf"\b(?P<month>{MONTHS}) (?:the )?(?P<day>\d{{1,2}})(?:st|nd|rd|th)?\b{_NOT_CLOCK}{_YEAR}",
    ),
    _rule(
        DayReader.ago,
        rf"\b{_COUNT} {_UNIT} ago\b",
    ),
    _rule(
        DayReader.distance,
        rf"\b(?P<count>{_COUNT}) (?P<unit>{_UNIT}) from"
        rf" (?:(?P<now>now|today|this day)|(?:this |next |on )?(?P<day>{WEEKDAY}))\b",
    ),
    _rule(
        DayReader.relative_day,
        r"\b(?P<word>(?:the )?day after tomorrow|day before yesterday|tomorrow|tmrw|tmr|tomorow"
        r"|tommorow|tommorrow|today|tonight|yesterday|this (?:morning|afternoon|evening))\b",
    ),
    _rule(
        DayReader.within,
        rf"\b(?:within|(?:in|over|during|for) (?:the )?next|(?:the )?next|(?:the )?coming)"
        rf" (?P<count>\d{{1,3}}|few|a few|couple of|a couple of) (?P<unit>{_UNIT})\b",
    ),
    _rule(
        DayReader.without_weekdays,
        rf"\b(?:not|no|except(?: for)?|but(?: not)?|without|never|can't do|cannot do|don't want"
        rf"|anything but|any day but)(?: on)?(?: a)?"
        rf" (?P<names>(?:{WEEKDAY}s?|weekends?)(?:(?:,| and| or|, or|, and) (?:on )?(?:{WEEKDAY}s?|weekends?))*)\b(?! (?:morning|afternoon|evening))",
    ),
    _rule(
        DayReader.weekday,
        rf"\b(?P<which>(?:next|this|coming|following|last|past|any|every|some|a|on) )?"
        rf"(?P<day>{WEEKDAY})(?P<plural>s\b)?(?=\b)(?:,? (?:of |in )?(?:the )?(?P<week>next week|this week|week after next))?"
        rf"(?P<plus> week\b)?(?! ?- ?\d)",
    ),
    _rule(
        DayReader.distance,
        rf"\b(?:in |after )(?P<count>{_COUNT}) (?P<unit>{_UNIT})(?:'s?|s')?(?: time)?\b(?! from| after (?:tomorrow|the|next|{WEEKDAY}))",
    ),
    _rule(
        DayReader.week,
        rf"\b{_EDGE}(?:(?:in |during |the rest of )?(?:the )?)?(?:(?P<which>next|this|following|last) week\b(?! after)|week after next\b)",
    ),
    _rule(
        DayReader.month,
        rf"\b{_EDGE}(?:(?P<which>next|this|following|last) month|(?<=of )the month)\b",
    ),
    _rule(
        DayReader.working_days,
        r"\b(?:on )?(?:a )?(?:weekday|working day|week day)s?\b",
    ),
    _rule(
        DayReader.weekend,
        r"\b(?:(?P<which>next|this|following|last|any|on) )?(?:the )?weekend(?P<plural>s)?\b",
    ),
    _rule(
        DayReader.month_name,
        rf"\b(?:{_EDGE[:-1]}|(?:in|of|during|this|next) )(?P<month>{MONTHS})(?! ?\d{{1,2}}\b){_YEAR}",
    ),
    _rule(
        DayReader.day_of_month,
        r"\b(?:on |(?<=\bby )|(?<=\bbefore )|(?<=\bafter )|(?<=\bfrom )|(?<=\buntil ))?the (?P<number>\d{1,2})(?:st|nd|rd|th)\b"
        r"(?! (?:one|option|slot|time|appointment|choice|of these|of those))",
    ),
    # How the days that were found belong together.
    _rule(
        DayReader.named_date,
        rf"{_A},?(?: ?the ?)?,?{_B}",
    ),
    _rule(
        DayReader.range,
        rf"(?:between|from){_A}(?:and|to|until|till|through|-){_B}",
    ),
    _rule(
        DayReader.range,
        rf"{_A}(?:to|until|till|through|thru|-){_B}",
    ),
    _rule(
        DayReader.lower_bound,
        rf"\b(?P<word>after|later than|from|starting|since|not before|as of|beginning){_A}(?:on\b|onwards?\b)?",
    ),
    _rule(
        DayReader.lower_bound,
        rf"{_A}(?P<word>or later|onwards?|or after)\b",
    ),
    _rule(
        DayReader.upper_bound,
        rf"\b(?P<word>before|by|until|till|no later than|earlier than|(?<!check )(?<!check-)up to){_A}",
    ),
)


def take_when(text: str, now: datetime, *, month_first: bool) -> tuple[When, str]:
    """The time in plain ``text``, and the text without it.

    ``now`` is a wall time (with or without a zone) where the appointment will be.
    ``month_first``: how to read 3/4, as in the United States or as elsewhere.
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
    dates = DayReader(now.date(), month_first=month_first)
    clock = ClockReader(dates.read(text, _DAY_RULES))
    text = clock.read()
    any_time, soonest = bool(_ANY_TIME.search(text)), bool(_SOONEST.search(text))
    text = _ANY_TIME.sub(TAKEN, _SOONEST.sub(TAKEN, text))
    problem, about = _problem(dates, clock)
    when = When(
        days=joined(dates.days),
        weekdays=tuple(sorted(dates.weekdays - dates.not_weekdays)),
        not_weekdays=tuple(sorted(dates.not_weekdays)),
        time_from=clock.time_from,
        time_to=clock.time_to,
        at=clock.at,
        soonest=soonest,
        any_time=any_time,
        problem=problem,
        about=about,
    )
    if problem is None and when.is_over(now):
        when = When(days=when.days, at=when.at, problem=TimeProblem.PAST, about="that time")
    return when, text


def _problem(dates: DayReader, clock: ClockReader) -> tuple[TimeProblem | None, str]:
    problems = clock.problems | dates.problems
    if dates.days and TimeProblem.PAST in problems:  # "yesterday or tomorrow"
        problems.setdefault(TimeProblem.CONTRADICTION, problems[TimeProblem.PAST])
    for problem in TimeProblem:
        if problem in problems:
            return problem, problems[problem]
    if dates.weekdays and dates.weekdays <= dates.not_weekdays:
        return TimeProblem.CONTRADICTION, "those weekdays"
    return None, ""
