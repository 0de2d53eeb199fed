"""One clause of a message to a dialogue act, with everything that it names."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final, TypeVar

from chairside.chatbot.clinic import Facts
from chairside.chatbot.understanding import lexicon
from chairside.chatbot.understanding.acts import DialogueAct, Intent
from chairside.chatbot.understanding.clauses import refused_task
from chairside.chatbot.understanding.moving import reference, source_and_target
from chairside.chatbot.understanding.names import Mentions, named_dentists
from chairside.chatbot.understanding.treatments import NamedTreatments, named_treatments
from chairside.chatbot.understanding.unread import unread, without_idioms
from chairside.chatbot.understanding.when import TimeProblem, When
from chairside.chatbot.understanding.when_words import Reading, TimeReader

K = TypeVar("K")

_MOVES: Final = lexicon.RULES[Intent.MOVE]
_HAS_ONE: Final = re.compile(
    r"^(?:(?:hi|hello|hey|so|well|ok|but|because|since|as)\W{1,3}){0,3}(?:i(?:'ve| have)(?: already)?(?: got)?"
    r" (?:an?|my|the|another)|my|the) .{0,20}\b(?:appointment|booking|visit)\b"
)
"""A statement, not a wish."""
_CHANGES_WHAT: Final = re.compile(
    r"\b(?:change|switch|make|swap|turn) (?:it|that|this) (?:in)?to an? (?!\w{2,9} (?:day|date|time|slot)\b)"
)
_BOTH_TASKS: Final = re.compile(
    r"\bcancel\w{0,8}\b.{0,80}\b(?:or|and|/) .{0,40}\b(?:mov(?:e|ing)|reschedul\w{1,3})\b"
    r"|\b(?:mov(?:e|ing)|reschedul\w{1,3})\b.{0,80}\b(?:or|and|/) .{0,40}\bcancel"
)
_CANCELLED: Final = re.compile(
    r"\bun-?cancel\w{0,4}|\bundo\b.{0,20}|\b(?:was|were|been|got|is|are|you|who|they|has|have)(?: just| already| been| my \w{2,20}){0,2} cancell?ed\b"
)
"""A report or the opposite of a cancellation, not a request for one."""
_ELSEWHERE: Final = re.compile(
    r"\b(?:i|we)(?:'m| am| are|'ll be| will be)? (?:(?:only|usually|always|normally|have to|must|still) )?"
    r"(?:work(?:ing)?|teach(?:ing)?|at work|in a meeting|in class)\b[^.;,]{0,24}?(?:\d|noon|midday|half|day)\S{0,6}"
    r"|\b(?:call|ring|phone|text|e-?mail|remind) me\b[^.;,]{0,24}?(?:\d|noon|midday|half|day|tomorrow)\S{0,6}"
)
"""Times of something else than an appointment."""
_ENDS: Final = re.compile(
    r"\b(?:leave|finish(?:ed)?|done|(?<!fell )(?<!came )out|off|end(?:s|ed|ing)?|home|pick(?:ed)? up)\b.{0,24}\b(?:by|before|until|at) \S{1,8}"
)
_UNITS: Final = {
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(weeks=1),
    "fortnight": timedelta(weeks=2),
}


def first_of(patterns: Mapping[K, re.Pattern[str]], text: str) -> K | None:
    return next((which for which, pattern in patterns.items() if pattern.search(text)), None)


@dataclass(frozen=True, slots=True)
class ClauseReader:
    """Understands the clauses of one message."""

    facts: Facts
    times: TimeReader
    mentions: Mentions

    def act(self, text: str) -> DialogueAct:
        if refused := refused_task(text):
            return self._refused(text, *refused)
        by, without_by = _distance(without_idioms(text))
        reading = self.times.read(without_by)
        intent = _intent(reading.rest, text)
        if intent is Intent.MOVE and _CHANGES_WHAT.search(text) and reading.when.is_empty:
            intent = None  # "change it to a root canal"
        if by is not None and intent in (None, Intent.BOOK) and _MOVES.search(text):
            intent = Intent.MOVE
        act, unclear = self._entities(reading, intent, text, by)
        if (bare := lexicon.YES_VERB.match(text)) and lexicon.VERBS[bare["verb"]] is intent:
            act = replace(act, verb=intent)
        rest = reading.rest
        if intent is Intent.MOVE:
            move = source_and_target(without_by, reading, self.times)
            act = replace(act, which=move.which, when=move.when)
            rest, unclear = move.rest, move.unclear or unclear
        else:
            unclear = reading.unclear or unclear or _its_end(reading, without_by)
        if act.urgent and act.when.problem is TimeProblem.PAST:
            act = replace(act, when=When())  # since when it hurts, not when to come
        if intent is None:
            act = _without_intent(act, reading.rest)
        return self._with_unclear(act, rest, unclear, text)

    def _refused(self, text: str, verb: Intent, says_more: bool) -> DialogueAct:
        """ "Do not cancel"; "do not book on Friday" says more than that nothing be booked."""
        if verb is Intent.BOOK:
            says_more = says_more or not self.times.read(text).when.is_empty or "§" in text
        unclear = self.mentions.restored(text) if says_more else ""
        return DialogueAct(intent=Intent.KEEP, verb=verb, unclear=unclear)

    def _entities(
        self, reading: Reading, intent: Intent | None, text: str, by: timedelta | None
    ) -> tuple[DialogueAct, str]:
        """What the clause names, and what of it is unclear."""
        named = named_treatments(reading.rest, self.facts)
        people = named_dentists(named.rest, self.mentions)
        rest, is_change = people.rest, intent in (Intent.CANCEL, Intent.MOVE)
        act = DialogueAct(
            intent=intent or Intent.UNKNOWN,
            treatment=named.treatments[0] if named.treatments else None,
            unknown_treatment=None if named.treatments else named.unknown,
            dentists=people.wanted,
            not_dentists=people.unwanted,
            unknown_dentist=None if people.wanted else people.unknown,
            usual_dentist=not people.wanted and bool(lexicon.USUAL.search(rest)),
            any_dentist=bool(lexicon.ANYONE.search(rest)),
            other_dentist=not people.wanted and bool(lexicon.OTHER_DENTIST.search(rest)),
            when=When() if is_change else reading.when,
            which=reference(reading.when) if is_change else When(),
            by=by,
            urgent=bool(lexicon.URGENT.search(without_idioms(text))),
            everything=bool(lexicon.EVERYTHING.search(rest)) and is_change,
        )
        act = _with_choice(act, rest)
        unclear = people.unclear or _several_treatments(named, act) or _odd_distance(act)
        if unclear == "" and _BOTH_TASKS.search(text):
            unclear = "whether to move or to cancel"
        if intent is Intent.CANCEL and (cancelled := _CANCELLED.search(text)):
            unclear = unclear or cancelled[0]
        return act, unclear

    def _with_unclear(self, act: DialogueAct, rest: str, unclear: str, text: str) -> DialogueAct:
        if act.intent is Intent.OTHER_PEOPLE:
            return act
        left = named_dentists(named_treatments(rest, self.facts).rest, self.mentions).rest
        unclear = unclear or unread(left, act)
        return replace(
            act, unclear=_in_context(self.mentions.restored(unclear), self.mentions.restored(text))
        )


def _in_context(unclear: str, text: str) -> str:
    """The unclear words with those that follow them in the text."""
    at = text.find(unclear) if unclear else -1
    return unclear if at < 0 or len(unclear.split()) > 3 else " ".join(text[at:].split()[:6])


def _its_end(reading: Reading, text: str) -> str:
    """Words of a time that is not the appointment's start, which alone can be chosen."""
    found = None if reading.when.is_empty else _ELSEWHERE.search(text)
    if found is None and reading.when.has_time:
        found = _ENDS.search(text)
    return found[0] if found else ""


