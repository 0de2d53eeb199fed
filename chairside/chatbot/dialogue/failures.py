"""What follows when the hub refuses a call, or does not answer."""

from typing import Final

from chairside.chatbot.dialogue import changing, finding, sentences
from chairside.chatbot.dialogue.exchange import Exchange, Purpose
from chairside.chatbot.dialogue.state import EXCLUDED_MAX, ChatReply, Option, Stage
from chairside.chatbot.patient_calendar import UNREACHABLE
from chairside.chatbot.understanding.acts import Intent
from chairside.chatbot.understanding.when import When

_SEARCH_AGAIN: Final = frozenset(
    {"SLOT_TAKEN", "OUTSIDE_AVAILABILITY", "TOO_SOON", "TOO_FAR", "PATIENT_CONFLICT"}
)


def failed(exchange: Exchange, *, code: str, purpose: Purpose) -> None:
    """Continue after a failed effect; ``code`` is one of the hub's, or UNREACHABLE."""
    task = exchange.state.task
    if task is None or purpose is Purpose.LOOK_UP:
        exchange.reply(sentences.refused(code))
    elif code == UNREACHABLE:
        _unreachable(exchange, purpose)
    elif code == "RESERVATION_EXPIRED" and task.chosen is not None and not task.retaken:
        exchange.update(hold=None, retaken=True, key="")
        finding.hold(exchange, task.chosen)
    elif code in _SEARCH_AGAIN and task.goal is not Intent.CANCEL:
        _search_again(exchange, code)
    elif code == "VERSION_CONFLICT":
        exchange.reply(sentences.refused(code))
        exchange.drop_hold()
        exchange.update(appointment=None, chosen=None, key="")
        changing.find_own(exchange)
    elif code == "TOO_MANY_APPOINTMENTS" and task.goal is Intent.MOVE and task.chosen is not None:
        exchange.update(hold=None, stage=Stage.CONFIRM, key="")  # a move adds none: without a hold
        exchange.prompt()
    elif code == "TOO_MANY_RESERVATIONS":
        exchange.update(stage=Stage.WHEN, chosen=None)
        exchange.reply(sentences.refused(code))
    else:
        exchange.end()
        exchange.reply(sentences.refused(code))


def _unreachable(exchange: Exchange, purpose: Purpose) -> None:
    """It is unknown whether it was done: repeat with the same key, so that it happens once."""
    if purpose is Purpose.CHANGE:
        text = (
            f"{sentences.BUSY} I don’t know yet whether that went through. Say “yes” and I’ll"
            " ask again; it can’t happen twice."
        )
        exchange.show(ChatReply(text=text, options=(Option(label="Try again", say="yes"),)))
    else:
        exchange.end()
        exchange.reply(f"{sentences.BUSY} Nothing was changed. Please try again in a moment.")


def _search_again(exchange: Exchange, code: str) -> None:
    """The time is not available: reply at once and search for others."""
    task = exchange.task
    exchange.drop_hold()
    excluded = task.excluded
    if task.chosen is not None:
        excluded = (*excluded, (task.chosen.dentist_id, task.chosen.start))[-EXCLUDED_MAX:]
    when = When(soonest=True) if task.when.is_empty else task.when
    exchange.update(
        chosen=None, offered=(), key="", when=when, beyond=None, retaken=False, excluded=excluded
    )
    exchange.reply(sentences.refused(code))
    if code == "PATIENT_CONFLICT":  # its neighbours would probably clash as well
        exchange.update(when=When(), stage=Stage.WHEN)
        exchange.prompt()
    else:
        finding.search(exchange)
