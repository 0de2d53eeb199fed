"""The words between days: "from ⟦0⟧ to ⟦1⟧", "no later than ⟦0⟧", "any day except ⟦0⟧".

What they mean is decided in :mod:`chairside.chatbot.understanding.day_joining`.
"""

import re
from functools import partial
from typing import Final

from chairside.chatbot.understanding.day_joining import DayJoiner, Relation


def _mark(name: str) -> str:
    return rf" {{0,3}}⟦(?P<{name}>\d{{1,3}})⟧ {{0,3}}"


_A, _B = _mark("a"), _mark("b")
_ON: Final = r"(?: on)?(?: the)?"
_LATER: Final = {
    r"(?:not|no) (?:before|(?:any )?(?:earlier|sooner) than)|not (?:until|till)|on or after"
    r"|at the earliest|(?<!the )earliest|as of|starting(?: from)?|beginning|(?:any ?time )?from": 0,
    r"(?<!no )(?<!not )(?:after|later than)|past": 1,
}
_SOONER: Final = {
    r"(?:not|no) (?:(?:any )?later than|after|past)|on or before|at the (?:very )?latest(?: by)?"
    r"|(?<!the )(?<!very )latest(?: by)?|(?<!check )(?<!check-)up (?:to|until)"
    r"|(?<!not )(?:by|until|till)": 0,
    r"(?<!not )(?<!no )(?:before|earlier than|sooner than|prior to|ahead of)": 1,
}
_NOT: Final = (
    r"(?:(?:any ?(?:thing|day|time|where)?|every ?(?:thing|day)?|all(?: days)?|whenever) ?"
    r"(?:but|except(?: for)?|other than|apart from|besides)|(?:but )?(?<!if )not(?: (?:on|for|in|at))?|never|no|neither|nor"
    r"|except(?:ing)?(?: for| on)?|excluding|without|but not|other than|apart from|besides|instead of|rather than"
    r"|(?:can't|cannot|can not|couldn't) do|(?:do not|don't) want|avoid(?:ing)?|skip(?:ping)?)"
)
_UNAVAILABLE: Final = (
    r"(?:(?:does not|doesn't|won't|will not|is not|isn't|is no|are not|aren't|are no|do not|don't)"
    r" (?:work|suit|fit|good|possible|convenient|okay|ok|available)(?: (?:for )?me)?|excluded|excepted)"
    r"|(?:is|are|'s|would be) (?:(?:very|really|too|quite) )?(?:out(?: of the question)?|bad|impossible|difficult|tricky"
    r"|inconvenient|terrible|awful|not an option|no option|no use|unsuitable)(?: for me)?"
)


def _bounds(words: dict[str, int], *, is_first: bool) -> list[tuple[re.Pattern[str], Relation]]:
    return [
        (
            re.compile(
                rf"\b(?:{pattern})(?: and including)?{_ON}{_A}(?:on\b(?! {{0,3}}⟦)|onwards?\b|and (?:later|after)\b|at the (?:very )?(?:latest|earliest)\b)?"
            ),
            partial(
                DayJoiner.bound,
                later_by=by if is_first else None,
                sooner_by=None if is_first else by,
            ),
        )
        for pattern, by in words.items()
    ]


_LIST: Final = (
    rf"(?: {{0,3}}⟦\d{{1,3}}⟧ {{0,3}}(?:,? ?(?:and|or|nor) ?(?:not )?{_ON}|, ?(?=[^.;]{{0,80}}\b(?:and|or|nor) {{0,3}}⟦)))"
    r"{0,6}+ {0,3}⟦\d{1,3}⟧ {0,3}+"
)
_AND_A_TIME: Final = r"(?:, {0,3}⟦|\d|(?:at|in the|mornings?|afternoons?|evenings?|before|after|between|from|until|by)\b)"
DAY_RELATIONS: Final[tuple[tuple[re.Pattern[str], Relation], ...]] = (
    (re.compile(rf"{_A},?(?: ?the ?)?,?{_B}"), DayJoiner.named_date),
    (
        re.compile(
            rf"\b(?:the )?(?P<unit>day|week) (?P<way>after|before|following|of|beginning"
            rf"|commencing|starting|with|containing){_ON}{_A}"
        ),
        DayJoiner.beside,
    ),
    (
        re.compile(rf"(?:\b(?:the )?first ?)?{_A}(?P<way>after|following|before){_ON}{_B}"),
        DayJoiner.weekday_beside,
    ),
    (
        re.compile(rf"\b(?:between|from){_ON}{_A}(?:and|to|until|till|through|thru|-){_ON}{_B}"),
        DayJoiner.range,
    ),
    (re.compile(rf"{_A}(?:to|until|till|through|thru|-){_ON}{_B}"), DayJoiner.range),
    *_bounds(_LATER, is_first=True),
    (
        re.compile(
            rf"{_A},?(?:or later|onwards?|or after|and (?:later|after)|(?:at the )?earliest)\b"
        ),
        partial(DayJoiner.bound, later_by=0, sooner_by=None),
    ),
    *_bounds(_SOONER, is_first=False),
    (
        re.compile(rf"{_A},?(?:or (?:earlier|before|sooner)|(?:at the (?:very )?)?latest)\b"),
        partial(DayJoiner.bound, later_by=None, sooner_by=0),
    ),
    (
        re.compile(
            rf"(?P<all>\b(?:any|every|all|whenever)\b[^⟦.;]{{0,20}}⟦\d{{1,3}}⟧ {{0,3}})(?:but|save){_ON}{_LIST}"
        ),
        DayJoiner.exclusion,
    ),
    (
        re.compile(rf"\b{_NOT}{_ON}(?: (?:a|any))?{_LIST}(?!{_AND_A_TIME})"),
        DayJoiner.exclusion,
    ),
    (re.compile(rf"{_A}(?:{_UNAVAILABLE})\b"), DayJoiner.exclusion),
)
