"""From the wanted time to one held slot: search, offer, choose.

Booking and moving share it; they differ in what becomes of the held slot.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from chairside.chatbot.clinic import Hold
from chairside.chatbot.dialogue import offers, sentences
from chairside.chatbot.dialogue.exchange import Exchange, Purpose
from chairside.chatbot.dialogue.state import Stage
from chairside.chatbot.understanding.acts import DialogueAct, Intent, Shift
from chairside.chatbot.understanding.when import When, on
from chairside.client import FreeSlot


def search(exchange: Exchange) -> None:
    """Search for what the task wants, or prompt for the time."""
    task = exchange.task
    if task.when.problem is not None:
        exchange.lead += sentences.problem(task.when)
        exchange.update(when=When(), stage=Stage.WHEN)
        exchange.prompt()
    elif task.when.is_empty:
        exchange.update(stage=Stage.WHEN)
        exchange.prompt()
    else:
        if task.stage is Stage.CONFIRM:  # what was to be confirmed is not wanted any more
            exchange.update(stage=Stage.WHEN)
        query = offers.query_for(task, exchange.facts, exchange.now)
        exchange.emit(lambda calendar: calendar.slots(query), found, Purpose.LOOK_UP)


def found(exchange: Exchange, slots: Sequence[FreeSlot]) -> None:
    """Free slots at the wanted time: hold the only one, offer some, or search around it."""
    task = exchange.task
    fit = offers.fitting(slots, task, exchange.facts, exchange.now)
    beside = None if fit else _overlapping(exchange)
    if beside is not None:
        choose(exchange, beside)
    elif not fit:
        query = offers.nearest_query(task, exchange.facts, exchange.now)
        exchange.emit(lambda calendar: calendar.slots(query), found_nearest, Purpose.LOOK_UP)
    elif task.when.at is not None and len(fit) == 1:
        choose(exchange, fit[0])
    elif task.when.at is not None and not task.dentist_ids and len({s.start for s in fit}) == 1:
        choose(exchange, fit[0])  # one time, several dentists, and anyone will do
    else:
        offered = offers.spread(offers.alternatives_first(fit, task.when, exchange.facts))
        exchange.update(offered=offered, stage=Stage.CHOOSE)
        exchange.show_offer(_offer_lead(exchange))


def _overlapping(exchange: Exchange) -> FreeSlot | None:
    """A time that overlaps the appointment that is moved, such as a little later.

    No list of free times contains it, but the move may be possible; the hub decides.
    """
    appointment, when = exchange.task.appointment, exchange.task.when
    if appointment is None or when.at is None or len(when.days) != 1:
        return None
    if appointment.dentist_id not in exchange.task.dentist_ids:  # another dentist is wanted
        return None
    there = datetime.combine(when.days[0].first, when.at, exchange.local(appointment).tzinfo)
    start = there.astimezone(UTC)
    end = start + (appointment.end - appointment.start)
    slot = replace(appointment.slot, start=start, end=end)
    tried = (slot.dentist_id, start) in exchange.task.excluded or start == appointment.start
    return slot if start > exchange.now and not tried and appointment.overlaps(slot) else None


def _offer_lead(exchange: Exchange) -> str:
    what = sentences.treatment_name(exchange.facts, exchange.task.appointment_type_id)
    article = "an" if what[0] in "aeiou" else "a"
    dentists = sorted({slot.dentist_id for slot in exchange.task.offered})
    return f"For {article} {what}{sentences.who(exchange.facts, dentists)} I can offer:"


def found_nearest(exchange: Exchange, slots: Sequence[FreeSlot]) -> None:
    """Nothing is free at the wanted time: offer what comes closest."""
    task, facts = exchange.task, exchange.facts
    close = offers.nearest(slots, task, facts, exchange.now)
    wanted = sentences.wanted(task.when, facts, task, exchange.now)
    who = sentences.who(facts, task.dentist_ids)
    nothing = f"Nothing is free{who}{' ' + wanted if wanted else ''}"
    if not close:
        exchange.update(stage=Stage.WHEN, when=When(), offered=(), beyond=None)
        other = " Another day, or another dentist?" if task.dentist_ids else " Another day?"
        exchange.reply(f"{nothing}, nor in the weeks after.{other}")
        return
    exchange.update(offered=close, stage=Stage.CHOOSE, beyond=None)
    exchange.show_offer(f"{nothing}. The nearest times are:")


def choose(exchange: Exchange, slot: FreeSlot) -> None:
    """Hold the slot; a move that overlaps the appointment itself needs no hold."""
    exchange.drop_hold()
    task = exchange.update(chosen=slot, offered=())
    appointment = task.appointment
    if appointment is not None and appointment.overlaps(slot):
        exchange.update(stage=Stage.CONFIRM)
        exchange.prompt()
    else:
        hold(exchange, slot)


def hold(exchange: Exchange, slot: FreeSlot) -> None:
    key = exchange.new_key()
    exchange.emit(lambda calendar: calendar.hold(slot, key), held, Purpose.PREPARE)


def held(exchange: Exchange, placed: Hold) -> None:
    if exchange.task.retaken:
        exchange.lead = "The time had run out, but it was still free, so I took it again. "
    exchange.update(hold=placed, chosen=placed.slot, stage=Stage.CONFIRM, key="", retaken=False)
    exchange.prompt()


def refine(exchange: Exchange, act: DialogueAct) -> bool:
    """Take in details that change what is searched for; False if there were none."""
    task = exchange.task
    when, beyond = task.when, None
    type_id, dentist_ids = task.appointment_type_id, task.dentist_ids
    has_time = act.shift is not None or not act.when.is_empty
    if act.shift is not None and (act.when.is_empty or act.shift is Shift.MORE):
        when = offers.shifted(task, act.shift, exchange.facts).refined_by(act.when)
    elif has_time:
        when = task.when.refined_by(act.when)
        if act.when.has_time and not act.when.has_day and task.chosen and not task.when.days:
            when = replace(when, days=on(offers.local(exchange.facts, task.chosen).date()).days)
    if task.goal is Intent.BOOK:
        type_id = act.treatment or type_id
    dentist_ids = act.dentists or (() if act.any_dentist else dentist_ids)
    has_others = type_id != task.appointment_type_id or bool(act.dentists) or act.any_dentist
    if not has_time and not has_others:
        return False
    if act.shift is Shift.MORE and task.offered and not has_others:
        beyond = task.offered[-1].start
    exchange.drop_hold()
    exchange.update(
        when=when,
        appointment_type_id=type_id,
        dentist_ids=dentist_ids,
        beyond=beyond,
        chosen=None,
        retaken=False,
    )
    return True


def take_choice(exchange: Exchange, act: DialogueAct) -> bool:
    """Take in a choice among the offered times; False if the act is none."""
    task = exchange.task
    is_other = act.treatment not in (None, task.appointment_type_id)
    if task.stage is not Stage.CHOOSE or is_other or act.is_about_unnamed:
        return False
    if act.when.problem is not None:
        exchange.prompt(sentences.problem(act.when))
        return True
    several = offers.meant(act, task.offered, exchange.facts)
    if several:  # a bound holds for later searches, too
        task = exchange.update(when=task.when.refined_by(act.when))
    if len(several) == 1:
        choose(exchange, several[0])
        return True
    if several and act.shift is None:
        if len(several) < len(task.offered):
            exchange.update(offered=several)
            exchange.show_offer("Of these?")
            return True
        if (
            act.number is None
            and not act.when.has_day
            and not act.when.has_time
            and not act.not_dentists
        ):
            exchange.prompt()
            return True
    if act.number is not None and not several:
        is_offered = 1 < act.number <= len(task.offered)
        if is_offered:  # but not at the time, or with the dentist, that is named with it
            exchange.prompt(sentences.unclear(f"number {act.number}"))
        elif act.when.is_empty:
            exchange.show_offer(f"I offered only {len(task.offered)}:")
        return is_offered or act.when.is_empty
    return False
