"""Which of the clinic's dentists and treatments a plain text names."""

import re
from difflib import SequenceMatcher
from typing import Final

from chairside.chatbot.clinic import Facts, Practitioner, Treatment
from chairside.chatbot.understanding.normalize import plain

_TITLES: Final = frozenset(
    {"dr", "dr.", "doctor", "dentist", "prof", "mr", "mrs", "ms", "med", "dds", "dmd"}
)
_TYPO_RATIO: Final = 0.84
_TYPO_MIN_CHARS: Final = 5

# Words of patients, and how clinics name the treatment. The first match wins: a lost filling
# is an emergency.
_TREATMENTS: Final = tuple(
    (name, re.compile(rf"\b(?:{words})\b"), re.compile(called)) for name, words, called in (
    (
        "emergency visit",
        (r"emergenc(?:y|ies)|urgent care|tooth ?aches?|(?:in|a lot of|terrible|bad|severe|so much) pain"
        r"|pain(?:ful)?|hurt(?:s|ing)?|broke(?:n)? (?:a |my )?(?:tooth|crown|filling)"
        r"|(?:tooth|crown|filling) (?:is |has )?(?:broke|broken|fell out|fallen out|chipped)"
        r"|chipped|swollen|swelling|bleeding|lost (?:a |my )?(?:filling|crown|tooth)|knocked out|abscess"),
        r"emerg|urgent|pain",
    ),
    (
        "check-up",
        (r"check[- ]?ups?|checkups?|(?:dental |routine |annual |yearly |regular )?(?:exam(?:ination)?s?|inspection)"
        r"|routine (?:visit|appointment)|annual visit|consultation|six[- ]month(?:ly)?|control visit|check my teeth"
        r"|have my teeth checked|teeth checked"),
        r"check|exam|control|consult",
    ),
    (
        "cleaning",
        (r"(?:deep |teeth |tooth |dental |professional )*clean(?:ing|ed)?s?|hygien(?:e|ist)|polish(?:ing)?"
        r"|scal(?:e|ing)|tartar|plaque|prophylaxis"),
        r"clean|hygien|prophyl|polish|scal",
    ),
    ("root canal", r"root[- ]?canals?|endodontic\w*|root treatment", r"root|endo"),
    ("filling", r"fillings?|cavit(?:y|ies)|caries|hole in (?:my|a) tooth|tooth filled", r"fill|cavit"),
    (
        "extraction",
        (r"extract(?:ion|ed)?s?|wisdom (?:tooth|teeth)|pull(?:ed|ing)? (?:out )?(?:a |my |the )?t(?:oo|ee)th"
        r"|t(?:oo|ee)th (?:pulled|out|removed|extracted)|(?:oral )?surgery"),
        r"surg|extract|wisdom",
    ),
    ("whitening", r"(?:teeth )?whiten(?:ing|ed)?|bleach(?:ing|ed)?", r"whiten|bleach"),
    ("braces", r"braces|orthodont\w+|aligners?|retainers?", r"ortho|brace|align"),
    ("crown", r"crowns?|bridge", r"crown|bridge"),
    ("implant", r"implants?", r"implant"),
    ("X-ray", r"x-?rays?", r"x-?ray|radio"),
))  # fmt: skip
_LOST: Final = re.compile(
    r"\b(?:lost|broke(?:n)?|chipped) (?:a |my |the )?(?:filling|crown|tooth)\b"
    r"|\b(?:filling|crown|tooth) (?:is |has |just )*(?:broke|broken|fell out|fallen out|come out|came out)"
)
_TITLED: Final = re.compile(
    r"\b(?:dr\.?|doctor) (?!at\b|on\b|for\b|who\b|is\b|has\b|i\b|in\b|to\b|and\b|or\b)([a-z][\w'-]+)"
)
_WITH: Final = re.compile(r"\bwith (?:dr\.?|doctor|dentist) ([a-z][\w'-]+)")


def find_treatment(text: str, facts: Facts) -> tuple[Treatment | None, str | None]:
    """The treatment that is named, or the name of one that this clinic does not offer."""
    urgent = _offered(facts, _TREATMENTS[0][2])
    if urgent is not None and _LOST.search(text):  # not an appointment for a filling
        return urgent, None
    named = [treatment for treatment in facts.treatments if _contains(text, treatment.name)]
    if named:
        return max(named, key=lambda treatment: len(treatment.name)), None
    missing: str | None = None
    for name, words, called in _TREATMENTS:
        if words.search(text):
            if treatment := _offered(facts, called):
                return treatment, None
            missing = missing or name
    return None, missing


def _offered(facts: Facts, called: re.Pattern[str]) -> Treatment | None:
    return next((one for one in facts.treatments if called.search(plain(one.name))), None)


def find_dentists(text: str, facts: Facts) -> tuple[tuple[Practitioner, ...], str | None]:
    """The dentists who are named, or a name after "Dr." that no dentist here has."""
    whole = tuple(one for one in facts.dentists if _contains(text, one.name))
    if whole:
        return whole, None
    words = re.findall(r"[\w'-]+", text)
    found = tuple(
        one
        for one in facts.dentists
        if any(_same(word.removesuffix("'s"), part) for part in _parts(one.name) for word in words)
    )
    if found:
        return found, None
    titled = _TITLED.search(text) or _WITH.search(text)
    return (), titled[1] if titled else None


def _contains(text: str, name: str) -> bool:
    """Whether the text contains the whole name; hyphens and spaces are the same."""
    parts = re.split(r"[- ]", plain(name))
    pattern = r"[- ]?".join(re.escape(part) for part in parts if part)
    return bool(pattern) and re.search(rf"(?<!\w){pattern}s?(?!\w)", text) is not None


def _parts(name: str) -> list[str]:
    """The words of a name that distinguish it from others."""
    words = re.findall(r"[\w'-]+", plain(name))
    return [word for word in words if word not in _TITLES and not word.isdigit() and len(word) > 2]


def _same(word: str, part: str) -> bool:
    if word == part:
        return True
    if min(len(word), len(part)) < _TYPO_MIN_CHARS or word[0] != part[0]:
        return False
    return SequenceMatcher(None, word, part).ratio() >= _TYPO_RATIO
