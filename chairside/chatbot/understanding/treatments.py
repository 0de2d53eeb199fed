"""Which of the clinic's treatments a plain text names."""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from chairside.chatbot.clinic import Facts, Treatment
from chairside.chatbot.understanding.normalize import plain

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
        r"|routine (?:visit|appointment)|annual visit|consultation|(?:6|six)[- ]month(?:ly)?|control visit|check my teeth"
        r"|have my teeth checked|teeth checked"),
        r"check|exam|control|consult",
    ),
    (
        "cleaning",
        (r"(?:deep |teeth |tooth |dental |professional ){0,3}clean(?:ing|ed)?s?|hygien(?:e|ist)|polish(?:ing)?"
        r"|scal(?:e|ing)|tartar|plaque|prophylaxis"),
        r"clean|hygien|prophyl|polish|scal",
    ),
    ("root canal", r"root[- ]?canals?|endodontic\w{0,9}|root treatment", r"root|endo"),
    ("filling", r"fillings?|cavit(?:y|ies)|caries|hole in (?:my|a) tooth|tooth filled", r"fill|cavit"),
    (
        "extraction",
        (r"extract(?:ion|ed)?s?|wisdom (?:tooth|teeth)|pull(?:ed|ing)? (?:out )?(?:a |my |the )?t(?:oo|ee)th"
        r"|t(?:oo|ee)th (?:pulled|out|removed|extracted)|(?:oral )?surgery"),
        r"surg|extract|wisdom",
    ),
    ("whitening", r"(?:teeth )?whiten(?:ing|ed)?|bleach(?:ing|ed)?", r"whiten|bleach"),
    ("braces", r"braces|orthodont\w{1,9}|aligners?|retainers?", r"ortho|brace|align"),
    ("crown", r"crowns?|bridge", r"crown|bridge"),
    ("implant", r"implants?", r"implant"),
    ("X-ray", r"x-?rays?", r"x-?ray|radio"),
))  # fmt: skip
TREATED: Final = " ¢ "
"""What stands where a treatment was named."""
_URGENT_WORDS, _URGENT_CALLED = _TREATMENTS[0][1], _TREATMENTS[0][2]
_LOST: Final = re.compile(
    r"\b(?:lost|broke(?:n)?|chipped) (?:a |my |the )?(?:filling|crown|tooth)\b"
    r"|\b(?:filling|crown|tooth) (?:is |has |just ){0,3}(?:broke|broken|fell out|fallen out|come out|came out)"
)


@dataclass(frozen=True, slots=True)
class NamedTreatments:
    """``treatments`` are the clinic's ids; pain stands only where nothing else is named."""

    treatments: tuple[str, ...]
    unknown: str | None
    """A treatment that this clinic does not offer, as it is called."""
    rest: str
    """The text without them."""


def named_treatments(text: str, facts: Facts) -> NamedTreatments:
    urgent = _offered(facts, _URGENT_CALLED)
    found: list[str] = []
    missing: str | None = None
    if urgent is not None and _LOST.search(text):  # not an appointment for a filling
        found, text = [urgent.id], _LOST.sub(TREATED, text)
    for treatment in sorted(facts.treatments, key=lambda one: -len(one.name)):
        pattern = _pattern(treatment.name)
        if pattern is not None and pattern.search(text):
            found, text = [*found, treatment.id], pattern.sub(TREATED, text)
    is_pain = _URGENT_WORDS.search(text) is not None
    text = _URGENT_WORDS.sub(TREATED, text)
    for name, words, called in _TREATMENTS[1:]:
        if words.search(text):
            text = words.sub(TREATED, text)
            offered = _offered(facts, called)
            if offered is not None:
                found.append(offered.id)
            else:
                missing = missing or name
    if is_pain and not found:
        found = [] if urgent is None else [urgent.id]
        missing = (missing or _TREATMENTS[0][0]) if urgent is None else None
    return NamedTreatments(tuple(dict.fromkeys(found)), missing, text)


def _offered(facts: Facts, called: re.Pattern[str]) -> Treatment | None:
    return next((one for one in facts.treatments if called.search(plain(one.name))), None)


@lru_cache(maxsize=256)
def _pattern(name: str) -> re.Pattern[str] | None:
    """Finds the whole name; hyphens and spaces are the same."""
    parts = [re.escape(part) for part in re.split(r"[- ]", plain(name)) if part]
    return re.compile(rf"(?<!\w){'[- ]?'.join(parts)}s?(?!\w)") if parts else None
