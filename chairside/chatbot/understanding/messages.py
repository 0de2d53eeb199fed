"""English text to dialogue acts. Pure; what no rule recognises is Intent.UNKNOWN."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, TypeVar

from chairside.chatbot.clinic import Facts
from chairside.chatbot.understanding import lexicon
from chairside.chatbot.understanding.acts import DialogueAct, Intent
from chairside.chatbot.understanding.names import find_dentists, find_treatment
from chairside.chatbot.understanding.normalize import plain
from chairside.chatbot.understanding.when import TimeProblem, When
from chairside.chatbot.understanding.when_words import take_when

K = TypeVar("K")

ACTS_MAX: Final = 3
"""Acts that are kept of one message."""

SHORT_MAX_CHARS: Final = 80
"""Short answers such as a yes are not longer."""
CLAUSES_MAX: Final = 6
"""Each costs time; messages rarely have more."""

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
_MOVES: Final = lexicon.RULES[Intent.MOVE]
_UNITS: Final = {
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(weeks=1),
    "fortnight": timedelta(weeks=2),
}
_TASKS: Final = frozenset({Intent.BOOK, Intent.MOVE, Intent.CANCEL})


def understand(message: str, facts: Facts, now: datetime) -> tuple[DialogueAct, ...]:
    """The acts of a message, in its order; at least one.

    ``now`` is a wall time in the zone that "tomorrow" is meant in.
    """
    text = _ABBREVIATION.sub(r"\1 ", plain(message) + " ").strip()
    whole = _short_answer(text) if len(text) <= SHORT_MAX_CHARS else None
    if whole is not None:
        return (whole,)
    acts: list[DialogueAct] = []
    for clause in _CLAUSES.split(text, CLAUSES_MAX - 1):
        if clause and clause.strip(" .,!?;"):
            _add(acts, _act(clause.strip(), facts, now))
    known = [act for act in acts if act.intent is not Intent.UNKNOWN]
    if len(known) > 1:  # a yes is a whole message
        known = [replace(act, verb=None) for act in known]
        serious = [act for act in known if act.intent not in (Intent.HELLO, Intent.THANKS)]
        known = serious or known[:1]
    return tuple(known[:ACTS_MAX]) or (DialogueAct(intent=Intent.UNKNOWN),)


def _short_answer(text: str) -> DialogueAct | None:
    """Acts that must be the whole message: yes, no, bye."""
    if lexicon.YES.match(text):
        return DialogueAct(intent=Intent.YES)
    if found := lexicon.YES_VERB.match(text):
        verb = lexicon.VERBS[found["verb"]]
        agreed = re.match(r"\W*(?:yes|yeah|yep|sure|ok|okay|go ahead)\b", text)
        if agreed or verb is None:
            return DialogueAct(intent=Intent.YES, verb=verb)
        return DialogueAct(intent=verb, verb=verb)
    if lexicon.STOP.search(text) and len(text) < 60:
        return DialogueAct(intent=Intent.STOP)
    if lexicon.NO.match(text):
        return DialogueAct(intent=Intent.NO)
    intent = _first(lexicon.SHORT, text)
    return None if intent is None else DialogueAct(intent=intent)


def _first(patterns: Mapping[K, re.Pattern[str]], text: str) -> K | None:
    return next((which for which, pattern in patterns.items() if pattern.search(text)), None)


def _add(acts: list[DialogueAct], act: DialogueAct) -> None:
    """Append an act; a clause with entities only belongs to the act before it."""
    if act.intent is Intent.INFORM and acts and acts[-1].intent in _TASKS:
        acts[-1] = _with_details(acts[-1], act)
    elif act.intent in _TASKS and acts and acts[-1].intent is Intent.INFORM:
        acts[-1] = _with_details(act, acts[-1])
    elif acts and act.intent is acts[-1].intent and not act.treatment:
        acts[-1] = _with_details(acts[-1], act)  # "I need a cleaning. Can I book Friday?"
    else:
        acts.append(act)


def _with_details(act: DialogueAct, details: DialogueAct) -> DialogueAct:
    when, which = act.when, act.which
    if act.intent is Intent.CANCEL:
        which = which.refined_by(details.when)
    else:
        when = when.refined_by(details.when)
    unknown = act.unknown_treatment or details.unknown_treatment
    if act.treatment or details.treatment:
        unknown = None
    return replace(
        act,
        treatment=act.treatment or details.treatment,
        unknown_treatment=unknown,
        dentists=act.dentists or details.dentists,
        unknown_dentist=act.unknown_dentist or details.unknown_dentist,
        usual_dentist=act.usual_dentist or details.usual_dentist,
        any_dentist=act.any_dentist or details.any_dentist,
        urgent=act.urgent or details.urgent,
        when=when,
        which=which,
    )


def _act(text: str, facts: Facts, now: datetime) -> DialogueAct:
    month_first = facts.time_zone.startswith(_MONTH_FIRST_ZONES)
    by, without_by = _distance(text)
    when, rest = take_when(without_by, now, month_first=month_first)
    intent = _intent(rest, text)
    if by is not None and intent in (None, Intent.BOOK) and _MOVES.search(text):
        intent = Intent.MOVE
    treatment, unknown_treatment = find_treatment(rest, facts)
    dentists, unknown_dentist = find_dentists(rest, facts)
    act = DialogueAct(
        intent=intent or Intent.UNKNOWN,
        treatment=treatment.id if treatment else None,
        unknown_treatment=unknown_treatment,
        dentists=tuple(one.id for one in dentists),
        unknown_dentist=unknown_dentist,
        usual_dentist=not dentists and bool(lexicon.USUAL.search(rest)),
        any_dentist=bool(lexicon.ANYONE.search(rest)),
        when=when,
        by=by,
        urgent=bool(lexicon.URGENT.search(text)),
        everything=bool(lexicon.EVERYTHING.search(rest)) and intent in (Intent.CANCEL, Intent.MOVE),
    )
    act = _with_choice(act, rest)
    if (bare := lexicon.YES_VERB.match(text)) and lexicon.VERBS[bare["verb"]] is intent:
        act = replace(act, verb=intent)
    if intent is Intent.MOVE:
        return _with_source(act, without_by, now, month_first=month_first)
    if intent is Intent.CANCEL:
        return replace(act, which=_reference(when), when=When())
    if act.urgent and act.when.problem is TimeProblem.PAST:
        act = replace(act, when=When())  # since when it hurts, not when to come
    if intent is not None:
        return act
    return _without_intent(act, rest)


def _without_intent(act: DialogueAct, rest: str) -> DialogueAct:
    if act.treatment or act.urgent or act.unknown_treatment:
        return replace(act, intent=Intent.BOOK)
    if act.has_entities:
        return replace(act, intent=Intent.INFORM)
    aside = _first(lexicon.ASIDE, rest)
    return act if aside is None else DialogueAct(intent=aside)


def _intent(rest: str, text: str) -> Intent | None:
    if lexicon.OTHER_PEOPLE.search(rest) or lexicon.OTHER_PEOPLE.search(text):
        return Intent.OTHER_PEOPLE
    return _first(lexicon.RULES, rest)


def _with_choice(act: DialogueAct, rest: str) -> DialogueAct:
    number: int | None = None
    if found := lexicon.NUMBER.search(rest):
        number = int(found["a"] or found["b"])
    elif named := lexicon.ORDINAL.search(rest):
        number = lexicon.ORDINALS[named["word"]]
    extreme, shift = _first(lexicon.EXTREMES, rest), _first(lexicon.SHIFTS, rest)
    if extreme is None and shift is None and act.by is None:
        shift = _first(lexicon.DIRECTIONS, rest)
    return replace(act, number=number, extreme=extreme, shift=shift)


def _with_source(act: DialogueAct, text: str, now: datetime, *, month_first: bool) -> DialogueAct:
    """Which appointment, and the new time: "move my Friday appointment to Monday"."""

    def time_in(part: str) -> When:
        return take_when(part, now, month_first=month_first)[0]

    if cannot := _CANNOT.search(text):
        target = time_in(text[cannot.end() :])
        return replace(act, when=target, which=_reference(time_in(cannot["then"])))
    for split in _TO.finditer(text):
        target = time_in(text[split.end() :])
        source = time_in(re.sub(r"\bfrom\b", " ", text[: split.start()]))
        if target.is_empty or (split[0].startswith(" on") and not source.is_empty):
            continue
        return replace(act, when=target, which=_reference(source))
    if re.search(r"\binstead\b", text):
        return act
    if re.search(
        r"\b(?:my|the)\b(?! (?:appointment|booking|visit|cleaning|check)\b).{0,40}\b(?:appointment|booking|visit)\b",
        text,
    ):
        return replace(act, when=When(), which=_reference(act.when))
    return act


def _reference(when: When) -> When:
    """A time that identifies an appointment; it may be in the past."""
    return replace(when, problem=None, about="", soonest=False, any_time=False)


def _distance(text: str) -> tuple[timedelta | None, str]:
    """ "a week later", "push it back by two days" """
    found = lexicon.BY.search(text)
    if found is None:
        return None, text
    words = {name.rstrip("23"): word for name, word in found.groupdict().items() if word}
    count = words["count"]
    number = float(count) if count.isdigit() else {"half an": 0.5, "a couple of": 2}.get(count, 1)
    length = number * _UNITS[words["unit"]]
    way = words.get("way") or ("forward" if " forward" in text else "back")
    earlier = way in ("earlier", "sooner", "forward")
    return (-length if earlier else length), text[: found.start()] + " " + text[found.end() :]
