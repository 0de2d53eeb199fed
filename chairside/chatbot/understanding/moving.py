"""Which appointment is to be moved, and where to: "move my Friday appointment to Monday"."""

import re
from dataclasses import dataclass, replace
from typing import Final

from chairside.chatbot.understanding import lexicon
from chairside.chatbot.understanding.acts import Intent
from chairside.chatbot.understanding.when import When
from chairside.chatbot.understanding.when_words import Reading, TimeReader, with_months

SPLITS_MAX: Final = 3
"""Places at which one clause may be split into source and target."""

_NOUN: Final = r"(?:appointments?|bookings?|visits?|reservations?|apointment|appt|cleaning|check[- ]?up|filling|exam)"
_CANNOT: Final = re.compile(
    r"\b(?:can't|cannot|can not|won't|unable to) (?:make|come|keep|attend)\b(?P<then>[^,.;]{0,80})[,.;]? (?:but |so |and )?"
    r"(?=(?:can|could|may|is|what|how|rather|move|let|do|i )\b)"
)
_TO: Final = re.compile(r" (?:to|onto|into)(?: the)? ")
_UNTIL: Final = re.compile(r" (?:to|onto|into|until|till)(?: the)? ")
_PUT_OFF: Final = re.compile(r"\b(?:postpon|delay|push|put .{0,20}off|resched)")
_INSTEAD: Final = re.compile(r"\b(?:instead of|rather than)\b(?: on)?")
_NO_TARGET: Final = re.compile(rf"\b(?:{_NOUN}|mov(?:e|ed|ing)|reschedul\w{{1,3}}|postpone\w?)\b")
_SOURCE_FIRST: Final = re.compile(rf"\b(?:my|the|our)\b(?! {_NOUN}\b).{{1,40}}\b{_NOUN}\b")
_NOUN_AND_TIME: Final = re.compile(rf"\b{_NOUN} (?P<way>on|at|of|from|for) (?:the )?")
_VERB: Final = (
    r"(?:mov(?:e|ing)|re-?schedul(?:e|ing)|chang(?:e|ing)|shift|switch|postpone|bring|push|put)"
)
_TARGET_FIRST: Final = re.compile(
    rf"\b{_VERB}(?: it| this| that)? (?:to|onto) (?P<to>(?:the )?+.{{1,40}}?)\b(?:my|the) (?P<own>[^,.;]{{0,30}}\b{_NOUN}\b.{{0,60}})"
)
_FROM_ONLY: Final = re.compile(rf"\b{_VERB}(?: (?:it|this|that|them))?(?: away)? from\b")
_ONWARDS: Final = re.compile(r"\b(?:on|onwards?)\W{0,3}$")
_RESCHEDULE: Final = re.compile(r"\bre-?(?:schedul|book)")
_BARE: Final = re.compile(r"^(\d{1,2}(?:[:.]\d{2})?)(?=[^\w:]{0,3}(?:please|instead)?[^\w:]{0,3}$)")
_FROM_CLOCK: Final = re.compile(r"\bfrom (\d{1,2}(?:[:.]\d{2})?)$")
_FROM: Final = re.compile(r"\bfrom\b")
AMBIGUOUS: Final = "whether that is the time now or the new one"


@dataclass(frozen=True, slots=True)
class Move:
    which: When
    """The appointment's current time."""
    when: When
    rest: str
    """The text without its times."""
    unclear: str


def reference(when: When) -> When:
    """A time that identifies an appointment; one in the past identifies none."""
    return replace(when, soonest=False, any_time=False)


def source_and_target(text: str, whole: Reading, reader: TimeReader) -> Move:
    """``whole`` is the reading of all of ``text``."""
    text = with_months(text)  # "from 11 to 21 december"
    if cannot := _CANNOT.search(text):
        return _move(reader.read(cannot["then"]), reader.read(text[cannot.end() :]))
    if instead := _INSTEAD.search(text):
        source = reader.read(text[instead.end() :])
        if not source.when.is_empty:
            return _move(source, reader.read(_as_source(text[: instead.start()])))
    if first := _TARGET_FIRST.search(text):
        target, source = reader.read(first["to"]), reader.read(first["own"])
        if not target.when.is_empty and not source.when.is_empty:
            return _move(source, target)
    for split in splits(text):
        target = reader.read(_BARE.sub(r"at \1", text[split.end() :]))
        if target.when.is_empty and not target.unclear:
            continue
        source = reader.read(_as_source(text[: split.start()]))
        return _with_source_behind(source, target, text[split.end() :], reader)
    if whole.when.is_empty:
        return Move(When(), When(), whole.rest, whole.unclear)
    return _without_to(text, whole, reader)


def _as_source(text: str) -> str:
    """The text with its "from" as a point in time instead of a bound."""
    return _FROM.sub("on", _FROM_CLOCK.sub(r"at \1", text))


def _with_source_behind(source: Reading, target: Reading, text: str, reader: TimeReader) -> Move:
    """ "to ⟦21 December⟧ from ⟦11 December⟧" """
    behind = _FROM.search(text)
    if behind is None or not source.when.is_empty:
        return _move(source, target)
    before, after = reader.read(text[: behind.start()]), reader.read(text[behind.end() :])
    is_source = before.when.has_own_day and after.when.has_own_day
    return _move(after, before) if is_source else _move(source, target)


def splits(text: str) -> list[re.Match[str]]:
    """The few places where "to" may begin the new time: after the verb, before no noun."""
    verb = lexicon.RULES[Intent.MOVE].search(text)
    start = (
        verb.end()
        if verb and verb[0].startswith(("mov", "re", "post", "shift", "push", "chang"))
        else 0
    )
    found = []
    to = _UNTIL if _PUT_OFF.search(text) else _TO
    for split in to.finditer(text, max(start - 1, 0)):
        if not _NO_TARGET.search(text, split.end()):
            found.append(split)
        if len(found) == SPLITS_MAX:
            break
    return found


def _move(source: Reading, target: Reading) -> Move:
    return Move(
        reference(source.when),
        target.when,
        f"{source.rest} ¤ {target.rest}",
        target.unclear or source.unclear,
    )


def _without_to(text: str, whole: Reading, reader: TimeReader) -> Move:
    """ "my Friday appointment", "my appointment on Friday", "move it on Friday" """
    if source := _SOURCE_FIRST.search(text):
        before, after = reader.read(text[: source.end()]), reader.read(text[source.end() :])
        if not before.when.is_empty:
            return _move(before, after)
    noun = _NOUN_AND_TIME.search(text)
    if (_FROM_ONLY.search(text) or (noun and noun["way"] == "from")) and not _ONWARDS.search(text):
        return _move(reader.read(_FROM.sub(" ", text)), Reading(When(), "", ""))
    if noun is None or re.search(r"\binstead\b", text):
        return Move(When(), whole.when, whole.rest, whole.unclear)
    if noun["way"] != "for":
        return Move(reference(whole.when), When(), whole.rest, whole.unclear)
    unclear = "" if _RESCHEDULE.search(text) else AMBIGUOUS
    return Move(When(), whole.when, whole.rest, whole.unclear or unclear)
