"""The ways to write a time: "next Tuesday after 3", "the 12th of March", "not on Mondays".

What each day comes to is decided in :mod:`chairside.chatbot.understanding.day_reader`.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from chairside.chatbot.understanding.calendar_words import WEEKDAY
from chairside.chatbot.understanding.clock_words import TAKEN, TIME, ClockReader
from chairside.chatbot.understanding.day_joining import DayJoiner
from chairside.chatbot.understanding.day_reader import DayReader, Rule
from chairside.chatbot.understanding.day_relations import DAY_RELATIONS
from chairside.chatbot.understanding.numerals import MONTHS
from chairside.chatbot.understanding.when import TimeProblem, When, joined

READINGS_MAX: Final = 24
"""Times that the parts of one message are read; each is linear in the message's length."""
_CORRECTIONS_MAX: Final = 2

_CORRECTION: Final = re.compile(
    r"\b(?:no,? wait|wait,? no|i mean(?:t)?|or rather|no sorry|sorry,? i mean|make that|actually)\b"
)
_BARE_NUMBER: Final = re.compile(r"^\W{0,9}(\d{1,2})\W{0,9}$")
_SOONEST: Final = re.compile(
    r"\b(?:asap|a\.s\.a\.p|(?:as )?soon(?:est)?(?: as)?(?: possible| you can)?|earliest possible"
    r"|(?:the )?(?:first|next|earliest|soonest) (?:available|possible|free|opening|slot you have)"
    r"(?: (?:slot|time|appointment|opening|date|one))?"
    r"|right away|immediately|urgent(?:ly)?|at once|whenever(?: you (?:can|have)| is fine)?"
    r"|any ?day|any date|as early as possible|the sooner the better|at your earliest convenience)\b"
)
_ANY_TIME: Final = re.compile(
    r"\b(?:any ?time(?! (?:but|except))|whenever(?! (?:but|except))|all day|(?:the )?time (?:of day )?(?:does not|doesn't) matter"
    r"|don't (?:mind|care) (?:what|which) time)\b"
)

_UNIT: Final = r"(?:days?|weeks?|months?|years?|fortnights?)"
_COUNT: Final = r"(?:\d{1,12}|a couple of|a few|an?|another)"
_NOT_CLOCK: Final = r"(?! ?(?:am\b|pm\b|:\d|o'clock|h\b))"
_YEAR: Final = r"(?:,? (?P<year>(?:19|20|21)\d{2})(?![\d:]))?"
_NTH: Final = r"(?P<nth>first|second|third|fourth|fifth|last|[1-5](?:st|nd|rd|th))"
_SUFFIX: Final = r"(?:st|nd|rd|th)"
_OF_MONTH: Final = (
    rf"(?:of|in) (?:(?P<month>{MONTHS}){_YEAR}"
    r"|(?:the )?(?P<rel>next|this|following) month|(?P<here>the month))"
)
_EDGE: Final = r"(?:(?P<edge>early|beginning of|start of|mid|middle of|late|later|end of)(?: in)?[ -](?:the )?)?"
_PLAIN_MONTH: Final = (  # "may" and "march" are verbs, too
    r"(?:january|february|april|june|july|august|september|october|november|december)"
)


def _rule(rule: Rule, pattern: str) -> tuple[re.Pattern[str], Rule]:
    return re.compile(pattern), rule


