"""Which of the clinic's dentists and treatments a plain text names."""

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from functools import lru_cache
from typing import Final

from chairside.chatbot.clinic import Facts
from chairside.chatbot.understanding.normalize import plain

MENTIONS_MAX: Final = 12
"""Dentists that one message may name."""
_TYPOS_MAX: Final = 6
"""Words of one message that are compared with all names."""
_TITLES: Final = frozenset(
    {"dr", "doctor", "dentist", "prof", "mr", "mrs", "ms", "med", "dds", "dmd"}
)
_BEFORE_A_NAME: Final = _TITLES | {"with", "see", "by", "or", "and", "to", "not", "than", "but"}
_TYPO_RATIO: Final = 0.84
_TYPO_MIN_CHARS: Final = 5
_COMMON: Final = frozenset(
    [
        "will",
        "may",
        "mark",
        "grace",
        "hope",
        "young",
        "best",
        "day",
        "early",
        "late",
        "long",
        "short",
        "new",
        "good",
        "wise",
        "west",
        "north",
        "bill",
        "first",
        "last",
        "time",
        "with",
        "and",
        "for",
        "anyone",
        "please",
        "book",
        "move",
        "cancel",
        "april",
        "june",
        "august",
        "march",
        "friday",
        "saturday",
        "sunday",
        "monday",
        "wednesday",
        "tuesday",
        "thursday",
        "frank",
        "art",
        "dean",
        "penny",
        "rose",
        "summer",
        "winter",
        "noon",
        "may",
        "just",
        "like",
        "want",
        "need",
        "see",
        "can",
        "the",
        "any",
        "all",
        "not",
    ]
)
"""Names that are common words count only after "dr" or "with"."""

_MARK: Final = re.compile(r"\bdr §([a-z])\1")
_ANY_MARK: Final = r"dr §[a-z]{2}(?:'s)?"
_NOT_WITH: Final = re.compile(
    r"\b(?:any(?:one|body|thing| dentist| doctor)? but|every(?:one|body) but|except(?:ing)?(?: for)?|excluding"
    r"|not|no|never|without|but not|other than|apart from|instead of|rather than|avoid(?:ing)?|besides"
    r"|neither|nor|(?:do not|don't) want(?: to see)?)"
    rf"(?: (?:with|by|to|see|for|from|at))? {_ANY_MARK}"
    rf"(?:,? (?:or|and|nor)(?: not)?(?: with)? {_ANY_MARK}){{0,12}}"
)
_OTHER_PERSON: Final = re.compile(
    rf"{_ANY_MARK} (?:colleague|partner|assistant|replacement|substitute|stand-?in|brother|sister|nurse|hygienist)"
)
_TITLED: Final = re.compile(
    r"\b(?:dr\.?|doctor) (?!at\b|on\b|for\b|who\b|is\b|has\b|i\b|in\b|to\b|and\b|or\b|do\b|please\b)([a-z][\w'-]{1,60})"
)
_WITH_TITLE: Final = re.compile(r"\bwith (?:dr\.?|doctor|dentist) ([a-z][\w'-]{1,60})")
_WITH: Final = re.compile(
    r"\bwith (?!dr\b|doctor\b|dentist|me\b|my\b|us\b|you|a\b|an\b|the\b|this\b|that\b|these\b|those\b|it\b"
    r"|them\b|any|some\w{0,9}\b(?! else)|who|which|what|no\b|pain|thanks|one\b|whom|either|both|all|every|another"
    r"|either|regards?|pleasure|free|something|time|in\b|at\b|on\b|more|less|lots?)([a-z][\w'-]{1,60})"
)


