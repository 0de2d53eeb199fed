"""The port for a language model, which is optional and never trusted.

It gets only messages that the chatbot's own rules do not understand, and it may only choose:
an intent, a treatment, a dentist, an offered option, and words of the message that name a
time. Its answer is checked like any input. It cannot confirm anything, it sees no names, notes
or appointments of patients, and nothing that it writes is shown or obeyed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from chairside.chatbot.clinic import Facts
from chairside.chatbot.dialogue.state import DialogueState, Stage
from chairside.chatbot.understanding.acts import DialogueAct, Intent
from chairside.chatbot.understanding.messages import understand
from chairside.chatbot.understanding.normalize import plain, readable
from chairside.chatbot.understanding.when import When

CHOICES: Final = (
    Intent.BOOK,
    Intent.MOVE,
    Intent.CANCEL,
    Intent.MINE,
    Intent.DENTISTS,
    Intent.TREATMENTS,
    Intent.NO,
    Intent.STOP,
    Intent.INFORM,
    Intent.OTHER_PEOPLE,
    Intent.HELP,
    Intent.UNKNOWN,
)
"""What a model may choose. Not "yes": only the patient confirms what cannot be undone."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """One message, and the choices for it."""

    message: str
    intents: tuple[str, ...]
    treatments: tuple[str, ...]
    dentists: tuple[str, ...]
    options: int
    """How many times are offered; they have numbers from 1."""


class LanguageModel(Protocol):
    async def choose(self, question: Question) -> Mapping[str, object] | None:
        """``{"intent", "treatment", "dentist", "option", "time"}``, each one of the question's
        choices or ``None``; ``None`` as a whole if the model is unreachable, slow or confused.

        Never raises. The answer is unchecked; :func:`act_of` checks it.
        """
        ...


def question_for(message: str, state: DialogueState, facts: Facts) -> Question:
    task = state.task
    offered = len(task.offered) if task and task.stage is Stage.CHOOSE else 0
    return Question(
        message=readable(message),
        intents=tuple(intent.value for intent in CHOICES),
        treatments=tuple(treatment.name for treatment in facts.treatments),
        dentists=tuple(one.name for one in facts.dentists),
        options=offered,
    )


def act_of(
    answer: Mapping[str, object], question: Question, facts: Facts, now: datetime
) -> DialogueAct | None:
    """The act that a model chose, each part of it only if it was among the choices."""
    intent = answer.get("intent")
    if intent not in question.intents or intent == Intent.UNKNOWN:
        return None
    treatment = next(
        (one.id for one in facts.treatments if one.name == answer.get("treatment")), None
    )
    dentists = tuple(one.id for one in facts.dentists if one.name == answer.get("dentist"))
    option = answer.get("option")
    if type(option) is not int or not 1 <= option <= question.options:
        option = None
    when = _when(answer.get("time"), question.message, facts, now)
    is_reference = intent == Intent.CANCEL
    act = DialogueAct(
        intent=Intent(intent),
        treatment=treatment,
        dentists=dentists[:1],
        number=option,
        when=When() if is_reference else when,
        which=when if is_reference else When(),
    )
    return None if act == DialogueAct(intent=Intent.INFORM) else act


def _when(words: object, message: str, facts: Facts, now: datetime) -> When:
    """The time in words that the patient used; words of the model's own are ignored."""
    if not isinstance(words, str) or not words.strip() or plain(words) not in plain(message):
        return When()
    return understand(words, facts, now)[0].when
