"""Dialogue acts: the intent of a message and its entities (treatment, dentists, times)."""

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from chairside.chatbot.understanding.when import When


class Intent(StrEnum):
    BOOK = "book"
    MOVE = "move"
    CANCEL = "cancel"
    MINE = "my_appointments"
    DENTISTS = "list_dentists"
    TREATMENTS = "list_types"
    YES = "yes"
    NO = "no"
    STOP = "stop"
    KEEP = "keep"
    """Not to do what ``verb`` names: "do not cancel"."""
    INFORM = "inform"
    """Only entities: a day, a dentist, one of the offers; the context decides what for."""
    OTHER_PEOPLE = "other_people"
    """Data or appointments of another person."""
    HELLO = "hello"
    HELP = "help"
    THANKS = "thanks"
    BYE = "bye"
    UNKNOWN = "unknown"


class Shift(StrEnum):
    """Which other times to search for than those that were offered."""

    LATER = "later"
    EARLIER = "earlier"
    OTHER_DAY = "other_day"
    MORE = "more"


LAST = -1


@dataclass(frozen=True, kw_only=True, slots=True)
class DialogueAct:
    """One intent with its entities; ``treatment`` and ``dentists`` are the clinic's ids."""

    intent: Intent
    treatment: str | None = None
    unknown_treatment: str | None = None
    """A treatment that this clinic does not offer, as it was named."""
    dentists: tuple[str, ...] = ()
    """Several when a name fits several."""
    not_dentists: tuple[str, ...] = ()
    unknown_dentist: str | None = None
    usual_dentist: bool = False
    any_dentist: bool = False
    other_dentist: bool = False
    """Another one than before, without a name."""
    when: When = field(default_factory=When)
    which: When = field(default_factory=When)
    """The current time of the appointment that is to be moved or cancelled."""
    number: int | None = None
    """Of an option that was shown, from 1; :data:`LAST`."""
    extreme: Shift | None = None
    """"The later one" of what was shown."""
    shift: Shift | None = None
    by: timedelta | None = None
    """"A week later" than it is."""
    verb: Intent | None = None
    """What a "yes, cancel it" confirms, or a "do not cancel" refuses."""
    everything: bool = False
    """"All my appointments"."""
    urgent: bool = False
    unclear: str = ""
    """Words that were seen but not understood: nothing of the message is acted upon."""

    @property
    def is_about_unnamed(self) -> bool:
        """Whether a dentist or treatment is meant that must be found out first."""
        unknown = self.unknown_dentist or self.unknown_treatment
        return bool(unknown) or self.usual_dentist or self.other_dentist

    @property
    def is_choice(self) -> bool:
        """Whether it may choose one of what was shown."""
        return self.number is not None or self.extreme is not None

    @property
    def has_entities(self) -> bool:
        return self != DialogueAct(intent=self.intent)
