"""English free text → wishes. Pure and quick; what it cannot tell it calls unknown."""

import re
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from chairside.chatbot.understanding import lexicon
from chairside.chatbot.understanding.acts import Facts, Intent, Shift, Wish
from chairside.chatbot.understanding.names import find_dentists, find_kind
from chairside.chatbot.understanding.normalize import plain
from chairside.chatbot.understanding.when import Problem, When
from chairside.chatbot.understanding.when_words import take_when

WISHES_MAX: Final = 3
"""More wishes in one message are not kept: nobody remembers what they asked for first."""

SHORT_MAX_CHARS: Final = 80
"""A yes is not longer."""
CLAUSES_MAX: Final = 6
"""Each costs time; nobody means more."""

_CLAUSES: Final = re.compile(
    r"(?<=\w)(?<!\.\d)(?<!\.\d\d)[.!?;]+ (?=\w)|,? (?:and then|and also|then also|after that|also)[, ]+|,? and (?=(?:please |i (?:want|need|would)"
    r" |i'd |can you |could you )?(?:to )?(?:like to )?(?:cancel|book|move|reschedule|show|list|make|schedule|postpone|tell|when (?:is|are|do)|what|which|who)\b)"
    r"|, (?=(?:then |please )?(?:cancel|book|move|reschedule|show me|list)\b)|,? then (?=book|cancel|move|show|list|reschedule)"
)
_ABBREVIATION: Final = re.compile(
    r"\b(dr|mr|mrs|ms|prof|st|no|nr|jan|feb|mar|apr|aug|sept?|oct|nov|dec)\. "
)
_CANNOT: Final = re.compile(
    r"\b(?:can't|cannot|can not|won't|unable to) (?:make|come|keep|attend)\b(?P<then>[^,.;]*)[,.;]? (?:but |so |and )?"
    r"(?=(?:can|could|may|is|what|how|rather|move|let|do|i )\b)"
)
_TO: Final = re.compile(r" (?:to|for|onto|into|until|till|on)(?: the)? ")
_MONTH_FIRST_ZONES: Final = ("America/", "US/", "Pacific/Honolulu")
_MOVES: Final = dict(lexicon.RULES)[Intent.MOVE]
_TASKS: Final = frozenset({Intent.BOOK, Intent.MOVE, Intent.CANCEL})


def understand(message: str, facts: Facts, now: datetime) -> tuple[Wish, ...]:
    """The wishes of a message, in its order; at least one.

    ``now`` is a wall time in the zone that "tomorrow" is meant in.
    """
    text = _ABBREVIATION.sub(r"\1 ", plain(message) + " ").strip()
    whole = _short_answer(text) if len(text) <= SHORT_MAX_CHARS else None
    if whole is not None:
        return (whole,)
    wishes: list[Wish] = []
    for clause in _CLAUSES.split(text, CLAUSES_MAX - 1):
        if clause and clause.strip(" .,!?;"):
            _add(wishes, _wish(clause.strip(), facts, now))
    known = [wish for wish in wishes if wish.intent is not Intent.UNKNOWN]
    if len(known) > 1:  # a yes is a whole message
        known = [replace(wish, verb=None) for wish in known]
        serious = [wish for wish in known if wish.intent not in (Intent.HELLO, Intent.THANKS)]
        known = serious or known[:1]
    return tuple(known[:WISHES_MAX]) or (Wish(intent=Intent.UNKNOWN),)


def _short_answer(text: str) -> Wish | None:
    """What is the whole message: yes, no, bye. Never a part of one."""
    if lexicon.YES.match(text):
        return Wish(intent=Intent.YES)
    if spoken := lexicon.YES_VERB.match(text):
        verb = lexicon.VERBS[spoken["verb"]]
        agreed = re.match(r"\W*(?:yes|yeah|yep|sure|ok|okay|go ahead)\b", text)
        if agreed or verb is None:
            return Wish(intent=Intent.YES, verb=verb)
        return Wish(intent=verb, verb=verb)
    if lexicon.STOP.search(text) and len(text) < 60:
        return Wish(intent=Intent.STOP)
    if lexicon.NO.match(text):
        return Wish(intent=Intent.NO)
    for intent, pattern in (
        (Intent.HELLO, lexicon.HELLO),
        (Intent.BYE, lexicon.BYE),
        (Intent.HELP, lexicon.HELP),
    ):
        if pattern.search(text):
            return Wish(intent=intent)
    return None


def _add(wishes: list[Wish], wish: Wish) -> None:
    """A clause with details alone belongs to the wish before it."""
    if wish.intent is Intent.INFORM and wishes and wishes[-1].intent in _TASKS:
        wishes[-1] = _with_details(wishes[-1], wish)
    elif wish.intent in _TASKS and wishes and wishes[-1].intent is Intent.INFORM:
        wishes[-1] = _with_details(wish, wishes[-1])
    elif wishes and wish.intent is wishes[-1].intent and not wish.kind:
        wishes[-1] = _with_details(wishes[-1], wish)  # "I need a cleaning. Can I book Friday?"
    else:
        wishes.append(wish)


def _with_details(wish: Wish, details: Wish) -> Wish:
    time = "which" if wish.intent is Intent.CANCEL else "when"
    merged = getattr(wish, time).refined_by(details.when)
    return replace(
        wish,
        kind=wish.kind or details.kind,
        unknown_kind=None
        if wish.kind or details.kind
        else wish.unknown_kind or details.unknown_kind,
        dentists=wish.dentists or details.dentists,
        unknown_dentist=wish.unknown_dentist or details.unknown_dentist,
        usual_dentist=wish.usual_dentist or details.usual_dentist,
        any_dentist=wish.any_dentist or details.any_dentist,
        urgent=wish.urgent or details.urgent,
        **{time: merged},
    )


