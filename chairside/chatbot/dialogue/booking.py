"""Booking a new appointment: what for, with whom, when. Pure."""

from collections import Counter
from dataclasses import replace

from chairside.chatbot.clinic import OwnAppointment
from chairside.chatbot.dialogue import finding, sentences
from chairside.chatbot.dialogue.exchange import Exchange
from chairside.chatbot.dialogue.state import BookHold, Goal, Stage, Task, Waiting
from chairside.chatbot.understanding.acts import DialogueAct
from chairside.chatbot.understanding.when import When, on


def begin(turn: Exchange, act: DialogueAct) -> None:
    """A wish to book; what was said before about another one is forgotten."""
    when = act.when
    if act.urgent and when.is_empty:
        when = When(soonest=True)
    task = Task(
        goal=Goal.BOOK,
        stage=Stage.TREATMENT,
        act=act,
        appointment_type_id=act.treatment,
        dentist_ids=act.dentists if len(act.dentists) == 1 else (),
        when=when,
    )
    last = turn.state.last
    if act.by is not None and last is not None:  # "another one, two weeks later"
        there = turn.local(last) + act.by
        task = replace(
            task,
            appointment_type_id=task.appointment_type_id or last.appointment_type_id,
            dentist_ids=task.dentist_ids or (last.dentist_id,),
            when=replace(on(there.date()), at=there.time()),
        )
    turn.begin(task)
    if act.urgent:
        turn.say(sentences.EMERGENCY)
    advance(turn)


def advance(turn: Exchange) -> None:
    """Ask for what is missing, one thing at a time; then look for times."""
    task, facts = turn.task, turn.facts
    act = task.act
    if act.unknown_treatment and not task.appointment_type_id:
        turn.lead += f"We don’t offer {sentences.name(act.unknown_treatment)} here. "
    if task.appointment_type_id is None and len(facts.treatments) == 1:
        task = turn.update(appointment_type_id=facts.treatments[0].id)
    if task.appointment_type_id is None:
        turn.update(stage=Stage.TREATMENT, act=replace(act, unknown_treatment=None))
        turn.ask(sentences.ask_kind(facts, turn.lead))
    elif act.unknown_dentist and not task.dentist_ids:
        named = sentences.name(act.unknown_dentist).title()
        turn.update(stage=Stage.DENTIST, act=replace(act, unknown_dentist=None))
        turn.lead += f"I know no Dr. {named} here. "
        turn.ask_again()
    elif len(act.dentists) > 1 and not task.dentist_ids:
        several = [one for one in facts.dentists if one.id in act.dentists]
        turn.update(stage=Stage.DENTIST, act=replace(act, dentists=()))
        turn.ask(sentences.ask_dentist(several, turn.lead))
    elif act.usual_dentist and not task.dentist_ids:
        turn.look_up_mine(Waiting.USUAL)
    else:
        finding.search(turn)


def usual_found(turn: Exchange, appointments: tuple[OwnAppointment, ...]) -> None:
    """The dentist seen most often, the latest of those; without any visit, ask."""
    known = {one.id for one in turn.facts.dentists}
    seen = Counter(
        row.dentist_id
        for row in appointments
        if row.dentist_id in known and row.status not in ("cancelled", "no_show")
    )
    turn.update(act=replace(turn.task.act, usual_dentist=False))
    if not seen:
        turn.update(stage=Stage.DENTIST)
        turn.lead += "I don’t see an earlier visit of yours. "
        turn.ask_again()
        return
    most = max(seen.values())
    usual = next(row.dentist_id for row in reversed(appointments) if seen[row.dentist_id] == most)
    turn.update(dentist_ids=(usual,))
    advance(turn)


def detail(turn: Exchange, act: DialogueAct) -> bool:
    """Details for a booking under way; whether it took any."""
    task = turn.task
    if finding.answer(turn, act):
        return True
    refined = finding.refine(turn, act)
    unheard = act.usual_dentist or act.unknown_dentist or act.unknown_treatment
    if unheard or (task.stage is Stage.DENTIST and act.any_dentist) or len(act.dentists) > 1:
        turn.drop_hold()
        ids = () if unheard or len(act.dentists) > 1 else turn.task.dentist_ids
        turn.update(
            dentist_ids=ids,
            act=replace(
                task.act,
                usual_dentist=act.usual_dentist,
                unknown_dentist=act.unknown_dentist,
                unknown_treatment=act.unknown_treatment,
                dentists=act.dentists if len(act.dentists) > 1 else (),
            ),
        )
        if act.unknown_treatment:
            turn.update(appointment_type_id=None)
        refined = True
    if refined:
        advance(turn)
    return refined


def confirm(turn: Exchange) -> None:
    task = turn.task
    assert task.hold is not None, "a booking is confirmed for a hold"
    key = task.key or turn.new_key()
    turn.update(key=key)
    turn.do(BookHold(task.hold.id, key), Waiting.DO)


def booked(turn: Exchange, appointment: OwnAppointment) -> None:
    turn.update(hold=None)
    turn.know(appointment)
    turn.remember(task=None, last=appointment)
    turn.say(f"Booked: {sentences.appointment(turn.facts, appointment, turn.now)}. See you then!")
