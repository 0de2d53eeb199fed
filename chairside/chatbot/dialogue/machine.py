"""The conversation as a state machine, which decides everything and is pure.

A step takes the state and what happened: what the patient means, the result of an effect, or a
live change at the clinic. Its outcome is the new state, replies, and at most one effect that
the shell runs. Nothing irreversible happens without a plain "yes" to a question that names it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Final
from zoneinfo import ZoneInfo

from chairside.chatbot.clinic import Facts, OwnAppointment
from chairside.chatbot.dialogue import booking, changing, finding, live_changes, sentences
from chairside.chatbot.dialogue.exchange import Continuation, Exchange, Purpose
from chairside.chatbot.dialogue.offers import zone_of
from chairside.chatbot.dialogue.state import (
    LISTED_MAX,
    ChatReply,
    DialogueState,
    LiveChange,
    Option,
    Stage,
)
from chairside.chatbot.dialogue.unused import unused, what_is_certain
from chairside.chatbot.patient_calendar import PatientCalendar
from chairside.chatbot.understanding.acts import DialogueAct, Intent, Shift
from chairside.chatbot.understanding.messages import ACTS_MAX, understand
from chairside.chatbot.understanding.when_words import Budget


@dataclass(frozen=True, slots=True)
class Dialogue:
    """The machine for one clinic; beyond the state it knows only ``facts``.

    ``now`` is a UTC instant.
    """

    facts: Facts

    def greeting(self) -> ChatReply:
        return ChatReply(
            text=f"Hello! {sentences.CAN_DO}",
            options=(
                Option(label="Book an appointment", say="I'd like an appointment"),
                Option(label="My appointments", say="my appointments"),
                Option(label="Dentists", say="which dentists do you have"),
            ),
        )

    def understand(
        self, state: DialogueState, message: str, now: datetime
    ) -> tuple[DialogueAct, ...]:
        """What ``message`` means; its days are those where the appointment will be."""
        budget, has_options = Budget(), _has_options(state)
        here = self._zone(state)
        acts = understand(
            message, self.facts, now.astimezone(here), budget=budget, has_options=has_options
        )
        dentists = {one for act in acts for one in act.dentists}
        if len(dentists) == 1 and (zone := zone_of(self.facts, dentists.pop())) != here:
            acts = understand(
                message, self.facts, now.astimezone(zone), budget=budget, has_options=has_options
            )
        return acts

    def answer(self, state: DialogueState, acts: Sequence[DialogueAct], now: datetime) -> Exchange:
        """The step after a message of the patient."""
        queue = (*acts[1:], *state.queue)[:ACTS_MAX]
        return self.resume(replace(state, queue=queue), lambda step: _act(step, acts[0]), now)

    def notify(self, state: DialogueState, change: LiveChange, now: datetime) -> Exchange:
        """The step after a change at the clinic."""
        exchange = Exchange(state, self.facts, now)
        live_changes.apply(exchange, change)
        return exchange

    def resume(self, state: DialogueState, then: Continuation, now: datetime) -> Exchange:
        """The step after an effect; later acts of the message follow once its task is done."""
        exchange = Exchange(state, self.facts, now)
        then(exchange)
        while exchange.state.queue and exchange.state.task is None and exchange.effect is None:
            act, *rest = exchange.state.queue
            exchange.remember(queue=tuple(rest))
            _act(exchange, act)
        return exchange

    def _zone(self, state: DialogueState) -> ZoneInfo:
        task = state.task
        if task is not None and len(task.dentist_ids) == 1:
            return zone_of(self.facts, task.dentist_ids[0])
        return ZoneInfo(self.facts.time_zone)


# --- the patient's intents -----------------------------------------------------------------


def _has_options(state: DialogueState) -> bool:
    """Whether the patient sees numbered times or appointments: "the 3rd" may be one of them."""
    task = state.task
    stages = (Stage.CHOOSE, Stage.WHICH)
    return bool(task.stage in stages if task else state.listed)


def _act(exchange: Exchange, act: DialogueAct) -> None:
    understood = act.intent is not Intent.UNKNOWN
    exchange.remember(misses=0 if understood else exchange.state.misses + 1)
    if unclear := act.unclear or unused(act, exchange.state):
        _ask_about(exchange, replace(act, unclear=unclear))
        return
    _ACTIONS.get(act.intent, _chat)(exchange, act)


def _ask_about(exchange: Exchange, act: DialogueAct) -> None:
    """Act on nothing of a message that is unclear, and ask about it.

    A new booking keeps its treatment and dentist, so that only the time must be said again.
    """
    question = sentences.unclear(act.unclear)
    exchange.remember(queue=())
    if act.urgent:
        exchange.reply(sentences.EMERGENCY)
    if exchange.state.task is not None:
        exchange.prompt(question)
    elif act.intent in (Intent.BOOK, Intent.INFORM) and (kept := what_is_certain(act)):
        exchange.lead = question
        booking.begin(exchange, kept)
    else:
        exchange.reply(question.strip())


def _keep(exchange: Exchange, act: DialogueAct) -> None:
    """ "Do not cancel": ends the task that it refuses, and changes nothing."""
    task = exchange.state.task
    if task is not None and task.goal is act.verb:
        _drop(exchange)
        return
    exchange.lead = f"All right, I won’t {act.verb} anything. "
    if task is not None:
        exchange.prompt()
    else:
        exchange.reply("Is there anything else?")


def _chat(exchange: Exchange, act: DialogueAct) -> None:
    """Reply at once, then return to the open question."""
    match act.intent:
        case Intent.DENTISTS:
            exchange.reply(sentences.dentists(exchange.facts))
        case Intent.TREATMENTS:
            lead = f"No {act.unknown_treatment} here. " if act.unknown_treatment else ""
            exchange.reply(lead + sentences.treatments(exchange.facts))
        case Intent.BYE:
            exchange.end()
            exchange.reply("Goodbye!")
        case Intent.UNKNOWN:
            needs_help = exchange.state.misses > 1 or exchange.state.task is None
            hint = f" {sentences.CAN_DO}" if needs_help else ""
            exchange.reply(sentences.NOT_UNDERSTOOD + hint)
        case _:
            exchange.reply(_ANSWERS[act.intent])
    if act.intent in (Intent.DENTISTS, Intent.TREATMENTS) and not act.when.is_empty:
        _inform(exchange, replace(act, intent=Intent.INFORM))  # "who is free on Friday?"
    elif exchange.state.task is not None and act.intent is not Intent.THANKS:
        exchange.prompt()


_ANSWERS: Final = {
    Intent.OTHER_PEOPLE: sentences.NOT_OTHERS,
    Intent.HELLO: "Hello! What can I do for you?",
    Intent.HELP: sentences.CAN_DO,
    Intent.THANKS: "You’re welcome!",
}


def _list(exchange: Exchange, act: DialogueAct) -> None:
    task = exchange.state.task
    if task is not None and task.stage is Stage.WHICH and not act.when.is_empty:
        _details(exchange, act)  # "my appointment on Friday" answers which one
        return
    exchange.emit(PatientCalendar.own_appointments, partial(_listed, act=act), Purpose.LOOK_UP)


def _listed(
    exchange: Exchange, appointments: Sequence[OwnAppointment], *, act: DialogueAct
) -> None:
    """List the appointments at the time that was named, or all if there are none then."""
    upcoming = exchange.upcoming(appointments)
    exchange.mark_seen(*upcoming)
    then = changing.fitting(exchange, upcoming, act, act.when)
    if then or not upcoming:
        upcoming = tuple(then)
    else:
        exchange.lead += "You have no appointment like that. "
    listed = upcoming[:LISTED_MAX]
    exchange.remember(listed=listed, last=upcoming[0] if len(upcoming) == 1 else None)
    exchange.show(sentences.own_appointments(listed, exchange.facts, exchange.now))
    if exchange.state.task is not None:
        exchange.prompt()


def _yes(exchange: Exchange, act: DialogueAct) -> None:
    task = exchange.state.task
    if task is None:
        exchange.reply("All right. Is there anything else I can do for you?")
    elif act.verb is not None and act.verb is not task.goal:
        exchange.prompt("Just to be sure: ")
    elif task.stage is Stage.CONFIRM:
        (booking.confirm if task.goal is Intent.BOOK else changing.confirm)(exchange)
    elif task.stage is Stage.CHOOSE and len(task.offered) == 1:
        finding.choose(exchange, task.offered[0])
    else:
        exchange.prompt()


def _no(exchange: Exchange, act: DialogueAct) -> None:
    task = exchange.state.task
    if task is not None and task.stage is Stage.CONFIRM and task.goal is Intent.BOOK:
        exchange.drop_hold()
        exchange.update(chosen=None, stage=Stage.WHEN)
        exchange.prompt("All right, I’ve let that time go. ")
    elif task is not None and task.stage is Stage.CHOOSE:
        exchange.update(stage=Stage.WHEN, offered=())
        exchange.prompt("None of them? ")
    elif task is not None and task.stage is Stage.CONFIRM:
        _drop(exchange)
    else:
        _stop(exchange, act)


def _stop(exchange: Exchange, _act: DialogueAct) -> None:
    exchange.remember(queue=())
    _drop(exchange)


def _drop(exchange: Exchange) -> None:
    task = exchange.state.task
    exchange.end()
    if task is None:
        exchange.reply("All right. Is there anything else?")
    elif task.goal is Intent.BOOK:
        exchange.reply("All right, I’ve dropped that. Nothing was booked.")
    else:
        exchange.reply("All right, your appointment stays as it is.")


def _book(exchange: Exchange, act: DialogueAct) -> None:
    task = exchange.state.task
    agreed = act.verb is Intent.BOOK
    if agreed and task is not None:
        _yes(exchange, act)
    elif agreed:
        exchange.reply("Book what? " + sentences.CAN_DO)
    elif task is not None and _names_listed(exchange, act):
        _details(exchange, act)  # "the filling" answers which one
    elif task is not None and task.goal is Intent.MOVE and act.other_dentist and not act.treatment:
        _details(exchange, act)  # "another dentist" is where it moves to
    elif task is not None and task.goal is Intent.BOOK and not act.urgent:
        if not booking.detail(exchange, act):
            exchange.prompt()
    else:
        booking.begin(exchange, act)


def _names_listed(exchange: Exchange, act: DialogueAct) -> bool:
    """Whether the open question is which appointment, and one has the treatment of the act."""
    types = {row.appointment_type_id for row in exchange.state.listed}
    return exchange.task.stage is Stage.WHICH and act.treatment in types


def _change(exchange: Exchange, act: DialogueAct) -> None:
    task = exchange.state.task
    it = act.which.is_empty and not act.treatment and not act.dentists and act.number is None
    if task is not None and task.stage is Stage.CONFIRM and act.verb is task.goal:
        _yes(exchange, act)
    elif task is not None and act.verb is Intent.CANCEL and task.goal is not Intent.CANCEL:
        _drop(exchange)  # "cancel it" means the current task, not an appointment
    elif task is not None and act.intent is Intent.MOVE and it and task.goal is not Intent.CANCEL:
        _details(exchange, act)
    else:
        if task is not None and act.intent is Intent.MOVE and it and task.appointment:
            exchange.remember(last=task.appointment)
        changing.begin(exchange, act)


def _inform(exchange: Exchange, act: DialogueAct) -> None:
    if exchange.state.task is not None:
        _details(exchange, act)
    elif act.by or (exchange.state.last and act.shift in (Shift.LATER, Shift.EARLIER)):
        changing.begin(exchange, replace(act, intent=Intent.MOVE))
    elif not act.when.is_empty or act.dentists or act.not_dentists or act.is_about_unnamed:
        booking.begin(exchange, replace(act, intent=Intent.BOOK))
    else:
        exchange.remember(misses=exchange.state.misses + 1)
        exchange.reply(f"{sentences.NOT_UNDERSTOOD} {sentences.CAN_DO}")


def _details(exchange: Exchange, act: DialogueAct) -> None:
    take = booking.detail if exchange.task.goal is Intent.BOOK else changing.detail
    if not take(exchange, act):
        exchange.prompt()


_ACTIONS: Final[Mapping[Intent, Callable[[Exchange, DialogueAct], None]]] = {
    Intent.YES: _yes,
    Intent.NO: _no,
    Intent.STOP: _stop,
    Intent.BOOK: _book,
    Intent.MOVE: _change,
    Intent.CANCEL: _change,
    Intent.INFORM: _inform,
    Intent.KEEP: _keep,
    Intent.MINE: _list,
}
"""The others are answered by :func:`_chat`."""
