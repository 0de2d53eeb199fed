"""The conversation as a machine: ``step(state, heard, now)`` is pure, and nothing else decides.

It hears what the patient means, what the clinic answered and what happened live; it says
sentences and asks for commands, of which the shell carries out each and tells the outcome.
Nothing irreversible is asked for without a plain "yes" to a question that names it.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from chairside.chatbot.clinic import Facts
from chairside.chatbot.dialogue import booking, changing, finding, live_changes, sentences
from chairside.chatbot.dialogue.exchange import Exchange
from chairside.chatbot.dialogue.offers import zone_of
from chairside.chatbot.dialogue.state import (
    EXCLUDED_MAX,
    UNREACHABLE,
    ChangeDone,
    ChatReply,
    DialogueInput,
    DialogueState,
    DialogueStep,
    EffectFailed,
    Goal,
    HoldEnded,
    HoldPlaced,
    Option,
    OwnAppointmentChanged,
    OwnAppointmentsFound,
    ScheduleChanged,
    SlotsFound,
    Stage,
    TimesTaken,
    Utterance,
    Waiting,
)
from chairside.chatbot.understanding.acts import DialogueAct, Intent, Shift
from chairside.chatbot.understanding.messages import ACTS_MAX, understand
from chairside.chatbot.understanding.when import When

_GOALS: Final = {Intent.MOVE: Goal.MOVE, Intent.CANCEL: Goal.CANCEL}
_OF_GOAL: Final = {Goal.BOOK: Intent.BOOK, Goal.MOVE: Intent.MOVE, Goal.CANCEL: Intent.CANCEL}
_SEARCH_AGAIN: Final = frozenset(
    {"SLOT_TAKEN", "OUTSIDE_AVAILABILITY", "TOO_SOON", "TOO_FAR", "PATIENT_CONFLICT"}
)


@dataclass(frozen=True, slots=True)
class Dialogue:
    """The machine for one clinic; ``facts`` are all it knows beyond the state."""

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

    def hear(self, state: DialogueState, message: str, now: datetime) -> Utterance:
        """What ``message`` means; days are meant where the appointment will be."""
        acts = understand(message, self.facts, now.astimezone(self._zone(state)))
        dentists = {one for act in acts for one in act.dentists}
        if len(dentists) == 1:
            zone = zone_of(self.facts, dentists.pop())
            acts = understand(message, self.facts, now.astimezone(zone))
        return Utterance(acts)

    def step(self, state: DialogueState, heard: DialogueInput, now: datetime) -> DialogueStep:
        """What becomes of the conversation; ``now`` is a UTC instant."""
        turn = Exchange(state, self.facts, now)
        match heard:
            case Utterance(acts=acts):
                queue = (*acts[1:], *state.queue)[:ACTS_MAX]
                turn.remember(queue=queue, waiting=None)
                _act(turn, acts[0])
                _next_in_queue(turn)
            case TimesTaken() | ScheduleChanged() | OwnAppointmentChanged() | HoldEnded():
                live_changes.happened(turn, heard)
            case _:
                _outcome(turn, heard)
                _next_in_queue(turn)
        return turn.step()

    def _zone(self, state: DialogueState) -> ZoneInfo:
        task = state.task
        if task is not None and len(task.dentist_ids) == 1:
            return zone_of(self.facts, task.dentist_ids[0])
        return ZoneInfo(self.facts.time_zone)


def _next_in_queue(turn: Exchange) -> None:
    """The next wish of the same message, when the one before is dealt with."""
    while turn.state.queue and turn.state.task is None and turn.state.waiting is None:
        act, *rest = turn.state.queue
        turn.remember(queue=tuple(rest))
        _act(turn, act)


# --- what the patient says -----------------------------------------------------------------


def _act(turn: Exchange, act: DialogueAct) -> None:
    understood = act.intent is not Intent.UNKNOWN
    turn.remember(misses=0 if understood else turn.state.misses + 1)
    match act.intent:
        case Intent.YES:
            _yes(turn, act)
        case Intent.NO:
            _no(turn)
        case Intent.STOP:
            _stop(turn)
        case Intent.BOOK:
            _book(turn, act)
        case Intent.MOVE | Intent.CANCEL:
            _change(turn, act)
        case Intent.INFORM:
            _inform(turn, act)
        case Intent.MINE:
            turn.look_up_mine(Waiting.LIST)
        case _:
            _chat(turn, act)


def _chat(turn: Exchange, act: DialogueAct) -> None:
    """What can be answered at once; then back to the question that was open."""
    match act.intent:
        case Intent.DENTISTS:
            turn.say(sentences.dentists(turn.facts))
        case Intent.TREATMENTS:
            lead = f"No {act.unknown_treatment} here. " if act.unknown_treatment else ""
            turn.say(lead + sentences.treatments(turn.facts))
        case Intent.OTHER_PEOPLE:
            turn.say(sentences.NOT_OTHERS)
        case Intent.HELLO:
            turn.say("Hello! What can I do for you?")
        case Intent.HELP:
            turn.say(sentences.CAN_DO)
        case Intent.THANKS:
            turn.say("You’re welcome!")
        case Intent.BYE:
            turn.end()
            turn.say("Goodbye!")
        case _:
            again = turn.state.misses > 1 or turn.state.task is None
            turn.say(f"{sentences.NOT_UNDERSTOOD} {sentences.CAN_DO}" if again else
                     sentences.NOT_UNDERSTOOD)  # fmt: skip
    if turn.state.task is not None and act.intent is not Intent.THANKS:
        turn.ask_again()


def _yes(turn: Exchange, act: DialogueAct) -> None:
    task = turn.state.task
    if task is None:
        turn.say("All right. Is there anything else I can do for you?")
    elif act.verb is not None and act.verb is not _OF_GOAL[task.goal]:
        turn.lead = "Just to be sure: "
        turn.ask_again()
    elif task.stage is Stage.CONFIRM:
        (booking.confirm if task.goal is Goal.BOOK else changing.confirm)(turn)
    elif task.stage is Stage.CHOOSE and len(task.offered) == 1:
        finding.choose(turn, task.offered[0])
    else:
        turn.ask_again()


def _no(turn: Exchange) -> None:
    task = turn.state.task
    if task is None:
        turn.say("All right. Is there anything else?")
    elif task.stage is Stage.CONFIRM and task.goal is Goal.BOOK:
        turn.drop_hold()
        turn.update(chosen=None, stage=Stage.WHEN)
        turn.lead = "All right, I’ve let that time go. "
        turn.ask_again()
    elif task.stage is Stage.CONFIRM:
        turn.end()
        turn.say("All right, your appointment stays as it is.")
    elif task.stage is Stage.CHOOSE:
        turn.update(stage=Stage.WHEN, offered=())
        turn.lead = "None of them? "
        turn.ask_again()
    else:
        _stop(turn)


def _stop(turn: Exchange) -> None:
    turn.remember(queue=())
    _drop(turn)


def _drop(turn: Exchange) -> None:
    task = turn.state.task
    turn.end()
    if task is None:
        turn.say("All right. Is there anything else?")
    elif task.goal is Goal.BOOK:
        turn.say("All right, I’ve dropped that. Nothing was booked.")
    else:
        turn.say("All right, your appointment stays as it is.")


def _book(turn: Exchange, act: DialogueAct) -> None:
    task = turn.state.task
    agreed = act.verb is Intent.BOOK
    if agreed and task is not None:
        _yes(turn, act)
    elif agreed:
        turn.say("Book what? " + sentences.CAN_DO)
    elif task is not None and task.goal is Goal.BOOK and not act.urgent:
        if not booking.detail(turn, act):
            turn.ask_again()
    else:
        booking.begin(turn, act)


def _change(turn: Exchange, act: DialogueAct) -> None:
    task, goal = turn.state.task, _GOALS[act.intent]
    it = act.which.is_empty and not act.treatment and not act.dentists and act.number is None
    if task is not None and task.stage is Stage.CONFIRM and act.verb is _OF_GOAL[task.goal]:
        _yes(turn, act)
    elif task is not None and act.verb is Intent.CANCEL and task.goal is not Goal.CANCEL:
        _drop(turn)  # "cancel it": what we are at, not an appointment
    elif (
        task is not None
        and goal is Goal.MOVE
        and it
        and task.goal is Goal.CANCEL
        and task.appointment
    ):
        appointment = task.appointment
        turn.remember(last=appointment)
        changing.begin(turn, goal, act)
    elif task is not None and goal is Goal.MOVE and it and task.goal is not Goal.CANCEL:
        _details(turn, act)
    else:
        changing.begin(turn, goal, act)


def _inform(turn: Exchange, act: DialogueAct) -> None:
    if turn.state.task is not None:
        _details(turn, act)
    elif act.by or (turn.state.last and act.shift in (Shift.LATER, Shift.EARLIER)):
        changing.begin(turn, Goal.MOVE, replace(act, intent=Intent.MOVE))
    elif not act.when.is_empty or act.dentists or act.usual_dentist or act.unknown_dentist:
        booking.begin(turn, replace(act, intent=Intent.BOOK))
    else:
        turn.remember(misses=turn.state.misses + 1)
        turn.say(f"{sentences.NOT_UNDERSTOOD} {sentences.CAN_DO}")


def _details(turn: Exchange, act: DialogueAct) -> None:
    take = booking.detail if turn.task.goal is Goal.BOOK else changing.detail
    if not take(turn, act):
        if act.intent is Intent.INFORM and turn.task.stage is not Stage.CONFIRM:
            turn.lead = turn.lead or ""
        turn.ask_again()


# --- what the clinic answers ---------------------------------------------------------------


def _outcome(turn: Exchange, heard: DialogueInput) -> None:
    waiting = turn.state.waiting
    turn.remember(waiting=None)
    match waiting, heard:
        case None, _:
            return
        case _, EffectFailed(code=code):
            _failed(turn, code, waiting)
        case Waiting.LIST, OwnAppointmentsFound(appointments=appointments):
            upcoming = turn.upcoming(appointments)
            for row in upcoming:
                turn.know(row)
            turn.remember(listed=upcoming[:10], last=upcoming[0] if len(upcoming) == 1 else None)
            turn.ask(sentences.mine(upcoming[:10], turn.facts, turn.now))
            if turn.state.task is not None:
                turn.ask_again()
        case _ if turn.state.task is None:
            return
        case Waiting.USUAL, OwnAppointmentsFound(appointments=appointments):
            booking.usual_found(turn, appointments)
        case Waiting.PICK, OwnAppointmentsFound(appointments=appointments):
            changing.mine_found(turn, appointments)
        case Waiting.OFFER, SlotsFound(slots=slots):
            finding.found(turn, slots)
        case Waiting.NEAREST, SlotsFound(slots=slots):
            finding.found_nearest(turn, slots)
        case Waiting.HOLD, HoldPlaced(hold=hold):
            finding.held(turn, hold)
        case Waiting.DO, ChangeDone(appointment=appointment):
            if appointment is None:
                changing.cancelled(turn)
            elif turn.task.goal is Goal.BOOK:
                booking.booked(turn, appointment)
            else:
                changing.moved(turn, appointment)


def _failed(turn: Exchange, code: str, waiting: Waiting | None) -> None:
    task = turn.state.task
    if task is None or waiting in (Waiting.LIST, Waiting.USUAL, Waiting.OFFER, Waiting.NEAREST):
        turn.say(sentences.refused(code))
    elif code == UNREACHABLE:
        _unreachable(turn, waiting)
    elif code == "RESERVATION_EXPIRED" and task.chosen is not None and not task.retaken:
        turn.update(hold=None, retaken=True, key="")
        turn.hold_chosen()
    elif code in _SEARCH_AGAIN and task.goal is not Goal.CANCEL:
        _search_again(turn, code)
    elif code == "VERSION_CONFLICT":
        turn.say(sentences.refused(code))
        turn.drop_hold()
        turn.update(appointment=None, chosen=None, key="")
        turn.look_up_mine(Waiting.PICK)
    elif code == "TOO_MANY_RESERVATIONS":
        turn.update(stage=Stage.WHEN, chosen=None)
        turn.say(sentences.refused(code))
    else:
        turn.end()
        turn.say(sentences.refused(code))


def _unreachable(turn: Exchange, waiting: Waiting | None) -> None:
    """Whether it was done is unknown: the same key asks again, and nothing is done twice."""
    if waiting is Waiting.DO:
        turn.say(
            f"{sentences.BUSY} I don’t know yet whether that went through. Say “yes” and I’ll"
            " ask again; it can’t happen twice.",
            (Option(label="Try again", say="yes"),),
        )
    else:
        turn.end()
        turn.say(f"{sentences.BUSY} Nothing was changed. Please try again in a moment.")


def _search_again(turn: Exchange, code: str) -> None:
    """The time is gone or was never to be had: say so at once and look for others."""
    task = turn.task
    turn.drop_hold()
    excluded = task.excluded
    if task.chosen is not None:
        excluded = (*excluded, (task.chosen.dentist_id, task.chosen.start))[-EXCLUDED_MAX:]
    when = When(soonest=True) if task.when.is_empty else task.when
    turn.update(
        chosen=None, offered=(), key="", when=when, beyond=None, retaken=False, excluded=excluded
    )
    turn.say(sentences.refused(code))
    if code == "PATIENT_CONFLICT":  # its neighbours would probably clash as well
        turn.update(when=When(), stage=Stage.WHEN)
        turn.ask_again()
    else:
        finding.search(turn)
