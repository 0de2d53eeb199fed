"""English text to dialogue acts. Pure; what no rule recognises is Intent.UNKNOWN."""

import re
from dataclasses import replace
from datetime import datetime
from typing import Final, TypeVar

from chairside.chatbot.clinic import Facts
from chairside.chatbot.understanding import lexicon
from chairside.chatbot.understanding.acts import DialogueAct, Intent
from chairside.chatbot.understanding.clause_reader import ClauseReader, first_of
from chairside.chatbot.understanding.clauses import clauses, without_abbreviations
from chairside.chatbot.understanding.moving import reference
from chairside.chatbot.understanding.names import mark_dentists
from chairside.chatbot.understanding.normalize import is_too_long, plain
from chairside.chatbot.understanding.numerals import with_days_spelt
from chairside.chatbot.understanding.unread import unread, without_idioms
from chairside.chatbot.understanding.when_words import TOO_MUCH, Budget, TimeReader

K = TypeVar("K")

ACTS_MAX: Final = 3
"""Acts that one message may have."""

SHORT_MAX_CHARS: Final = 80
"""Short answers such as a yes are not longer."""
_STOP_MAX_CHARS: Final = 60

_MONTH_FIRST_ZONES: Final = ("America/", "US/", "Pacific/Honolulu")
_TASKS: Final = frozenset({Intent.BOOK, Intent.MOVE, Intent.CANCEL})


def understand(
    message: str,
    facts: Facts,
    now: datetime,
    *,
    budget: Budget | None = None,
    has_options: bool = True,
) -> tuple[DialogueAct, ...]:
    """The acts of a message, in its order; at least one.

    If any part of it is unclear, it is one act that says what. ``now`` is a wall time in the
    zone that "tomorrow" is meant in; ``has_options``: numbered options were shown.
    """
    text = plain(message)
    if is_too_long(message):
        return (DialogueAct(intent=Intent.UNKNOWN, unclear=TOO_MUCH),)
    month_first = facts.time_zone.startswith(_MONTH_FIRST_ZONES)
    reader = TimeReader(now, budget or Budget(), month_first, has_options)
    mentions = mark_dentists(without_abbreviations(text), facts)
    clause_reader = ClauseReader(facts, reader, mentions)
    text = with_days_spelt(mentions.text)
    whole = _short_answer(text, clause_reader) if len(text) <= SHORT_MAX_CHARS else None
    if whole is not None:
        return (whole,)
    acts: list[DialogueAct] = []
    for clause in clauses(text):
        is_refusal = bool(acts) and lexicon.NO.match(clause)  # "cancel it? no!"
        refusal = DialogueAct(intent=Intent.UNKNOWN, unclear=clause)
        _add(acts, refusal if is_refusal else clause_reader.act(clause))
    return _kept(acts)


def _kept(acts: list[DialogueAct]) -> tuple[DialogueAct, ...]:
    """The acts without pleasantries; one act if something is unclear or there are too many."""
    known = [act for act in acts if act.intent is not Intent.UNKNOWN]
    if not known:
        is_too_much = any(act.unclear == TOO_MUCH for act in acts)
        return (DialogueAct(intent=Intent.UNKNOWN, unclear=TOO_MUCH if is_too_much else ""),)
    if known[0].intent is Intent.OTHER_PEOPLE:
        return (known[0],)
    unclear = next((act.unclear for act in acts if act.unclear), "")
    if len(known) > 1:  # a yes is a whole message
        known = [act if act.intent is Intent.KEEP else replace(act, verb=None) for act in known]
        serious = [act for act in known if act.intent not in (Intent.HELLO, Intent.THANKS)]
        known = serious or known[:1]
    if len(known) > ACTS_MAX:
        unclear = unclear or TOO_MUCH
    if unclear:
        task = next((act for act in known if act.intent in _TASKS), known[0])
        return (replace(task, unclear=unclear),)
    return tuple(known)


def _short_answer(text: str, reader: "ClauseReader") -> DialogueAct | None:
    """Acts that must be the whole message: yes, no, bye."""
    if lexicon.YES.match(text):
        return DialogueAct(intent=Intent.YES)
    if found := lexicon.YES_VERB.match(text):
        verb = lexicon.VERBS[found["verb"]]
        agreed = re.match(r"\W{0,20}(?:yes|yeah|yep|sure|ok|okay|go ahead)\b", text)
        if agreed or verb is None:
            return DialogueAct(intent=Intent.YES, verb=verb)
        return DialogueAct(intent=verb, verb=verb)
    if len(text) < _STOP_MAX_CHARS and lexicon.STOP.search(text):
        rest = lexicon.STOP.sub(" ", text).strip()
        act = reader.act(rest) if rest else DialogueAct(intent=Intent.UNKNOWN)
        is_bare = act.when.is_empty and act.which.is_empty and not act.unclear
        if is_bare and not act.has_entities and not unread(rest, act):
            return DialogueAct(intent=Intent.STOP)
    if lexicon.NO.match(text):
        return DialogueAct(intent=Intent.NO)
    intent = first_of(lexicon.SHORT, text)
    if intent in (None, Intent.HELP) or not unread(
        without_idioms(text), DialogueAct(intent=Intent.UNKNOWN)
    ):
        return None if intent is None else DialogueAct(intent=intent)
    return None


def _add(acts: list[DialogueAct], act: DialogueAct) -> None:
    """Append an act; a clause with entities only belongs to the act before it."""
    before = acts[-1] if acts else None
    if before is None:
        acts.append(act)
    elif act.intent is Intent.INFORM and before.intent in _TASKS:
        acts[-1] = _with_details(before, act)
    elif act.intent in _TASKS and before.intent is Intent.INFORM and not before.is_choice:
        acts[-1] = _with_details(act, before)
    elif act.intent in (Intent.MOVE, Intent.CANCEL) and before.intent is Intent.MINE:
        is_other = act.which.is_empty and not before.when.is_empty  # "I have one on Friday. …"
        acts[-1] = replace(act, which=reference(before.when)) if is_other else before
        if not is_other:
            acts.append(act)
    elif act.intent is before.intent and not act.treatment:
        acts[-1] = _with_details(before, act)  # "I need a cleaning. Can I book Friday?"
    else:
        acts.append(act)


def _with_details(act: DialogueAct, details: DialogueAct) -> DialogueAct:
    when, which, unclear = act.when, act.which, act.unclear or details.unclear
    if act.intent is Intent.CANCEL:
        which = which.refined_by(details.when)
    else:
        when = when.refined_by(details.when)
    if act.treatment and details.treatment and act.treatment != details.treatment:
        unclear = unclear or "two treatments at once"
    unknown = act.unknown_treatment or details.unknown_treatment
    return replace(
        act,
        treatment=act.treatment or details.treatment,
        unknown_treatment=None if act.treatment or details.treatment else unknown,
        dentists=act.dentists or details.dentists,
        not_dentists=(*act.not_dentists, *details.not_dentists),
        unknown_dentist=act.unknown_dentist or details.unknown_dentist,
        usual_dentist=act.usual_dentist or details.usual_dentist,
        any_dentist=act.any_dentist or details.any_dentist,
        other_dentist=act.other_dentist or details.other_dentist,
        urgent=act.urgent or details.urgent,
        number=act.number if details.number is None else details.number,
        extreme=act.extreme or details.extreme,
        shift=act.shift or details.shift,
        by=act.by or details.by,
        when=when,
        which=which,
        unclear=unclear,
    )
