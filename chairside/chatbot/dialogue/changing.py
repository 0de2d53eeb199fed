"""Moving and cancelling: which appointment, and then what. Pure."""

from collections.abc import Sequence
from dataclasses import replace

from chairside.chatbot.clinic import OwnAppointment
from chairside.chatbot.dialogue import finding, sentences
from chairside.chatbot.dialogue.exchange import Exchange
from chairside.chatbot.dialogue.state import (
    LISTED_MAX,
    CancelOwnAppointment,
    Goal,
    MoveOwnAppointment,
    Stage,
    Task,
    Waiting,
)
from chairside.chatbot.understanding.acts import LAST, DialogueAct, Intent, Shift
from chairside.chatbot.understanding.when import When, on
from chairside.client import FreeSlot


def begin(turn: Exchange, goal: Goal, act: DialogueAct) -> None:
    turn.begin(Task(goal=goal, stage=Stage.WHICH, act=act, when=act.when))
    turn.look_up_mine(Waiting.PICK)


def mine_found(turn: Exchange, appointments: tuple[OwnAppointment, ...]) -> None:
    """Find the appointment that is meant among the upcoming ones."""
    goal, act = turn.task.goal, turn.task.act
    upcoming = turn.upcoming(appointments)
    for row in upcoming:
        turn.know(row)
    if not upcoming:
        turn.end()
        turn.say(f"{turn.lead}You have no upcoming appointment that I could {goal}.")
        return
    fit = _meant(turn, upcoming, act)
    if len(fit) == 1 and not act.everything:
        picked(turn, fit[0])
        return
    verb = "cancel" if goal is Goal.CANCEL else "move"
    if act.everything and len(upcoming) > 1:
        turn.lead += f"I {verb} one at a time, so that nothing goes by mistake. "
    elif not fit:
        turn.lead += "I see no appointment of yours like that. "
    shown = tuple(fit or upcoming)[:LISTED_MAX]
    turn.remember(listed=shown)
    turn.update(stage=Stage.WHICH, act=replace(act, which=When(), everything=False))
    turn.ask_again()


def _meant(
    turn: Exchange, upcoming: Sequence[OwnAppointment], act: DialogueAct
) -> list[OwnAppointment]:
    listed = turn.state.listed
    if act.number is not None and listed:
        index = len(listed) - 1 if act.number == LAST else act.number - 1
        ids = {row.id for row in listed[index : index + 1]}
        return [row for row in upcoming if row.id in ids]
    if act.number in (1, LAST) or act.extreme is not None:
        last = act.number == LAST or act.extreme is Shift.LATER
        return [upcoming[-1 if last else 0]]
    found = [row for row in upcoming if act.which.allows(turn.local(row))]
    if act.treatment:
        found = [row for row in found if row.appointment_type_id == act.treatment]
    if act.dentists:
        found = [row for row in found if row.dentist_id in act.dentists]
    said = not act.which.is_empty or act.treatment or act.dentists or act.unknown_dentist
    recent = turn.state.last
    if len(found) > 1 and not said and recent is not None:
        found = [row for row in found if row.id == recent.id] or found
    return [] if act.unknown_dentist else found


def picked(turn: Exchange, appointment: OwnAppointment) -> None:
    """It is this appointment: cancel it after a yes, or look where it can go."""
    task = turn.update(
        appointment=appointment,
        appointment_type_id=appointment.appointment_type_id,
        dentist_ids=(appointment.dentist_id,),
    )
    turn.remember(last=appointment)
    if task.goal is Goal.CANCEL:
        turn.update(stage=Stage.CONFIRM)
        turn.ask_again()
        return
    _where_to(turn, appointment, task.act)
    finding.search(turn)


def _where_to(turn: Exchange, appointment: OwnAppointment, act: DialogueAct) -> None:
    """ "an hour later", "a week later", "earlier": seen from where it is."""
    at = turn.local(appointment)
    if act.by is not None:
        there = at + act.by
        turn.update(when=replace(on(there.date()), at=there.time()))
    elif act.when.has_time and not act.when.has_day and not act.when.problem:
        turn.update(when=replace(act.when, days=on(at.date()).days))
    elif act.shift in (Shift.LATER, Shift.EARLIER) and act.when.is_empty:
        edge = FreeSlot(
            dentist_id=appointment.dentist_id,
            appointment_type_id=appointment.appointment_type_id,
            start=appointment.start,
            end=appointment.end,
        )
        turn.update(offered=(edge,))
        finding.refine(turn, DialogueAct(intent=Intent.INFORM, shift=act.shift))
        turn.update(offered=())


def detail(turn: Exchange, act: DialogueAct) -> bool:
    """Details for a change under way; whether it took any."""
    task = turn.task
    if task.stage is Stage.WHICH:
        told = not act.when.is_empty or act.number or act.treatment or act.dentists or act.extreme
        if not told:
            return False
        which = act.which if not act.which.is_empty else replace(act.when, problem=None, about="")
        changed = replace(
            task.act,
            which=which,
            number=act.number,
            extreme=act.extreme,
            treatment=act.treatment,
            dentists=act.dentists,
            everything=False,
            unknown_dentist=None,
        )
        turn.update(act=changed)
        turn.look_up_mine(Waiting.PICK)
        return True
    if task.goal is Goal.CANCEL:
        return False
    if finding.answer(turn, act):
        return True
    if act.by is not None and task.appointment is not None:
        turn.drop_hold()
        turn.update(chosen=None, offered=())
        _where_to(turn, task.appointment, act)
        finding.search(turn)
        return True
    if finding.refine(turn, act):
        finding.search(turn)
        return True
    return False


def confirm(turn: Exchange) -> None:
    task = turn.task
    assert task.appointment is not None, "a change is confirmed for an appointment"
    key = task.key or turn.new_key()
    turn.update(key=key)
    if task.goal is Goal.CANCEL:
        turn.do(CancelOwnAppointment(task.appointment, key), Waiting.DO)
    else:
        assert task.chosen is not None, "a move has somewhere to go"
        turn.do(MoveOwnAppointment(task.appointment, task.chosen.start, key), Waiting.DO)


def moved(turn: Exchange, appointment: OwnAppointment) -> None:
    turn.update(hold=None)  # the move itself let it go
    turn.know(appointment)
    turn.remember(task=None, last=appointment)
    turn.say(f"Done. It is now: {sentences.appointment(turn.facts, appointment, turn.now)}.")


def cancelled(turn: Exchange) -> None:
    appointment = turn.task.appointment
    assert appointment is not None
    turn.know(replace(appointment, version=appointment.version + 1))
    turn.remember(task=None, last=None, listed=())
    turn.say(f"Cancelled: {sentences.appointment(turn.facts, appointment, turn.now)}.")