_DAY_RULES: Final = (
    _rule(
        DayReader.iso,
        r"\b(?P<year>\d{4})(?P<sep>[-/.])(?P<month>\d{1,2})(?P=sep)(?P<day>\d{1,2})"
        r"(?:[t ](?P<hour>[0-2]\d):?(?P<minute>[0-5]\d)(?::?[0-5]\d(?:\.\d{1,9})?)?"
        r"(?P<zone> ?z\b| ?utc\b|[+-]\d{2}:?\d{2})?)?(?![\d/])",
    ),
    _rule(
        DayReader.iso,
        r"\b(?P<year>20\d{2})(?P<month>0[1-9]|1[0-2])(?P<day>[0-3]\d)\b",
    ),
    _rule(
        DayReader.slashed,
        r"(?<![\d-])\d{1,2}-\d{1,2}-\d{4}\b",
    ),
    _rule(
        DayReader.dotted,
        r"(?<!\bat )(?<![\d.:])(\d{1,2})\.(\d{1,2})\.(?:(\d{4}|\d{2})\b)?",
    ),
    _rule(
        DayReader.dotted,
        r"(?:(?<=\bon )|(?<=\bon the ))(\d{1,2})\.(\d{1,2})(?![\d.:])()",
    ),
    _rule(
        DayReader.slashed,
        r"(?<![\d/])\d{1,2}/\d{1,2}(?:/(?:\d{4}|\d{2}))?\b(?!/)",
    ),
    _rule(
        DayReader.nth_weekday,
        rf"\b(?:the )?{_NTH} (?P<day>{WEEKDAY}) {_OF_MONTH}",
    ),
    _rule(
        DayReader.piece_of_month,
        rf"\b(?:the )?{_NTH} (?:full )?(?P<piece>week|half) {_OF_MONTH}",
    ),
    _rule(
        DayReader.named,
        rf"\b(?:the )?(?P<day>\d{{1,2}}){_SUFFIX}?(?: day)?(?: of)? ?(?P<month>{MONTHS}){_YEAR}",
    ),
    _rule(
        DayReader.named,
        rf"\b(?P<month>{MONTHS}) (?:the )?(?P<day>\d{{1,2}}){_SUFFIX}?\b{_NOT_CLOCK}{_YEAR}",
    ),
    _rule(
        DayReader.ago,
        rf"\b(?:{_COUNT} {_UNIT} ago|last night|earlier today)\b",
    ),
    _rule(
        DayReader.distance_from,
        rf"(?<!\bin )(?<!\bafter )\b(?P<count>{_COUNT}) (?P<unit>{_UNIT}) (?P<way>from|on|after)"
        rf" (?:(?P<anchor>now|today|this day|tomorrow)|(?:this |(?P<next>next )|on )?(?P<day>{WEEKDAY}))\b",
    ),
    _rule(
        DayReader.distance_from,
        rf"(?<!\bin )(?<!\bafter )\b(?P<count>{_COUNT}) (?P<unit>(?:week|fortnight)s?)(?P<way>)"
        r" (?P<anchor>today|tomorrow)\b(?P<next>)(?P<day>(?!))?",
    ),
    _rule(
        DayReader.relative_day,
        r"\b(?P<word>(?:the )?day after tomorrow|day before yesterday|tomorrow"
        r"|today|tonight|yesterday|this (?:morning|afternoon|evening))\b(?P<plus> week\b| fortnight\b)?",
    ),
    _rule(
        DayReader.within,
        rf"\b(?:within(?: the)?(?: next)?|(?:in|over|during|for) (?:the )?next|(?:the )?next|(?:the )?coming)"
        rf" (?P<count>\d{{1,3}}|few|a few|couple of|a couple of|an?) (?P<unit>{_UNIT})\b",
    ),
    _rule(
        DayReader.weekday,
        rf"\b(?P<which>(?:next|this|coming|following|last|past|any|every|each|some|a|on) )?"
        rf"(?P<day>{WEEKDAY})(?P<plural>s\b)?(?=\b)(?P<after> after next\b)?"
        rf"(?:,? (?:of |in )?(?:the )?(?P<week>next week|this week|following week|week after next)\b)?"
        rf"(?P<plus> week\b| fortnight\b)?(?! ?- ?\d)",
    ),
    _rule(
        DayReader.distance,
        rf"\b(?:in |after )(?P<count>{_COUNT}) (?P<unit>{_UNIT})(?:'s?|s')?(?: time)?\b(?! from| after (?:tomorrow|the|next|{WEEKDAY}))",
    ),
    _rule(
        DayReader.week,
        rf"\b{_EDGE}(?:(?:in |during |the rest of )?(?:the )?)?(?:(?P<which>next|this|following|last) week\b(?! after)|week after next\b|(?<=of the )week\b(?! (?:of|after|before)))",
    ),
    _rule(
        DayReader.month,
        rf"\b{_EDGE}(?:(?P<which>next|this|following|last) month|(?:the )?month after next|(?<=of )the month)\b",
    ),
    _rule(
        DayReader.working_days,
        r"\b(?:on )?(?:a )?(?:weekday|working day|week day)s?\b",
    ),
    _rule(
        DayReader.weekend,
        r"\b(?:(?P<which>next|this|following|last|any|on) )?(?:the )?weekend(?P<plural>s)?(?P<after> after next)?\b",
    ),
    _rule(
        DayReader.month_name,
        rf"\b(?:{_EDGE[:-1]}|(?:in|(?<!as )of|during|next) |this (?!may (?!at|or|and)[a-z]))(?P<month>{MONTHS})(?! ?\d{{1,2}}\b){_YEAR}",
    ),
    _rule(
        DayReader.month_name,
        rf"\b(?P<edge>)(?P<month>{_PLAIN_MONTH}|(?:(?<=from )|(?<=until )|(?<=by )|(?<=after )|(?<=before )|(?<=till ))(?:may|march))\b(?! ?\d{{1,2}}\b){_YEAR}",
    ),
    _rule(
        DayReader.day_of_month,
        rf"\b(?:on )?(?:the )?(?P<number>\d{{1,2}}){_SUFFIX}\b(?: (?:day )?of (?:the )?(?:(?P<rel>next|this|following) )?month\b)?"
        r"(?! (?:one|option|slot|time|appointment|choice|of these|of those|visit))",
    ),
)

