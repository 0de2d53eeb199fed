"""The ways to write days: "next Tuesday", "the 12th of March", "in two weeks", "not on Mondays".

:func:`take_days` finds them in plain text, removes them and returns which they are, seen from
a given day; what each one comes to is decided in :mod:`chairside.chatbot.understanding.day_reader`.
"""

import re
from datetime import date
from typing import Final

from chairside.chatbot.understanding.day_reader import WEEKDAY, Dates, DayReader, Rules
from chairside.chatbot.understanding.normalize import MONTHS

_UNIT: Final = r"(?:days?|weeks?|months?|years?|fortnights?)"
_COUNT: Final = r"(?:\d{1,4}|a couple of|a few|an?|another)"
_NOT_CLOCK: Final = r"(?! ?(?:am\b|pm\b|:\d|o'clock))"
_YEAR: Final = r"(?:,? (?P<year>\d{4}))?"
_EDGE: Final = (
    r"(?:(?P<edge>early|beginning of|start of|mid|middle of|late|end of)(?: in)?[ -](?:the )?)?"
)


_RULES: Final[Rules] = tuple(
    (re.compile(pattern), rule)
    for pattern, rule in (
        (r"\b\d{4}-\d{1,2}-\d{1,2}\b", DayReader.iso),
        (r"\b(\d{1,2})\.(\d{1,2})\.(?:(\d{4}|\d{2})\b)?", DayReader.dotted),
        (r"\b\d{1,2}/\d{1,2}(?:/(?:\d{4}|\d{2}))?\b", DayReader.slashed),
        (
            (
                rf"\b(?:the )?(?P<nth>first|second|third|fourth|last|[1-4](?:st|nd|rd|th))"
                rf" (?P<day>{WEEKDAY}) (?:of|in)(?: (?:next|this|the) month| (?P<month>{MONTHS}))"
            ),
            DayReader.nth_weekday,
        ),
        (
            rf"\b(?:the )?(?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?: day)?(?: of)? (?P<month>{MONTHS}){_YEAR}",
            DayReader.named,
        ),
        (
            rf"\b(?P<month>{MONTHS}) (?:the )?(?P<day>\d{{1,2}})(?:st|nd|rd|th)?\b{_NOT_CLOCK}{_YEAR}",
            DayReader.named,
        ),
        (rf"\b{_COUNT} {_UNIT} ago\b", DayReader.ago),
        (
            (
                rf"\b(?P<count>{_COUNT}) (?P<unit>{_UNIT}) from"
                rf" (?:(?P<now>now|today|this day)|(?:this |next |on )?(?P<day>{WEEKDAY}))\b"
            ),
            DayReader.distance,
        ),
        (
            (
                r"\b(?P<word>(?:the )?day after tomorrow|day before yesterday|tomorrow|tmrw|tmr|tomorow"
                r"|tommorow|tommorrow|today|tonight|yesterday|this (?:morning|afternoon|evening))\b"
            ),
            DayReader.relative_day,
        ),
        (
            (
                rf"\b(?:within|(?:in|over|during|for) (?:the )?next|(?:the )?next|(?:the )?coming)"
                rf" (?P<count>\d{{1,3}}|few|a few|couple of|a couple of) (?P<unit>{_UNIT})\b"
            ),
            DayReader.within,
        ),
        (
            (
                rf"\b(?:not|no|except(?: for)?|but(?: not)?|without|never|can't do|cannot do|don't want"
                rf"|anything but|any day but)(?: on)?(?: a)?"
                rf" (?P<names>(?:{WEEKDAY}s?|weekends?)(?:(?:,| and| or|, or|, and) (?:on )?(?:{WEEKDAY}s?|weekends?))*)\b(?! (?:morning|afternoon|evening))"
            ),
            DayReader.without_weekdays,
        ),
        (
            (
                rf"\b(?P<which>(?:next|this|coming|following|last|past|any|every|some|a|on) )?"
                rf"(?P<day>{WEEKDAY})(?P<plural>s\b)?(?=\b)(?:,? (?P<week>(?:of |in )?(?:the )?(?:next week|this week|week after next)))?"
                rf"(?P<plus> week\b)?(?! ?- ?\d)"
            ),
            DayReader.weekday,
        ),
        (
            rf"\b(?:in |after )(?P<count>{_COUNT}) (?P<unit>{_UNIT})(?:'s?|s')?(?: time)?\b(?! from| after (?:tomorrow|the|next|{WEEKDAY}))",
            DayReader.distance,
        ),
        (
            rf"\b{_EDGE}(?:(?:in |during |the rest of )?(?:the )?)?(?:(?P<which>next|this|following|last) week\b(?! after)|week after next\b)",
            DayReader.week,
        ),
        (
            rf"\b{_EDGE}(?:(?P<which>next|this|following|last) month|(?<=of )the month)\b",
            DayReader.month,
        ),
        (r"\b(?:on )?(?:a )?(?:weekday|working day|week day)s?\b", DayReader.working_days),
        (
            r"\b(?:(?P<which>next|this|following|last|any|on) )?(?:the )?weekend(?P<plural>s)?\b",
            DayReader.weekend,
        ),
        (
            rf"\b(?:{_EDGE[:-1]}|(?:in|of|during|this|next) )(?P<month>{MONTHS})(?! ?\d{{1,2}}\b){_YEAR}",
            DayReader.month_name,
        ),
        (
            (
                r"\b(?:on |(?<=\bby )|(?<=\bbefore )|(?<=\bafter )|(?<=\bfrom )|(?<=\buntil ))?the (?P<number>\d{1,2})(?:st|nd|rd|th)\b"
                r"(?! (?:one|option|slot|time|appointment|choice|of these|of those))"
            ),
            lambda reader, match: (
                DayReader.day_of_month(reader, match)
                if int(match["number"]) > 5 or not match[0].startswith("the")
                else match[0]
            ),
        ),
    )
)

_T: Final = r" *⟦(?P<{}>\d+)⟧ *"
_A, _B = _T.format("a"), _T.format("b")

_COMBINATIONS: Final[Rules] = tuple(
    (re.compile(pattern), rule)
    for pattern, rule in (
        (rf"{_A},?(?: ?the ?)?,?{_B}", DayReader.named_date),
        (rf"(?:between|from){_A}(?:and|to|until|till|through|-){_B}", DayReader.range),
        (rf"{_A}(?:to|until|till|through|thru|-){_B}", DayReader.range),
        (
            rf"\b(?P<word>after|later than|from|starting|since|not before|as of|beginning){_A}(?:on\b|onwards?\b)?",
            DayReader.lower_bound,
        ),
        (rf"{_A}(?P<word>or later|onwards?|or after)\b", DayReader.lower_bound),
        (
            rf"\b(?P<word>before|by|until|till|no later than|earlier than|(?<!check )(?<!check-)up to){_A}",
            DayReader.upper_bound,
        ),
    )
)


def take_days(text: str, today: date, *, month_first: bool) -> tuple[Dates, str]:
    """The days in plain ``text``, and the text without them.

    ``month_first``: how to read 3/4, as in the United States or as elsewhere.
    """
    return DayReader(today, month_first=month_first).read(text, _RULES, _COMBINATIONS)
