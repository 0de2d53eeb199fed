"""Results of effects: what the hub returned, or why it refused."""

from typing import Final

from chairside.chatbot.dialogue import booking, changing, finding, sentences
from chairside.chatbot.dialogue.exchange import Exchange
from chairside.chatbot.dialogue.state import (
    EXCLUDED_MAX,
    LISTED_MAX,
    UNREACHABLE,
    ChangeDone,
    EffectFailed,
    EffectResult,
    Goal,
    HoldPlaced,
    Option,
    OwnAppointmentsFound,
    SlotsFound,
    Stage,
    Waiting,
)
from chairside.chatbot.understanding.when import When

_SEARCH_AGAIN: Final = frozenset(
    {"SLOT_TAKEN", "OUTSIDE_AVAILABILITY", "TOO_SOON", "TOO_FAR", "PATIENT_CONFLICT"}
)


def take(exchange: Exchange, result: EffectResult) -> None:
    """Continue with the result of the effect that the state waits for; ignore any other."""
    waiting = exchange.state.waiting
    exchange.remember(waiting=None)
    match waiting, result:
        case None, _:
            return
        case _, EffectFailed(code=code):
            _failed(exchange, code, waiting)
        case Waiting.LIST, OwnAppointmentsFound(appointments=appointments):
            upcoming = exchange.upcoming(appointments)
            exchange.mark_seen(*upcoming)
            listed = upcoming[:LISTED_MAX]
            exchange.remember(listed=listed, last=upcoming[0] if len(upcoming) == 1 else None)
            exchange.show(sentences.own_appointments(listed, exchange.facts, exchange.now))
            if exchange.state.task is not None:
                exchange.prompt()
        case _ if exchange.state.task is None:
            return
        case Waiting.USUAL, OwnAppointmentsFound(appointments=appointments):
            booking.usual_found(exchange, appointments)
        case Waiting.PICK, OwnAppointmentsFound(appointments=appointments):
            changing.own_found(exchange, appointments)
        case Waiting.OFFER, SlotsFound(slots=slots):
            finding.found(exchange, slots)
        case Waiting.NEAREST, SlotsFound(slots=slots):
            finding.found_nearest(exchange, slots)
        case Waiting.HOLD, HoldPlaced(hold=hold):
            finding.held(exchange, hold)
        case Waiting.CHANGE, ChangeDone(appointment=appointment):
            if appointment is None:
                changing.cancelled(exchange)
            elif exchange.task.goal is Goal.BOOK:
                booking.booked(exchange, appointment)
            else:
                changing.moved(exchange, appointment)


def _failed(exchange: Exchange, code: str, waiting: Waiting | None) -> None:
    task = exchange.state.task
    if task is None or waiting in (Waiting.LIST, Waiting.USUAL, Waiting.OFFER, Waiting.NEAREST):
        exchange.reply(sentences.refused(code))
    elif code == UNREACHABLE:
        _unreachable(exchange, waiting)
    elif code == "RESERVATION_EXPIRED" and task.chosen is not None and not task.retaken:
        exchange.update(hold=None, retaken=True, key="")
        exchange.hold_chosen()
    elif code in _SEARCH_AGAIN and task.goal is not Goal.CANCEL:
        _search_again(exchange, code)
    elif code == "VERSION_CONFLICT":
        exchange.reply(sentences.refused(code))
        exchange.drop_hold()
        exchange.update(appointment=None, chosen=None, key="")
        exchange.find_own(Waiting.PICK)
    elif code == "TOO_MANY_RESERVATIONS":
        exchange.update(stage=Stage.WHEN, chosen=None)
        exchange.reply(sentences.refused(code))
    else:
        exchange.end()
        exchange.reply(sentences.refused(code))


def _unreachable(exchange: Exchange, waiting: Waiting | None) -> None:
    """It is unknown whether it was done: repeat with the same key, so that it happens once."""
    if waiting is Waiting.CHANGE:
        exchange.reply(
            f"{sentences.BUSY} I don’t know yet whether that went through. Say “yes” and I’ll"
            " ask again; it can’t happen twice.",
            (Option(label="Try again", message="yes"),),
        )
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