_MONTH_AFTER: Final = re.compile(
    rf"(?<![\d:./-])\b(?P<one>\d{{1,2}}){_SUFFIX}?(?P<join> ?(?:-|to|until|till|through|thru|and|or|nor|&|,(?: and| or)?|/) ?(?:on )?(?:the )?)"
    rf"(?=\d{{1,2}}{_SUFFIX}?(?: day)?(?: of)? ?(?P<month>{MONTHS}))"
)
_NO_DATE_BEFORE: Final = re.compile(r"(?:\bat |\d ?(?:and|to|-|until|till) ?|\d:\d\d ?)$")
_MONTH_BEFORE: Final = re.compile(
    rf"(?<!\d )(?<!st )(?<!nd )(?<!rd )(?<!th )(?<! of )\b(?P<month>{MONTHS}) (?:the )?(?P<one>\d{{1,2}}){_SUFFIX}?"
    rf"(?P<join> ?(?:-|to|until|till|through|thru|and|or|nor|&) ?(?:the )?)"
    rf"(?=\d{{1,2}}{_SUFFIX}?(?! ?(?:am|pm|o'clock|h|[:/]|\.\d|\d|{MONTHS}))(?:\b|(?=st|nd|rd|th)))"
)
_THIS_OR_NEXT: Final = re.compile(
    r"\b(this|next) (week|weekend|month) or (?:the )?(next|following)\b(?! \w)"
)


@dataclass(slots=True)
class Budget:
    """What one message may cost: each reading of a part of it takes one."""

    left: int = READINGS_MAX

    def take(self) -> bool:
        """Whether there is one more."""
        self.left -= 1
        return self.left >= 0


