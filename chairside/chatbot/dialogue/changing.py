"""Moving and cancelling: which appointment, and where to."""

from collections.abc import Sequence
from dataclasses import replace

from chairside.chatbot.clinic import OwnAppointment
from chairside.chatbot.dialogue import finding, sentences
from chairside.chatbot.dialogue.exchange import Exchange, Purpose
from chairside.chatbot.dialogue.offers import numbered
from chairside.chatbot.dialogue.state import LISTED_MAX, Stage, Task
from chairside.chatbot.patient_calendar import PatientCalendar
from chairside.chatbot.understanding.acts import DialogueAct, Intent, Shift
from chairside.chatbot.understanding.when import When, on


def begin(exchange: Exchange, act: DialogueAct) -> None:
    exchange.begin(Task(goal=act.intent, stage=Stage.WHICH, act=act, when=act.when))
    find_own(exchange)


def find_own(exchange: Exchange) -> None:
    exchange.emit(PatientCalendar.own_appointments, own_found, Purpose.PREPARE)


def own_found(exchange: Exchange, appointments: tuple[OwnAppointment, ...]) -> None:
    """Find the appointment that is meant among the upcoming ones."""
    goal, act = exchange.task.goal, exchange.task.act
    upcoming = exchange.upcoming(appointments)
    exchange.mark_seen(*upcoming)
    if not upcoming:
        exchange.end()
        exchange.reply(f"You have no upcoming appointment that I could {goal}.")
        return
    fit = _meant(exchange, upcoming, act)
    if len(fit) == 1 and not act.everything:
        picked(exchange, fit[0])
        return
    if act.everything and len(upcoming) > 1:
        exchange.lead += f"I {goal} one at a time, so that nothing goes by mistake. "
    elif not fit:
        exchange.lead += "I see no appointment of yours like that. "
    shown = tuple(fit or upcoming)[:LISTED_MAX]
    exchange.remember(listed=shown)
    exchange.update(stage=Stage.WHICH, act=replace(act, which=When(), everything=False))
    exchange.prompt()


def _meant(
    exchange: Exchange, upcoming: Sequence[OwnAppointment], act: DialogueAct
) -> list[OwnAppointment]:
    listed = exchange.state.listed
    found = fitting(exchange, upcoming, act, act.which)
    if act.number is not None and listed:
        ids = {row.id for row in numbered(act.number, listed)}
        return [row for row in found if row.id in ids]
    if act.number is not None:
        return list(numbered(act.number, found))
    if act.extreme is not None:
        return found[-1:] if act.extreme is Shift.LATER else found[:1]
    is_named = not act.which.is_empty or act.treatment or act.dentists or act.not_dentists
    recent = exchange.state.last
    if len(found) > 1 and not is_named and recent is not None:
        found = [row for row in found if row.id == recent.id] or found
    return found


def fitting(
    exchange: Exchange, rows: Sequence[OwnAppointment], act: DialogueAct, when: When
) -> list[OwnAppointment]:
    """Those that everything fits that the act says of an appointment; ``when`` is its time."""
    if act.unknown_dentist or act.unknown_treatment or when.problem is not None:
        return []
    return [
        row
        for row in rows
        if when.allows(exchange.local(row))
        and act.treatment in (None, row.appointment_type_id)
        and (not act.dentists or row.dentist_id in act.dentists)
        and row.dentist_id not in act.not_dentists
    ]


def picked(exchange: Exchange, appointment: OwnAppointment) -> None:
    """Confirm the cancellation of this appointment, or search where it can go."""
    task = exchange.update(
        appointment=appointment,
        appointment_type_id=appointment.appointment_type_id,
        dentist_ids=(appointment.dentist_id,),
    )
    exchange.remember(last=appointment)
    if task.goal is Intent.CANCEL:
        exchange.update(stage=Stage.CONFIRM)
        exchange.prompt()
        return
    _where_to(exchange, appointment, task.act)
    finding.search(exchange)


