"""What of a message was seen but not used: it is asked about, never dropped.

A rule instead of a list of phrases: whatever looks like a time, a number, a bound, a negation
or a condition must have been taken out of the text by one of the readings. What still stands
there was not understood, and then nothing of the message is acted upon.
"""

import re
from collections.abc import Iterable
from typing import Final

from chairside.chatbot.understanding import lexicon
from chairside.chatbot.understanding.acts import DialogueAct, Intent

_USED: Final = " ~ "
"""What stands where words of the act were; no bound can belong to it, as to a time."""
_SHOWN_WORDS: Final = 6

_IDIOMS: Final = re.compile(
    r"\b(?:(?<=come )by|(?<=stop )by|(?<=drop )by|(?<=pass )by|(?<=swing )by|good (?:morning|afternoon|evening|night|day)|have a (?:nice|good|great|lovely) \w{1,12}"
    r"|(?:just |in )?(?:a|one|1) (?:quick )?(?:second|sec|minute|moment)|first of all|at first|the other day"
    r"|(?:it is |it's |is |it )?(?:not|isn't) (?:really |exactly |that |so |very )?(?:urgent|an emergency|in a hurry)|no emergency"
    r"|my name(?:'s| is)(?: [a-z'-]{2,20}){1,2}|(?:this is|i'm|i am) (?:april|may|june|august)\b(?: [a-z'-]{2,20})?|no (?:rush|hurry|stress)"
    r"|(?:tooth|teeth)(?: number| no)? \d{1,2}|(?:i'm|i am) \d{1,3}[- ]years?[- ]old|day off|opening hours|running late"
    r"|(?:what|which|how many) (?:days?|dates?|times?|weeks?|hours)|24/7)\b"
)
"""Phrases with words of time that name none; taken out before times are read."""
_HISTORY: Final = re.compile(
    r"\b(?:since|for)(?: about| almost| nearly| over| more than)?(?: the)?(?: last| past)?"
    r" (?:yesterday|last \w{3,12}|this (?:morning|afternoon)|today|(?:mon|tues|wednes|thurs|fri|satur|sun)day"
    r"|(?:\d{1,3}|an?|some|a few|a couple of|several) (?:hours?|days?|weeks?|months?|years?|nights?)"
    r"|(?:days|weeks|months|years|ages|hours)|i \w{2,12}(?: \w{2,12}){0,3})(?: (?:now|ago|night|already))?\b"
    r"|\b(?:at night|all (?:day|night)(?: long)?|every (?:night|day|morning)|in the (?:mornings?|evenings?|night)"
    r"|after (?:eating|meals?|lunch|dinner|drinking)|when i \w{2,12})(?= |[.,!?]|$)"
)
"""Since when, or when, it hurts."""
_HAPPENED: Final = re.compile(
    r"\b((?:broke|lost|chipped|cracked|knocked out|fell out|came out|started|began)(?: (?!can|could|may|come)\w{1,12}){0,3})"
    r" (?:yesterday|last \w{3,12}|today|this \w{3,12}|on (?:mon|tues|wednes|thurs|fri|satur|sun)day)(?: (?:morning|afternoon|evening|night))?\b(?! at)"
)
"""When it broke."""

_HARMLESS: Final = re.compile(
    r"^(?:no|nope|nah)[,.!;:]"
    r"|\bno(?:,? thanks?(?: you)?| problem| worries| matter| idea| preference| questions?| need to worry)\b"
    r"|\b(?:i'm |i am )?not (?:really )?sure\b(?! (?:i|we|if|whether|about))|\b(?:i )?(?:don't|do not) (?:know|mind|care|worry)\b"
    r"|\b(?:doesn't|does not) matter\b|\bwhy (?:not|don't (?:we|you|i))\b|\bcan't wait\b"
    r"|(?:^|[,.!?;] |\b(?:and|but|so|then|hi|hello|please) )(?:don't|can't|isn't|aren't|couldn't|won't|wouldn't"
    r"|haven't|hasn't|doesn't|didn't) (?:you|i|we|there|it|dr)\b"
    r"|\b(?:last|next|first|other|another|this|every) (?:time|visit|appointment|one|name)\b"
    r"|\b(?:haven't|have not|hasn't) (?:been|had|seen) .{0,30}\b(?:for|in) (?:a while|ages|(?:\w{1,9} )?(?:years|months))\b"
    r"|\bboth (?:would |are |be |work|fine|good|ok)|\bany ?more\b|\b(?:how|what) about\b|\babout (?:it|that|my|an|a)\b|\bby (?:the way|phone|any chance|chance|mistake|myself)\b"
    r"|\bafter all\b|\bat all\b|(?<!only )\bif (?:(?:it is |that is |it's |that's )?(?:possible|okay|ok|fine|available|free)|you (?:can|have|could|don't mind)"
    r"|that(?:'s| is)? (?:ok|okay|works?|possible|fine)|i (?:can|could|may)|there(?:'s| is| are)|at all|needed|necessary)\b"
    r"|\b(?:change|changing|alter|pick|choose|find) (?:the |a |another )?(?:date|time|day)\b"
    r"|\bi'm new\b|\bmorning!|\bsee you (?:later|then|soon)\b|\bhalf an\b"
)