@dataclass(frozen=True, slots=True)
class TimeReader:
    """Reads times of one message.

    ``now`` is a wall time (with or without a zone) where the appointment will be;
    ``month_first``: how to read 3/4, as in the United States or as elsewhere;
    ``has_options``: "the 3rd" may be the third of what was shown.
    """

    now: datetime
    budget: Budget
    month_first: bool = False
    has_options: bool = True

    def read(self, text: str) -> "Reading":
        """The time in plain ``text``; one correction of it ("no wait, Wednesday") counts."""
        parts = _CORRECTION.split(text, _CORRECTIONS_MAX)
        if len(parts) == 1:
            return self._read(text)
        last = self._read(_BARE_NUMBER.sub(r"at \1", parts[-1]))
        if last.when.is_empty:
            return self._read(text)
        first = self._read(" ".join(parts[:-1]))
        unclear = last.unclear or ("" if last.when.has_own_day else first.unclear)
        return Reading(first.when.refined_by(last.when), f"{first.rest} {last.rest}", unclear)

    def _read(self, text: str) -> "Reading":
        if not self.budget.take():
            return Reading(When(), "", TOO_MUCH)
        dates = DayReader(
            self.now.date(), month_first=self.month_first, has_options=self.has_options
        )
        days, text = dates.read(with_months(text), _DAY_RULES, DAY_RELATIONS)
        clock = ClockReader(text)
        text = clock.read()
        unclear = [*days.unclear, *clock.unclear]
        if len(days.days) > 1 and _SEVERAL_TIMES.search(text):
            unclear.append("different times on different days")
        text = text.replace(TIME, TAKEN)
        any_time, soonest = bool(_ANY_TIME.search(text)), bool(_SOONEST.search(text))
        text = _ANY_TIME.sub(TAKEN, _SOONEST.sub(TAKEN, text))
        when = _when(days, clock, any_time=any_time, soonest=soonest)
        if when.problem is None and when.is_over(self.now):
            when = When(days=when.days, at=when.at, problem=TimeProblem.PAST, about="that time")
        return Reading(when, text, unclear[0] if unclear else "")


@dataclass(frozen=True, slots=True)
class Reading:
    when: When
    rest: str
    """The text without its time."""
    unclear: str
    """Words of a time whose relation to the others is unknown; empty if there are none."""


TOO_MUCH: Final = "so many things at once"
_SEVERAL_TIMES: Final = re.compile(r"¤[^¤¢]{0,80}¢[^¤]{0,80}¤")
"""Days, a time, and days again: it is unknown for which of them the time is."""


def _when(days: DayJoiner, clock: ClockReader, *, any_time: bool, soonest: bool) -> When:
    problem, about = _problem(days, clock)
    return When(
        days=joined(days.days),
        weekdays=tuple(sorted(days.weekdays - days.not_weekdays)),
        not_weekdays=tuple(sorted(days.not_weekdays)),
        not_days=tuple(sorted(set(days.not_days))),
        time_from=clock.time_from,
        time_to=clock.time_to,
        at=clock.at,
        one_of=clock.one_of,
        soonest=soonest,
        any_time=any_time,
        problem=problem,
        about=about,
    )


def _problem(days: DayJoiner, clock: ClockReader) -> tuple[TimeProblem | None, str]:
    problems = clock.problems | days.problems
    if days.days and TimeProblem.PAST in problems:  # "yesterday or tomorrow"
        problems.setdefault(TimeProblem.CONTRADICTION, problems[TimeProblem.PAST])
    for problem in TimeProblem:
        if problem in problems:
            return problem, problems[problem]
    if days.weekdays and days.weekdays <= days.not_weekdays:
        return TimeProblem.CONTRADICTION, "those weekdays"
    return None, ""


def with_months(text: str) -> str:
    """ "from 14 to 16 december" with the month at each day."""

    def after(match: re.Match[str]) -> str:
        before = match.string[max(match.start() - 24, 0) : match.start()]
        if _NO_DATE_BEFORE.search(before):  # "between 2 and 4, 5 december"
            return match[0]
        return f"{match['one']} {match['month']}{match['join']}"

    text = _THIS_OR_NEXT.sub(r"\1 \2 or \3 \2", text)
    for _ in range(_LISTED_MAX):
        text = _MONTH_AFTER.sub(after, text)
    return _MONTH_BEFORE.sub(
        lambda match: f"{match['month']} {match['one']}{match['join']}{match['month']} ", text
    )


_LISTED_MAX: Final = 4
"""Days of one list that share a month."""
