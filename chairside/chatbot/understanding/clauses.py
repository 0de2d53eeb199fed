"""The parts of a message that are understood one by one: "cancel it and book another"."""

import re
from typing import Final

from chairside.chatbot.understanding.acts import Intent

CLAUSES_MAX: Final = 6
"""Each costs time; messages rarely have more."""

_ABBREVIATION: Final = re.compile(
    r"\b(dr|mr|mrs|ms|prof|st|no|nr|jan|feb|mar|apr|aug|sept?|oct|nov|dec)\. "
)
_NUMERO: Final = re.compile(r"\bno\. (?=\d)")
_VERB: Final = r"(?:cancel|book|move|reschedule|re-schedule|postpone|change|show|list)"
_LEAD: Final = r"(?:(?:then|please|just|rather|instead|i (?:want|need|would like|'d like)(?: to)?|i'd like to|can you|could you) )"
_CLAUSES: Final = re.compile(
    r"(?<=[\w\])])(?<!\.\d)(?<!\.\d\d)[.!?;]{1,9} (?=\w)|,? (?:and then|and also|then also|after that|also)[, ]{1,3}"
    r"|,? and (?=(?:please |i (?:want|need|would)"
    r" |i'd |can you |could you )?(?:to )?(?:like to )?(?:cancel|book|move|reschedule|show|list|make|schedule|postpone|tell|when (?:is|are|do)|what|which|who)\b)"
    rf"|(?:,| -|,? but) (?={_LEAD}{{0,2}}{_VERB}\b)|,? then (?=book|cancel|move|show|list|reschedule)"
)
_NEGATED_TASK: Final = re.compile(
    r"\b(?<!\bwhy )(?:do not|don't|dont|never|not|no need to|no reason to|nobody should|rather not|without|instead of|rather than"
    r"|won't|shouldn't|mustn't|wouldn't)"
    r"(?: (?:want|wish|need|intend|like|have|going|you|to|me|please|try|ever|actually|yet|just|be|it|my|the|appointment|dare)){0,5}"
    r" (?P<verb>cancel|mov(?=e|ing)|book|reschedul|postpon|change|delete|remove|reserve|schedule)(?!\w{0,6}s\b)\w{0,7}"
)
_VERBS: Final = {
    "cancel": Intent.CANCEL,
    "delete": Intent.CANCEL,
    "remove": Intent.CANCEL,
} | dict.fromkeys(("book", "reserve", "schedule"), Intent.BOOK)
_KEEPS: Final = re.compile(
    r"^\W{0,3}(?:(?:no|please|just|rather|so|then|actually|i|i'd|i'll|let me|want|would|like|will|to)\W{1,3}){0,6}"
    r"(?:keep|leave) (?:(?:it|that|this|them|both|all)(?= (?:as|then|for now|please)\b|\W{0,9}$)"
    r"|(?:(?:my|our|the|both|all) (?:\S{1,12} ){0,3})?(?:appointments?|bookings?|visits?|ones?|check-?up|cleaning|filling"
    r"|\d{1,2}|(?:mon|tues|wednes|thurs|fri|satur|sun)day)\b)"
    r"(?!.{0,80}\b(?:mov|re-?schedul|postpon|shift|cancel))"
)
_ANOTHER: Final = re.compile(r",(?! (?:please|thanks|thank you|ok|okay|then)\b) \w")
_TASK_BEFORE: Final = re.compile(r"\b(?:cancel|move|reschedule|postpone|book)\b")
_MORE: Final = re.compile(r"\b(?:but|except|only|instead|unless|until|if)\b")


def without_abbreviations(text: str) -> str:
    """A plain text in which a full stop ends a sentence."""
    return _ABBREVIATION.sub(r"\1 ", _NUMERO.sub("number ", f"{text} ")).strip()


def clauses(text: str) -> tuple[str, ...]:
    """At most :data:`CLAUSES_MAX`; the last one is the rest of the text."""
    parts = _CLAUSES.split(text, CLAUSES_MAX - 1)
    return tuple(part.strip() for part in parts if part and part.strip(" .,!?;"))


def refused_task(text: str) -> tuple[Intent, bool] | None:
    """The task that "do not cancel" or "keep it" refuses, and whether the clause says more than that."""
    found = _NEGATED_TASK.search(text)
    if found is None:
        keeps = _KEEPS.search(text)
        says_more = _MORE.search(text) or _ANOTHER.search(text)
        return (Intent.CANCEL, says_more is not None) if keeps else None
    rest = text[: found.start()] + text[found.end() :]
    says_more = _MORE.search(rest) or _TASK_BEFORE.search(text, 0, found.start())
    return _VERBS.get(found["verb"], Intent.MOVE), says_more is not None
