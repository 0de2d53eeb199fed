"""Changes while the patient is thinking: offers go, holds end, the practice moves appointments."""

from chairside.chatbot.clinic import OwnAppointment
from chairside.chatbot.dialogue import finding, sentences, state
from chairside.chatbot.dialogue.exchange import Exchange
from chairside.client import FreeSlot


def apply(exchange: Exchange, change: state.LiveChange) -> None:
    """Reply with a notice at once if the change concerns what the patient sees."""
    match change:
        case state.TimesTaken():
            _times_taken(exchange, change)
        case state.ScheduleChanged(dentist_id=dentist_id):
            _schedule_changed(exchange, dentist_id)
        case state.OwnAppointmentChanged(appointment=appointment):
            _own_appointment_changed(exchange, appointment)
        case state.HoldEnded(hold_id=hold_id):
            _hold_ended(exchange, hold_id)


def _open_offer(exchange: Exchange) -> state.Task | None:
    """The task, if the patient is choosing among offered times."""
    task = exchange.state.task
    if task is None or task.stage is not state.Stage.CHOOSE:
        return None
    return task


def _times_taken(exchange: Exchange, taken: state.TimesTaken) -> None:
    if (task := _open_offer(exchange)) is None:
        return
    gone = tuple(slot for slot in task.offered if _is_gone(exchange, slot, taken))
    if not gone:
        return
    left = tuple(slot for slot in task.offered if slot not in gone)
    exchange.update(offered=left)
    names = sentences.one_of(
        [sentences.moment(exchange.facts, slot, exchange.now) for slot in gone], last="and"
    )
    was = "was" if len(gone) == 1 else "were"
    lead = f"{names[0].upper()}{names[1:]} {was} just taken by somebody else."
    if left:
        lead += " Still free:"
        exchange.show_offer(lead, notice=True)
    else:
        exchange.reply(lead, notice=True)
        finding.search(exchange)


def _is_gone(exchange: Exchange, slot: FreeSlot, taken: state.TimesTaken) -> bool:
    treatment = exchange.facts.treatment(slot.appointment_type_id)
    if slot.dentist_id != taken.dentist_id or treatment is None:
        return False
    return any(block.prevents(slot.start, slot.end, treatment.times) for block in taken.blocks)


def _schedule_changed(exchange: Exchange, dentist_id: str) -> None:
    """Only the hub knows which offers still stand: search again."""
    task = _open_offer(exchange)
    if task is None or all(slot.dentist_id != dentist_id for slot in task.offered):
        return
    name = sentences.dentist_name(exchange.facts, dentist_id)
    exchange.reply(f"{name}’s hours have just changed.", notice=True)
    exchange.update(beyond=None)
    finding.search(exchange)


def _own_appointment_changed(exchange: Exchange, appointment: OwnAppointment) -> None:
    if appointment.version <= dict(exchange.state.seen).get(appointment.id, 0):
        return  # the patient did it, in this conversation
    exchange.mark_seen(appointment)
    shown = exchange.name(appointment)
    if appointment.status == "cancelled":
        exchange.reply(f"The appointment was cancelled: {shown}.", notice=True)
    elif appointment.status == "confirmed" and appointment.start > exchange.now:
        exchange.reply(f"Your appointment is now: {shown}.", notice=True)
    else:
        return
    task = exchange.state.task
    if task is not None and task.appointment and task.appointment.id == appointment.id:
        exchange.end()
        exchange.reply(
            "So I’ve stopped what we were doing with it. What would you like?", notice=True
        )


def _hold_ended(exchange: Exchange, hold_id: str) -> None:
    task = exchange.state.task
    if task is None or task.hold is None or task.hold.id != hold_id:
        return
    exchange.reply(
        "The time I held for you has run out. Say “yes” and I’ll try to get it again, or name"
        " another time.",
        notice=True,
    )
