"""The conversation as a state machine: ``step(state, input, now)`` is pure and decides everything.

Inputs are what the patient means, results of effects, and live changes at the clinic. A step
returns replies, and effects for the shell to carry out. Nothing irreversible happens without a
plain "yes" to a question that names it.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from chairside.chatbot.clinic import Facts
from chairside.chatbot.dialogue import (
    booking,
    changing,
    finding,
    live_changes,
    results,
    sentences,
)
from chairside.chatbot.dialogue.exchange import Exchange
from chairside.chatbot.dialogue.offers import zone_of
from chairside.chatbot.dialogue.state import (
    ChatReply,
    DialogueInput,
    DialogueState,
    DialogueStep,
    Goal,
    HoldEnded,
    Option,
    OwnAppointmentChanged,
    ScheduleChanged,
    Stage,
    TimesTaken,
    Utterance,
    Waiting,
)
from chairside.chatbot.understanding.acts import DialogueAct, Intent, Shift
from chairside.chatbot.understanding.messages import ACTS_MAX, understand

_GOALS: Final = {Intent.MOVE: Goal.MOVE, Intent.CANCEL: Goal.CANCEL}
_INTENTS: Final = {Goal.BOOK: Intent.BOOK, Goal.MOVE: Intent.MOVE, Goal.CANCEL: Intent.CANCEL}


@dataclass(frozen=True, slots=True)
class Dialogue:
    """The machine for one clinic; beyond the state it knows only ``facts``."""

    facts: Facts

    def greeting(self) -> ChatReply:
        return ChatReply(
            text=f"Hello! {sentences.CAN_DO}",
            options=(
                Option(label="Book an appointment", message="I'd like an appointment"),
                Option(label="My appointments", message="my appointments"),
                Option(label="Dentists", message="which dentists do you have"),
            ),
        )

    def understand(self, state: DialogueState, message: str, now: datetime) -> Utterance:
        """What ``message`` means; its days are those where the appointment will be."""
        acts = understand(message, self.facts, now.astimezone(self._zone(state)))
        dentists = {one for act in acts for one in act.dentists}
        if len(dentists) == 1:
            zone = zone_of(self.facts, dentists.pop())
            acts = understand(message, self.facts, now.astimezone(zone))
        return Utterance(acts)

    def step(self, state: DialogueState, given: DialogueInput, now: datetime) -> DialogueStep:
        """The outcome of one input; ``now`` is a UTC instant."""
        exchange = Exchange(state, self.facts, now)
        match given:
            case Utterance(acts=acts):
                queue = (*acts[1:], *state.queue)[:ACTS_MAX]
                exchange.remember(queue=queue, waiting=None)
                _act(exchange, acts[0])
                _next_in_queue(exchange)
            case TimesTaken() | ScheduleChanged() | OwnAppointmentChanged() | HoldEnded():
                live_changes.apply(exchange, given)
            case _:
                results.take(exchange, given)
                _next_in_queue(exchange)
        return exchange.step()

    def _zone(self, state: DialogueState) -> ZoneInfo:
        task = state.task
        if task is not None and len(task.dentist_ids) == 1:
            return zone_of(self.facts, task.dentist_ids[0])
        return ZoneInfo(self.facts.time_zone)


def _next_in_queue(exchange: Exchange) -> None:
    """Continue with later acts of the same message once the one before is finished."""
    while exchange.state.queue and exchange.state.task is None and exchange.state.waiting is None:
        act, *rest = exchange.state.queue
        exchange.remember(queue=tuple(rest))
        _act(exchange, act)


# --- the patient's intents -----------------------------------------------------------------


def _act(exchange: Exchange, act: DialogueAct) -> None:
    understood = act.intent is not Intent.UNKNOWN
    exchange.remember(misses=0 if understood else exchange.state.misses + 1)
    match act.intent:
        case Intent.YES:
            _yes(exchange, act)
        case Intent.NO:
            _no(exchange)
        case Intent.STOP:
            _stop(exchange)
        case Intent.BOOK:
            _book(exchange, act)
        case Intent.MOVE | Intent.CANCEL:
            _change(exchange, act)
        case Intent.INFORM:
            _inform(exchange, act)
        case Intent.MINE:
            exchange.find_own(Waiting.LIST)
        case _:
            _chat(exchange, act)


def _chat(exchange: Exchange, act: DialogueAct) -> None:
    """Reply at once, then return to the open question."""
    match act.intent:
        case Intent.DENTISTS:
            exchange.reply(sentences.dentists(exchange.facts))
        case Intent.TREATMENTS:
            lead = f"No {act.unknown_treatment} here. " if act.unknown_treatment else ""
            exchange.reply(lead + sentences.treatments(exchange.facts))
        case Intent.OTHER_PEOPLE:
            exchange.reply(sentences.NOT_OTHERS)
        case Intent.HELLO:
            exchange.reply("Hello! What can I do for you?")
        case Intent.HELP:
            exchange.reply(sentences.CAN_DO)
        case Intent.THANKS:
            exchange.reply("You’re welcome!")
        case Intent.BYE:
            exchange.end()
            exchange.reply("Goodbye!")
        case _:
            assert act.intent is Intent.UNKNOWN, act.intent
            needs_help = exchange.state.misses > 1 or exchange.state.task is None
            hint = f" {sentences.CAN_DO}" if needs_help else ""
            exchange.reply(sentences.NOT_UNDERSTOOD + hint)
    if exchange.state.task is not None and act.intent is not Intent.THANKS:
        exchange.prompt()


def _yes(exchange: Exchange, act: DialogueAct) -> None:
    task = exchange.state.task
    if task is None:
        exchange.reply("All right. Is there anything else I can do for you?")
    elif act.verb is not None and act.verb is not _INTENTS[task.goal]:
        exchange.lead = "Just to be sure: "
        exchange.prompt()
    elif task.stage is Stage.CONFIRM:
        (booking.confirm if task.goal is Goal.BOOK else changing.confirm)(exchange)
    elif task.stage is Stage.CHOOSE and len(task.offered) == 1:
        finding.choose(exchange, task.offered[0])
    else:
        exchange.prompt()


def _no(exchange: Exchange) -> None:
    task = exchange.state.task
    if task is None:
        exchange.reply("All right. Is there anything else?")
    elif task.stage is Stage.CONFIRM and task.goal is Goal.BOOK:
        exchange.drop_hold()
        exchange.update(chosen=None, stage=Stage.WHEN)
        exchange.lead = "All right, I’ve let that time go. "
        exchange.prompt()
    elif task.stage is Stage.CONFIRM:
        exchange.end()
        exchange.reply("All right, your appointment stays as it is.")
    elif task.stage is Stage.CHOOSE:
        exchange.update(stage=Stage.WHEN, offered=())
        exchange.lead = "None of them? "
        exchange.prompt()
    else:
        _stop(exchange)


def _stop(exchange: Exchange) -> None:
    exchange.remember(queue=())
    _drop(exchange)


def _drop(exchange: Exchange) -> None:
    task = exchange.state.task
    exchange.end()
    if task is None:
        exchange.reply("All right. Is there anything else?")
    elif task.goal is Goal.BOOK:
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
    elif task is not None and task.goal is Goal.BOOK and not act.urgent:
        if not booking.detail(exchange, act):
            exchange.prompt()
    else:
        booking.begin(exchange, act)


def _change(exchange: Exchange, act: DialogueAct) -> None:
    task, goal = exchange.state.task, _GOALS[act.intent]
    it = act.which.is_empty and not act.treatment and not act.dentists and act.number is None
    if task is not None and task.stage is Stage.CONFIRM and act.verb is _INTENTS[task.goal]:
        _yes(exchange, act)
    elif task is not None and act.verb is Intent.CANCEL and task.goal is not Goal.CANCEL:
        _drop(exchange)  # "cancel it" means the current task, not an appointment
    elif task is not None and goal is Goal.MOVE and it and task.goal is not Goal.CANCEL:
        _details(exchange, act)
    else:
        if task is not None and goal is Goal.MOVE and it and task.appointment:
            exchange.remember(last=task.appointment)
        changing.begin(exchange, goal, act)


def _inform(exchange: Exchange, act: DialogueAct) -> None:
    if exchange.state.task is not None:
        _details(exchange, act)
    elif act.by or (exchange.state.last and act.shift in (Shift.LATER, Shift.EARLIER)):
        changing.begin(exchange, Goal.MOVE, replace(act, intent=Intent.MOVE))
    elif not act.when.is_empty or act.dentists or act.usual_dentist or act.unknown_dentist:
        booking.begin(exchange, replace(act, intent=Intent.BOOK))
    else:
        exchange.remember(misses=exchange.state.misses + 1)
        exchange.reply(f"{sentences.NOT_UNDERSTOOD} {sentences.CAN_DO}")


def _details(exchange: Exchange, act: DialogueAct) -> None:
    take = booking.detail if exchange.task.goal is Goal.BOOK else changing.detail
    if not take(exchange, act):
        exchange.prompt()