def _several_treatments(named: NamedTreatments, act: DialogueAct) -> str:
    if len(named.treatments) > 1:
        return "two treatments at once"
    return named.unknown or "" if named.treatments and named.unknown and not act.urgent else ""


def _odd_distance(act: DialogueAct) -> str:
    """ "A week later" can be combined with a time of day, not with another day."""
    when = act.which if act.intent in (Intent.CANCEL, Intent.MOVE) else act.when
    is_odd = act.by is not None and (act.intent is Intent.CANCEL or when.has_day)
    return "how much later, and when" if is_odd and act.intent is not Intent.MOVE else ""


def _without_intent(act: DialogueAct, rest: str) -> DialogueAct:
    if act.treatment or act.urgent or act.unknown_treatment:
        return replace(act, intent=Intent.BOOK)
    if act.has_entities:
        return replace(act, intent=Intent.INFORM)
    aside = first_of(lexicon.ASIDE, rest)
    return act if aside is None else DialogueAct(intent=aside)


def _intent(rest: str, text: str) -> Intent | None:
    if lexicon.OTHER_PEOPLE.search(rest) or lexicon.OTHER_PEOPLE.search(text):
        return Intent.OTHER_PEOPLE
    if (
        _HAS_ONE.search(text)
        and not _MOVES.search(text)
        and not lexicon.RULES[Intent.CANCEL].search(text)
    ):
        return Intent.MINE
    return first_of(lexicon.RULES, rest)


def _with_choice(act: DialogueAct, rest: str) -> DialogueAct:
    number: int | None = None
    if found := lexicon.NUMBER.search(rest):
        number = int(found["a"] or found["b"])
    elif named := lexicon.ORDINAL.search(rest):
        number = lexicon.ORDINALS[named["word"]]
    extreme, shift = first_of(lexicon.EXTREMES, rest), first_of(lexicon.SHIFTS, rest)
    if extreme is None and shift is None and act.by is None:
        shift = first_of(lexicon.DIRECTIONS, rest)
    return replace(act, number=number, extreme=extreme, shift=shift)


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