def _wish(text: str, facts: Facts, now: datetime) -> Wish:
    month_first = facts.time_zone.startswith(_MONTH_FIRST_ZONES)
    by, without_by = _distance(text)
    when, rest = take_when(without_by, now, month_first=month_first)
    intent = _intent(rest, text)
    if by is not None and intent in (None, Intent.BOOK) and _MOVES.search(text):
        intent = Intent.MOVE
    kind, unknown_kind = find_kind(rest, facts)
    dentists, unknown_dentist = find_dentists(rest, facts)
    wish = Wish(
        intent=intent or Intent.UNKNOWN,
        kind=kind.id if kind else None,
        unknown_kind=unknown_kind,
        dentists=tuple(one.id for one in dentists),
        unknown_dentist=unknown_dentist,
        usual_dentist=not dentists and bool(lexicon.USUAL.search(rest)),
        any_dentist=bool(lexicon.ANYONE.search(rest)),
        when=when,
        by=by,
        urgent=bool(lexicon.URGENT.search(text)),
        everything=bool(lexicon.EVERYTHING.search(rest)) and intent in (Intent.CANCEL, Intent.MOVE),
    )
    wish = _with_choice(wish, rest)
    if (bare := lexicon.YES_VERB.match(text)) and lexicon.VERBS[bare["verb"]] is intent:
        wish = replace(wish, verb=intent)
    if intent is Intent.MOVE:
        return _with_source(wish, without_by, now, month_first=month_first)
    if intent is Intent.CANCEL:
        return replace(wish, which=_reference(when), when=When())
    if wish.urgent and wish.when.problem is Problem.PAST:
        wish = replace(wish, when=When())  # since when it hurts, not when to come
    if intent is not None:
        return wish
    return _without_intent(wish, rest)


def _without_intent(wish: Wish, rest: str) -> Wish:
    if wish.kind or wish.urgent or wish.unknown_kind:
        return replace(wish, intent=Intent.BOOK)
    if wish.says_something:
        return replace(wish, intent=Intent.INFORM)
    if lexicon.THANKS.search(rest):
        return Wish(intent=Intent.THANKS)
    if lexicon.HELLO.match(rest):
        return Wish(intent=Intent.HELLO)
    if lexicon.HELP.search(rest):
        return Wish(intent=Intent.HELP)
    return wish


def _intent(rest: str, text: str) -> Intent | None:
    if lexicon.OTHER_PEOPLE.search(rest) or lexicon.OTHER_PEOPLE.search(text):
        return Intent.OTHER_PEOPLE
    for intent, pattern in lexicon.RULES:
        if pattern.search(rest):
            return intent
    return None


def _with_choice(wish: Wish, rest: str) -> Wish:
    number: int | None = None
    if found := lexicon.NUMBER.search(rest):
        number = int(found["a"] or found["b"])
    elif named := lexicon.ORDINAL.search(rest):
        number = lexicon.ORDINALS[named["word"]]
    extreme = next((which for which, words in lexicon.EXTREMES if words.search(rest)), None)
    shift = next((which for which, words in lexicon.SHIFTS if words.search(rest)), None)
    if extreme is None and shift is None and wish.by is None:
        if lexicon.LATER.search(rest):
            shift = Shift.LATER
        elif lexicon.EARLIER.search(rest):
            shift = Shift.EARLIER
    return replace(wish, number=number, extreme=extreme, shift=shift)


def _with_source(wish: Wish, text: str, now: datetime, *, month_first: bool) -> Wish:
    """Which appointment, and where to: "move my Friday appointment to Monday"."""
    if cannot := _CANNOT.search(text):
        source, _ = take_when(cannot["then"], now, month_first=month_first)
        target, _ = take_when(text[cannot.end() :], now, month_first=month_first)
        return replace(wish, when=target, which=_reference(source))
    for split in _TO.finditer(text):
        target, _ = take_when(text[split.end() :], now, month_first=month_first)
        if target.is_empty:
            continue
        left = re.sub(r"\bfrom\b", " ", text[: split.start()])
        if split[0].strip().startswith("on") and not take_when(left, now)[0].is_empty:
            continue
        source, _ = take_when(left, now, month_first=month_first)
        return replace(wish, when=target, which=_reference(source))
    if re.search(r"\binstead\b", text):
        return wish
    if re.search(
        r"\b(?:my|the)\b(?! (?:appointment|booking|visit|cleaning|check)\b).{0,40}\b(?:appointment|booking|visit)\b",
        text,
    ):
        return replace(wish, when=When(), which=_reference(wish.when))
    return wish


def _reference(when: When) -> When:
    """A time that points at an appointment: where it lies is no problem of its own."""
    return replace(when, problem=None, about="", soonest=False, any_time=False)


def _distance(text: str) -> tuple[timedelta | None, str]:
    """ "a week later", "push it back by two days" """
    found = lexicon.BY.search(text)
    if found is None:
        return None, text
    said = found["count"] or found["count2"] or found["count3"]
    count = (
        0.5
        if said == "half an"
        else 2.0
        if said == "a couple of"
        else float(said)
        if said.isdigit()
        else 1.0
    )
    unit = found["unit"] or found["unit2"] or found["unit3"]
    length = {
        "minute": timedelta(minutes=count),
        "hour": timedelta(hours=count),
        "day": timedelta(days=count),
        "week": timedelta(weeks=count),
        "fortnight": timedelta(weeks=2 * count),
    }[unit]
    way = found["way"] or found["way2"] or ("forward" if " forward" in text else "back")
    earlier = way in ("earlier", "sooner", "forward")
    return (-length if earlier else length), text[: found.start()] + " " + text[found.end() :]