def _where_to(exchange: Exchange, appointment: OwnAppointment, act: DialogueAct) -> None:
    """Times relative to the appointment: "an hour later", "a week later", "earlier"."""
    at = exchange.local(appointment)
    if act.by is not None:
        there = at + act.by
        moved = replace(on(there.date()), at=there.time())
        exchange.update(when=moved.refined_by(act.when))
    elif act.when.has_time and not act.when.has_day and not act.when.problem:
        exchange.update(when=replace(act.when, days=on(at.date()).days))
    elif act.shift in (Shift.LATER, Shift.EARLIER) and act.when.is_empty:
        exchange.update(offered=(appointment.slot,))
        finding.refine(exchange, DialogueAct(intent=Intent.INFORM, shift=act.shift))
        exchange.update(offered=())


def detail(exchange: Exchange, act: DialogueAct) -> bool:
    """Take in details for the current change; False if there were none."""
    task = exchange.task
    if task.stage is Stage.WHICH or task.goal is Intent.CANCEL:
        if not (_says_which(act) or act.is_choice):
            return False
        which = act.which if not act.which.is_empty else act.when
        changed = replace(
            task.act,
            which=which,
            number=act.number,
            extreme=act.extreme,
            treatment=act.treatment,
            dentists=act.dentists,
            not_dentists=act.not_dentists,
            everything=False,
            unknown_dentist=act.unknown_dentist,
            unknown_treatment=act.unknown_treatment,
        )
        exchange.update(act=changed)
        find_own(exchange)
        return True
    if act.unknown_dentist:
        named = sentences.name(act.unknown_dentist).title()
        exchange.prompt(f"I know no Dr. {named} here. ")
        return True
    if act.unknown_treatment or act.treatment not in (None, task.appointment_type_id):
        exchange.prompt(sentences.MOVE_KEEPS)
        return True
    act = _with_others_named(exchange, act)
    if finding.take_choice(exchange, act):
        return True
    if act.by is not None and task.appointment is not None:
        exchange.drop_hold()
        exchange.update(chosen=None, offered=())
        _where_to(exchange, task.appointment, act)
        finding.search(exchange)
        return True
    if finding.refine(exchange, act):
        finding.search(exchange)
        return True
    return False


def _says_which(act: DialogueAct) -> bool:
    """Whether the act says something of the appointment that is meant."""
    names = (act.treatment, act.dentists, act.not_dentists)
    unknown = (act.unknown_treatment, act.unknown_dentist)
    return any(names) or any(unknown) or not act.when.is_empty or not act.which.is_empty


def _with_others_named(exchange: Exchange, act: DialogueAct) -> DialogueAct:
    """“Another dentist” and “not with Dr. Bell” as the names of all the others."""
    row = exchange.task.appointment
    if row is None or act.dentists:
        return act
    if not act.other_dentist and row.dentist_id not in act.not_dentists:
        return act
    not_meant = {row.dentist_id, *act.not_dentists}
    others = tuple(one.id for one in exchange.facts.dentists if one.id not in not_meant)
    return replace(act, dentists=others, not_dentists=(), other_dentist=False)


def confirm(exchange: Exchange) -> None:
    task, key = exchange.task, exchange.task.key or exchange.new_key()
    row, chosen = task.appointment, task.chosen
    assert row is not None, "a change is confirmed for an appointment"
    exchange.update(key=key)
    if task.goal is Intent.CANCEL:
        exchange.emit(lambda calendar: calendar.cancel(row, key), cancelled, Purpose.CHANGE)
    else:
        assert chosen is not None, "a move has somewhere to go"
        exchange.emit(lambda calendar: calendar.move(row, chosen, key), moved, Purpose.CHANGE)


def moved(exchange: Exchange, appointment: OwnAppointment) -> None:
    exchange.update(hold=None)  # the move itself released it
    exchange.mark_seen(appointment)
    exchange.remember(task=None, last=appointment)
    exchange.reply(f"Done. It is now: {exchange.name(appointment)}.")


def cancelled(exchange: Exchange, _done: None) -> None:
    appointment = exchange.task.appointment
    assert appointment is not None
    exchange.mark_seen(replace(appointment, version=appointment.version + 1))
    exchange.remember(task=None, last=None, listed=())
    exchange.reply(f"Cancelled: {exchange.name(appointment)}.")