_NEGATIVE: Final = (
    r"not|no|never|none|neither|nor|without|except(?:ing)?|excluding|besides|avoid(?:ing)?|unless|nothing|nobody"
    r"|cannot|dont|cant|wont|isnt|doesnt|didnt|\w{2,8}n't|hardly|instead of|rather than|other than|apart from"
    r"|hate|exclud(?:e|ed)|except(?:ed)|aside|refuse|dislike|unavailable|impossible|busy|away|abroad|vacation|holidays?|booked up"
)
_OF_TIME: Final = (
    r"mondays?|tuesdays?|wednesdays?|thursdays?|fridays?|saturdays?|sundays?|january|february|april|june|july"
    r"|august|september|october|november|december|today|tomorrow|yesterday|tonight|midweek|days?|weeks?|weekends?|weekdays?"
    r"|fortnights?|months?|years?|hours?|minutes?|mins?|mornings?|afternoons?|evenings?|nights?|noon|midday"
    r"|midnight|o'clock|half|quarter|lunch|christmas|easter|new year'?s?|thanksgiving|birthday|dawn|dusk|sunrise|sunset"
    r"|breakfast|dinner|eod|cob|early|late|alternat(?:e|ing)|fortnightly|bi-?weekly|weekly|monthly|daily|recurring|same (?:time|date)|keep(?:ing)? the (?:time|date|day|hour)|utc|gmt|bst|c?e[sd]t|[cmp][sd]t|time ?zone"
)
_BOUND: Final = (
    r"before|after|afterwards|until|till|since|between|within|during|later|latest|earlier|earliest|sooner|soonest"
    r"|prior|beyond|including|onwards?|minimum|maximum|at (?:least|most)|(?:more|less|other|rather|further) than|ahead of"
)
_COUNTED: Final = r"first|second|third|fourth|fifth|sixth|twice|thrice|double|couple|several|few|dozens?|pair|both"
_CONDITION: Final = r"when (?:my|we|school|the \w{2,9}|it|he|she|they)|while|if|whether|depending|provided|otherwise|in case|as long as"
_DENTIST: Final = (
    r"(?:some|any)(?:one|body) else|(?:fe)?male (?:dentist|doctor)|woman|(?:a|the) man"
)
_SIGNAL: Final = re.compile(
    rf"\b(?:{_NEGATIVE}|{_OF_TIME}|{_BOUND}|{_COUNTED}|{_CONDITION}|{_DENTIST})(?!\w|'(?!s\b))"
    r"|\bdr §[a-z]{2}'s (?!next|first|free|earliest|avail|opening|slots?\b|times?\b|calendar|schedule|diary|hours)"
    r"|\b[mtwfs](?:/[mtwfs]){1,6}\b"
    r"|\beither(?! (?:\w{1,5} ){0,2}(?:¤|dr \S{1,9}),? ?(?:or\b|¤|dr\b))"
    r"|(?<=¤ )(?!any|some|same|free|that|good|the)[a-z]{2,12} time\b"
    r"|[\w.:/+-]{0,12}\d[\w.:/+-]{0,12}"
    r"|\b(?:by|from|around|about|up to|through|past|over|under|than|as of|starting|beginning|last|next)(?= ?¤)"
    r"|\b(?:around|over|under|than|as of|before|after) (?:a )?(?:dr\b|¢)|\b(?:every|each)\b"
    r"|\b(?:all|any ?(?:one|body|thing|time)?|every\w{0,5}) (?:but|except)\b|\bbut (?:one|her|him|them|th(?:at|is) one)\b"
    r"|\b(?:is|are|'s|was|were|be|gets?) (?:\w{2,9} )?(?:bad|difficult|hard|tricky|inconvenient|unsuitable|out|terrible|problematic|full|taken|off)\b"
    r"|\b(?:or|and) (?:the )?next\b"
)


_TO_A_TIME: Final = re.compile(r"\bto(?= ?¤)")
"""Of a move it is where to; else it is a bound whose other end is missing."""


def without_idioms(text: str) -> str:
    """The text before its times are read."""
    if lexicon.URGENT.search(text):
        text = _HAPPENED.sub(r"\1", _HISTORY.sub(" ", text))
    return _IDIOMS.sub(" ", text)


def unread(rest: str, act: DialogueAct) -> str:
    """The words of ``rest`` that nothing in ``act`` accounts for; empty if there are none.

    ``rest`` is a text without the times, dentists and treatments of the act.
    """
    for pattern, count in _used(act):
        rest = pattern.sub(_USED, rest, count)
    rest = " ".join(_HARMLESS.sub(" ", f"{rest} ").split())
    found = _SIGNAL.search(rest)
    if found is None and act.intent is not Intent.MOVE:
        found = _TO_A_TIME.search(rest)
    if found is None:
        return ""
    words = rest[found.start() :].split()[:_SHOWN_WORDS]
    return re.split("[¤¢~]", " ".join(words))[0].strip(" ,.;!?") or found[0]


def _used(act: DialogueAct) -> Iterable[tuple[re.Pattern[str], int]]:
    """The patterns whose matches the act contains, and how many of them (0: all)."""
    if act.number is not None:
        yield lexicon.NUMBER, 1
        yield lexicon.ORDINAL, 1
    if act.extreme is not None:
        yield lexicon.EXTREMES[act.extreme], 1
    if act.shift is not None:
        yield (lexicon.SHIFTS | lexicon.DIRECTIONS)[act.shift], 1
    if act.intent is Intent.CANCEL:
        yield lexicon.RULES[Intent.CANCEL], 1
    if act.any_dentist:
        yield lexicon.ANYONE, 0
    if act.usual_dentist:
        yield lexicon.USUAL, 0
    if act.other_dentist:
        yield lexicon.OTHER_DENTIST, 0
    if act.everything:
        yield lexicon.EVERYTHING, 0
    if act.urgent:
        yield lexicon.URGENT, 0
