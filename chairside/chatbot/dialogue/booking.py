"""Booking a new appointment: what for, with whom, when."""

from collections import Counter
from dataclasses import replace

from chairside.chatbot.clinic import OwnAppointment
from chairside.chatbot.dialogue import finding, sentences
from chairside.chatbot.dialogue.exchange import Exchange, Purpose
from chairside.chatbot.dialogue.state import Stage, Task
from chairside.chatbot.patient_calendar import PatientCalendar
from chairside.chatbot.understanding.acts import DialogueAct, Intent, Shift
from chairside.chatbot.understanding.when import When, on


def begin(exchange: Exchange, act: DialogueAct) -> None:
    """Start a booking; details of an earlier task are dropped."""
    when = act.when
    if (act.urgent or act.extreme is Shift.EARLIER) and when.is_empty:
        when = When(soonest=True)
    task = Task(
        goal=Intent.BOOK,
        stage=Stage.TREATMENT,
        act=act,
        appointment_type_id=act.treatment,
        dentist_ids=_only(act) or _all_but(exchange, act),
        when=when,
    )
    last = exchange.state.last
    if act.by is not None and last is not None:  # "another one, two weeks later"
        there = exchange.local(last) + act.by
        task = replace(
            task,
            appointment_type_id=task.appointment_type_id or last.appointment_type_id,
            dentist_ids=task.dentist_ids or (last.dentist_id,),
            when=replace(on(there.date()), at=there.time()),
        )
    exchange.begin(task)
    if act.urgent:
        exchange.reply(sentences.EMERGENCY)
    advance(exchange)


def _only(act: DialogueAct) -> tuple[str, ...]:
    return act.dentists if len(act.dentists) == 1 else ()


def _all_but(exchange: Exchange, act: DialogueAct) -> tuple[str, ...]:
    """The dentists that are left when some are excluded."""
    if not act.not_dentists or act.dentists or act.usual_dentist:
        return ()
    return tuple(one.id for one in exchange.facts.dentists if one.id not in act.not_dentists)


def advance(exchange: Exchange) -> None:
    """Prompt for what is missing, one thing at a time; then search for times."""
    task, facts = exchange.task, exchange.facts
    act = task.act
    if act.unknown_treatment and not task.appointment_type_id:
        exchange.lead += f"We don’t offer {sentences.name(act.unknown_treatment)} here. "
    if task.appointment_type_id is None and len(facts.treatments) == 1:
        task = exchange.update(appointment_type_id=facts.treatments[0].id)
    if task.appointment_type_id is None:
        exchange.update(stage=Stage.TREATMENT, act=replace(act, unknown_treatment=None))
        exchange.prompt()
    elif act.unknown_dentist and not task.dentist_ids:
        named = sentences.name(act.unknown_dentist).title()
        exchange.update(stage=Stage.DENTIST, act=replace(act, unknown_dentist=None))
        exchange.prompt(f"I know no Dr. {named} here. ")
    elif (len(act.dentists) > 1 or act.other_dentist) and not task.dentist_ids:
        several = [
            one
            for one in facts.dentists
            if (one.id in act.dentists or act.other_dentist) and one.id not in act.not_dentists
        ]
        exchange.update(stage=Stage.DENTIST, act=replace(act, dentists=(), other_dentist=False))
        exchange.show(sentences.dentist_prompt(several))
    elif act.usual_dentist and not task.dentist_ids:
        exchange.emit(PatientCalendar.own_appointments, usual_found, Purpose.LOOK_UP)
    else:
        finding.search(exchange)


def usual_found(exchange: Exchange, appointments: tuple[OwnAppointment, ...]) -> None:
    """The dentist seen most often, the latest of those; without any visit, prompt for one."""
    known = {one.id for one in exchange.facts.dentists} - {*exchange.task.act.not_dentists}
    seen = Counter(
        row.dentist_id
        for row in appointments
        if row.dentist_id in known and row.status not in ("cancelled", "no_show")
    )
    exchange.update(act=replace(exchange.task.act, usual_dentist=False))
    if not seen:
        exchange.update(stage=Stage.DENTIST)
        exchange.prompt("I don’t see an earlier visit of yours. ")
        return
    most = max(seen.values())
    usual = next(row.dentist_id for row in reversed(appointments) if seen[row.dentist_id] == most)
    exchange.update(dentist_ids=(usual,))
    advance(exchange)


def detail(exchange: Exchange, act: DialogueAct) -> bool:
    """Take in details for the current booking; False if there were none."""
    task = exchange.task
    if finding.take_choice(exchange, act):
        return True
    if others := _all_but(exchange, act):
        act = replace(act, not_dentists=())
        exchange.drop_hold()
        exchange.update(dentist_ids=others, chosen=None, act=replace(task.act, usual_dentist=False))
        finding.refine(exchange, act)
        advance(exchange)
        return True
    refined = finding.refine(exchange, act)
    unresolved = act.is_about_unnamed
    if unresolved or (task.stage is Stage.DENTIST and act.any_dentist) or len(act.dentists) > 1:
        exchange.drop_hold()
        ids = () if unresolved or len(act.dentists) > 1 else exchange.task.dentist_ids
        exchange.update(
            dentist_ids=ids,
            act=replace(
                task.act,
                usual_dentist=act.usual_dentist,
                other_dentist=act.other_dentist,
                not_dentists=task.dentist_ids if act.other_dentist else (),
                unknown_dentist=act.unknown_dentist,
                unknown_treatment=act.unknown_treatment,
                dentists=act.dentists if len(act.dentists) > 1 else (),
            ),
        )
        if act.unknown_treatment:
            exchange.update(appointment_type_id=None)
        refined = True
    if refined:
        advance(exchange)
    return refined


def confirm(exchange: Exchange) -> None:
    hold, key = exchange.task.hold, exchange.task.key or exchange.new_key()
    assert hold is not None, "a booking is confirmed for a hold"
    exchange.update(key=key)
    exchange.emit(lambda calendar: calendar.book(hold.id, key), booked, Purpose.CHANGE)


def booked(exchange: Exchange, appointment: OwnAppointment) -> None:
    exchange.update(hold=None)
    exchange.mark_seen(appointment)
    exchange.remember(task=None, last=appointment)
    exchange.reply(f"Booked: {exchange.name(appointment)}. See you then!")
