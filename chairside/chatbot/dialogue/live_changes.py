"""What happens while people think: offered times go, holds end, the practice moves things."""

from chairside.chatbot.dialogue import finding, sentences
from chairside.chatbot.dialogue.exchange import Exchange
from chairside.chatbot.dialogue.state import (
    HoldEnded,
    LiveChange,
    OwnAppointmentChanged,
    ScheduleChanged,
    Stage,
    TimesTaken,
)
from chairside.client import FreeSlot


def happened(turn: Exchange, heard: LiveChange) -> None:
    """Tell the patient at once, if it concerns them; unasked, so as a notice."""
    match heard:
        case TimesTaken():
            _times_taken(turn, heard)
        case ScheduleChanged(dentist_id=dentist_id):
            _schedule_changed(turn, dentist_id)
        case OwnAppointmentChanged():
            _visit_changed(turn, heard)
        case HoldEnded(hold_id=hold_id):
            _hold_ended(turn, hold_id)


def _times_taken(turn: Exchange, taken: TimesTaken) -> None:
    task = turn.state.task
    if task is None or task.stage is not Stage.CHOOSE or turn.state.waiting is not None:
        return
    gone = tuple(slot for slot in task.offered if _is_gone(turn, slot, taken))
    if not gone:
        return
    left = tuple(slot for slot in task.offered if slot not in gone)
    turn.update(offered=left)
    names = sentences.one_of(
        [sentences.moment(turn.facts, slot, turn.now) for slot in gone], last="and"
    )
    was = "was" if len(gone) == 1 else "were"
    lead = f"{names[0].upper()}{names[1:]} {was} just taken by somebody else."
    if left:
        lead += " Still free:"
        turn.ask(sentences.ask_choice(turn.task, turn.facts, turn.now, lead, notice=True))
    else:
        turn.say(lead, notice=True)
        finding.search(turn)


def _is_gone(turn: Exchange, slot: FreeSlot, taken: TimesTaken) -> bool:
    if slot.dentist_id != taken.dentist_id:
        return False
    treatment = turn.facts.treatment(slot.appointment_type_id)
    before, after = (treatment.before, treatment.after) if treatment else (0, 0)
    return any(block.hits(slot, before, after) for block in taken.blocks)


def _schedule_changed(turn: Exchange, dentist_id: str) -> None:
    """Whether the offers still stand only the clinic knows: ask, and offer what there is."""
    task = turn.state.task
    if task is None or task.stage is not Stage.CHOOSE or turn.state.waiting is not None:
        return
    if any(slot.dentist_id == dentist_id for slot in task.offered):
        turn.say(
            f"{sentences.dentist_name(turn.facts, dentist_id)}’s hours have just changed.",
            notice=True,
        )
        turn.update(beyond=None)
        finding.search(turn)


def _visit_changed(turn: Exchange, changed: OwnAppointmentChanged) -> None:
    appointment = changed.appointment
    if appointment.version <= dict(turn.state.known).get(appointment.id, 0):
        return  # the patient did it, here
    turn.know(appointment)
    shown = sentences.appointment(turn.facts, appointment, turn.now)
    if appointment.status == "cancelled":
        turn.say(f"The appointment was cancelled: {shown}.", notice=True)
    elif appointment.status == "confirmed" and appointment.start > turn.now:
        turn.say(f"Your appointment is now: {shown}.", notice=True)
    else:
        return
    if (
        turn.state.task
        and turn.state.task.appointment
        and turn.state.task.appointment.id == appointment.id
    ):
        turn.end()
        turn.say("So I’ve stopped what we were doing with it. What would you like?", notice=True)


def _hold_ended(turn: Exchange, hold_id: str) -> None:
    task = turn.state.task
    if task is None or task.hold is None or task.hold.id != hold_id:
        return
    if turn.state.waiting is not None:
        return
    turn.say(
        "The time I held for you has run out. Say “yes” and I’ll try to get it again, or name"
        " another time.",
        notice=True,
    )