@dataclass(slots=True)
class NameIndex:
    """The words of a clinic's names; numbers are places in its list."""

    parts: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    whole: dict[str, list[tuple[tuple[str, ...], int]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    by_letter: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def like(self, word: str) -> set[int]:
        """The people with a name that differs little from a word of some length."""
        found: set[int] = set()
        if len(word) < _TYPO_MIN_CHARS or word in _COMMON:
            return found
        for part in self.by_letter.get(word[0], ()):
            if abs(len(part) - len(word)) > 2:
                continue
            likeness = SequenceMatcher(None, word, part)
            if (
                likeness.real_quick_ratio() >= _TYPO_RATIO
                and likeness.quick_ratio() >= _TYPO_RATIO
                and likeness.ratio() >= _TYPO_RATIO
            ):
                found |= self.parts[part]
        return found


@lru_cache(maxsize=16)
def _index(names: tuple[str, ...]) -> NameIndex:
    index = NameIndex()
    for place, name in enumerate(names):
        words = re.findall(r"[\w']+", plain(name).replace("-", " "))
        own = [word for word in words if word not in _TITLES]
        whole = own if any(not word.isdigit() for word in own) else words
        if whole:
            index.whole[whole[0]].append((tuple(whole), place))
        for word in own:
            if len(word) > 2 and not word.isdigit():
                index.parts[word].add(place)
    for part in index.parts:
        if len(part) >= _TYPO_MIN_CHARS:
            index.by_letter[part[0]].append(part)
    for candidates in index.whole.values():
        candidates.sort(key=lambda candidate: -len(candidate[0]))
    return index


@dataclass(frozen=True, slots=True)
class Mentions:
    """A text whose names of dentists are marks "dr §aa", "dr §bb", and whom each may mean."""

    text: str
    dentists: tuple[tuple[str, ...], ...]
    words: tuple[str, ...]
    """As they were written."""

    def restored(self, text: str) -> str:
        return _MARK.sub(lambda mark: self.words[ord(mark[1]) - ord("a")], text)


@dataclass(frozen=True, slots=True)
class NamedDentists:
    """The dentists whom a part of a message wants, and does not want."""

    wanted: tuple[str, ...]
    unwanted: tuple[str, ...]
    unknown: str | None
    """A name after "Dr." that no dentist here has."""
    unclear: str
    rest: str
    """The text without them; the marks of wanted ones stay."""


def mark_dentists(text: str, facts: Facts) -> Mentions:
    """Marks the names of dentists in a plain text."""
    index = _index(tuple(one.name for one in facts.dentists))
    tokens = list(re.finditer(r"[\w']+", text.replace("-", " ")))
    words = [token[0].removesuffix("'s") for token in tokens]
    pieces: list[str] = []
    people: list[tuple[str, ...]] = []
    named: list[str] = []
    at = done = 0
    typos = _TYPOS_MAX
    while at < len(words) and len(people) < MENTIONS_MAX:
        used, places, typos = _mention(index, words, at, typos)
        if not used:
            at += 1
            continue
        first, last = tokens[at].start(), tokens[at + used - 1]
        if at and words[at - 1] in _TITLES:
            first = tokens[at - 1].start()
        owner = "'s" if last[0].endswith("'s") else ""
        pieces += [text[done:first], f"dr §{chr(ord('a') + len(people)) * 2}{owner}"]
        named.append(text[first : last.end()].removesuffix("'s"))
        people.append(tuple(facts.dentists[place].id for place in sorted(places)))
        at, done = at + used, last.end()
    return Mentions("".join([*pieces, text[done:]]), tuple(people), tuple(named))


def _mention(index: NameIndex, words: list[str], at: int, typos: int) -> tuple[int, set[int], int]:
    """How many words from ``at`` on are one name, whose it may be, and the typos left."""
    for whole, place in index.whole.get(words[at], ()):
        is_common = len(whole) == 1 and whole[0] in _COMMON
        if tuple(words[at : at + len(whole)]) == whole and not is_common:
            same = {one for other, one in index.whole[words[at]] if other == whole}
            return len(whole), same | {place}, typos
    votes: Counter[int] = Counter()
    used = 0
    while at + used < len(words) and used < 4:
        word = words[at + used]
        before = words[at + used - 1] if at + used else ""
        places = index.parts.get(word, set())
        if word in _COMMON and before not in _TITLES | {"with"}:
            places = set()
        if not places and typos and (before in _BEFORE_A_NAME or used or len(words) <= 3):
            places = index.like(word)
            typos -= 1 if len(word) >= _TYPO_MIN_CHARS else 0
        if not places:
            break
        votes.update(places)
        used += 1
    most = max(votes.values(), default=0)
    return used, {place for place, count in votes.items() if count == most}, typos


def named_dentists(text: str, mentions: Mentions) -> NamedDentists:
    """Whom a part of the text with marks names."""

    def people(part: str) -> list[str]:
        marks = _MARK.findall(part)
        return [one for mark in marks for one in mentions.dentists[ord(mark) - ord("a")]]

    unwanted = [one for match in _NOT_WITH.finditer(text) for one in people(match[0])]
    rest = _NOT_WITH.sub(" ¤ ", text)
    wanted = people(rest)
    titled = _TITLED.search(rest) or _WITH_TITLE.search(rest)
    unknown = titled[1] if titled else None
    unclear = ""
    if set(wanted) & set(unwanted) or (unknown and (wanted or unwanted)):
        unclear = f"dr {unknown}" if unknown else mentions.restored(text)
    elif other := _OTHER_PERSON.search(text):
        unclear = mentions.restored(other[0])
    elif untitled := _WITH.search(rest):
        unclear = untitled[0]
    return NamedDentists(
        tuple(dict.fromkeys(wanted)), tuple(dict.fromkeys(unwanted)), unknown, unclear, rest
    )
