"""What of an act the conversation has no use for now: it is asked about, never dropped."""

import re
from typing import Final

from chairside.chatbot.dialogue.state import DialogueState, Stage
from chairside.chatbot.understanding.acts import LAST, DialogueAct, Intent, Shift

_DIRECTIONS: Final = (Shift.LATER, Shift.EARLIER)
_CHANGES: Final = (Intent.MOVE, Intent.CANCEL)
_PERSON: Final = re.compile(r"\b(?:with|dr|dentist|doctor)\b")
_NEGATIVE: Final = re.compile(
    r"^(?:not|no|never|without|except|neither|nor|instead|rather|\w{2,8}n't|but)\b"
)


def unused(act: DialogueAct, state: DialogueState) -> str:
    """Names the part of the act that would be dropped; empty if there is none."""
    if act.intent in _CHANGES:
        return _unused_by_change(act)
    if act.intent not in (Intent.BOOK, Intent.INFORM):
        return ""
    task = state.task
    is_new = task is None or (act.intent is Intent.BOOK and task.goal is not Intent.BOOK)
    is_about_last = act.intent is Intent.INFORM and task is None and act.when.is_empty
    if is_new and not is_about_last:
        return _unused_by_booking(act, has_last=state.last is not None)
    if task is not None and task.goal is Intent.CANCEL and (act.by or act.shift):
        return "another one" if act.by is None else "how much later"
    if task is not None and task.stage not in (Stage.CHOOSE, Stage.WHICH) and _counts(act):
        return _number(act)
    return "" if act.shift not in _DIRECTIONS else _shift_and_day(act)


def _unused_by_change(act: DialogueAct) -> str:
    if act.usual_dentist or act.other_dentist:
        return "my usual dentist" if act.usual_dentist else "another dentist"
    if act.intent is Intent.CANCEL:
        return "how much later" if act.by is not None else act.shift or ""
    if act.by is not None and act.when.has_day:
        return "how much later, and when"
    return act.shift if act.shift in _DIRECTIONS and act.when.has_own_day else ""


def _unused_by_booking(act: DialogueAct, *, has_last: bool) -> str:
    if act.by is not None and (not has_last or act.when.has_day):
        return "how much later"
    if act.by is None and act.shift in _DIRECTIONS:
        return str(act.shift)
    if act.extreme is Shift.LATER:
        return "latest"
    return _number(act) if _counts(act) else ""


def _counts(act: DialogueAct) -> bool:
    """Whether it names one of several; "the first" is what is offered first anyway."""
    return act.number not in (None, 1)


def _number(act: DialogueAct) -> str:
    return "the last one" if act.number == LAST else f"number {act.number}"


def _shift_and_day(act: DialogueAct) -> str:
    return str(act.shift) if act.when.has_own_day and not act.when.has_time else ""


def what_is_certain(act: DialogueAct) -> DialogueAct | None:
    """The treatment and dentist of an unclear wish for an appointment, if they are certain."""
    is_about_person = _PERSON.search(act.unclear) is not None
    is_negative = _NEGATIVE.search(act.unclear) is not None
    has_treatment = not act.unclear.startswith("two ") and (is_about_person or not is_negative)
    has_dentist = len(act.dentists) == 1 and not is_about_person and not is_negative
    certain = DialogueAct(
        intent=Intent.BOOK,
        treatment=act.treatment if has_treatment else None,
        dentists=act.dentists if has_dentist else (),
    )
    return certain if certain.treatment or certain.dentists else None
