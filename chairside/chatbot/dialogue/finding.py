"""From what is wanted to one slot that is held: search, offer, choose. Pure.

Booking and moving share it; they differ in what the held slot becomes.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from chairside.chatbot.clinic import Hold
from chairside.chatbot.dialogue import sentences
from chairside.chatbot.dialogue.exchange import Exchange
from chairside.chatbot.dialogue.offers import (
    alternatives_first,
    fitting,
    local,
    meant,
    nearest,
    nearest_query,
    query_for,
    shifted,
    spread,
)
from chairside.chatbot.dialogue.state import FindSlots, Goal, Stage, Waiting
from chairside.chatbot.understanding.acts import DialogueAct, Shift
from chairside.chatbot.understanding.when import When, on
from chairside.client import FreeSlot


def search(turn: Exchange) -> None:
    """Ask the clinic for what the task wants, or the patient for when."""
    task = turn.task
    if task.when.problem is not None:
        turn.lead += sentences.problem(task.when)
        turn.update(when=When(), stage=Stage.WHEN)
        turn.ask_again()
    elif task.when.is_empty:
        turn.update(stage=Stage.WHEN)
        turn.ask_again()
    else:
        turn.find(FindSlots(query_for(task, turn.facts, turn.now)), Waiting.OFFER)


def found(turn: Exchange, slots: Sequence[FreeSlot]) -> None:
    """What the clinic has at the wanted time: take the one, offer some, or look around."""
    task = turn.task
    fit = fitting(slots, task, turn.facts, turn.now)
    beside = None if fit else _beside_itself(turn)
    if beside is not None:
        choose(turn, beside)
    elif not fit:
        turn.find(FindSlots(nearest_query(task, turn.facts, turn.now)), Waiting.NEAREST)
    elif task.when.at is not None and len(fit) == 1:
        choose(turn, fit[0])
    elif task.when.at is not None and not task.dentist_ids and len({s.start for s in fit}) == 1:
        choose(turn, fit[0])  # one time, several dentists, and anyone will do
    else:
        offered = spread(alternatives_first(fit, task.when, turn.facts))
        turn.update(offered=offered, stage=Stage.CHOOSE)
        lead = turn.lead or _offer_lead(turn)
        turn.ask(sentences.ask_choice(turn.task, turn.facts, turn.now, lead))


def _beside_itself(turn: Exchange) -> FreeSlot | None:
    """A time that only the appointment itself stands in the way of: a little later, say.

    No list of free times has it, but moving there may be possible; the clinic decides.
    """
    appointment, when = turn.task.appointment, turn.task.when
    if appointment is None or when.at is None or len(when.days) != 1:
        return None
    there = datetime.combine(when.days[0].first, when.at, turn.local(appointment).tzinfo)
    start = there.astimezone(UTC)
    slot = FreeSlot(
        dentist_id=appointment.dentist_id,
        appointment_type_id=appointment.appointment_type_id,
        start=start,
        end=start + (appointment.end - appointment.start),
    )
    tried = (slot.dentist_id, start) in turn.task.excluded
    overlaps = (
        start < appointment.end and slot.end > appointment.start and start != appointment.start
    )
    return slot if overlaps and start > turn.now and not tried else None


def _offer_lead(turn: Exchange) -> str:
    what = sentences.treatment_name(turn.facts, turn.task.appointment_type_id)
    article = "an" if what[0] in "aeiou" else "a"
    dentists = sorted({slot.dentist_id for slot in turn.task.offered})
    return f"For {article} {what}{sentences.who(turn.facts, dentists)} I can offer:"


def found_nearest(turn: Exchange, slots: Sequence[FreeSlot]) -> None:
    """Nothing as it was wanted; what comes closest is offered instead."""
    task, facts = turn.task, turn.facts
    close = nearest(slots, task, facts, turn.now)
    wanted = sentences.wanted(task.when, facts, task, turn.now)
    who = sentences.who(facts, task.dentist_ids)
    nothing = f"Nothing is free{who}{' ' + wanted if wanted else ''}"
    more = turn.lead
    if not close:
        turn.update(stage=Stage.WHEN, when=When(), offered=(), beyond=None)
        other = " Another day, or another dentist?" if task.dentist_ids else " Another day?"
        turn.say(f"{more}{nothing}, nor in the weeks after.{other}")
        return
    turn.update(offered=close, stage=Stage.CHOOSE, beyond=None)
    lead = f"{more}{nothing}. The nearest times are:"
    turn.ask(sentences.ask_choice(turn.task, facts, turn.now, lead))


def choose(turn: Exchange, slot: FreeSlot) -> None:
    """Hold it; moving within one's own appointment's time needs and gets no hold."""
    turn.drop_hold()
    task = turn.update(chosen=slot, offered=())
    appointment = task.appointment
    beside = appointment is None or appointment.dentist_id != slot.dentist_id
    if (
        appointment is None
        or beside
        or slot.start >= appointment.end
        or slot.end <= appointment.start
    ):
        turn.hold_chosen()
    else:
        turn.update(stage=Stage.CONFIRM)
        turn.ask_again()


def held(turn: Exchange, hold: Hold) -> None:
    if turn.task.retaken:
        turn.lead = "The time had run out, but it was still free, so I took it again. "
    turn.update(hold=hold, chosen=hold.slot, stage=Stage.CONFIRM, key="", retaken=False)
    turn.ask_again()


def refine(turn: Exchange, act: DialogueAct) -> bool:
    """Take in details that change what is looked for; whether there were any."""
    task = turn.task
    changes: dict[str, object] = {}
    if act.shift is not None and (act.when.is_empty or act.shift is Shift.MORE):
        when = shifted(task, act.shift, turn.facts).refined_by(act.when)
        changes["when"] = when
        if act.shift is Shift.MORE and task.offered:
            changes["beyond"] = task.offered[-1].start
        else:
            changes["beyond"] = None
    elif not act.when.is_empty:
        when = task.when.refined_by(act.when)
        if act.when.has_time and not act.when.has_day and task.chosen and not task.when.days:
            when = replace(when, days=_same_day(turn, task.chosen).days)
        changes["when"] = when
        changes["beyond"] = None
    if task.goal is Goal.BOOK:
        changes |= _who_and_what(turn, act)
    if not changes:
        return False
    turn.drop_hold()
    turn.update(**changes, chosen=None, retaken=False)
    return True


def _same_day(turn: Exchange, slot: FreeSlot) -> When:
    return on(local(turn.facts, slot).date())


def _who_and_what(turn: Exchange, act: DialogueAct) -> dict[str, object]:
    changes: dict[str, object] = {}
    if act.treatment is not None and act.treatment != turn.task.appointment_type_id:
        changes["appointment_type_id"] = act.treatment
    if act.dentists:
        changes["dentist_ids"] = act.dentists
    if act.any_dentist and not act.dentists:
        changes["dentist_ids"] = ()
    if changes:
        changes["beyond"] = None
    return changes


def answer(turn: Exchange, act: DialogueAct) -> bool:
    """An answer to offered times: one of them, or which others; whether it was one."""
    task = turn.task
    if task.stage is not Stage.CHOOSE:
        return False
    several = meant(act, task.offered, turn.facts)
    if len(several) == 1:
        choose(turn, several[0])
        return True
    if several and act.shift is None:
        if len(several) < len(task.offered):
            turn.update(offered=several)
            turn.ask(sentences.ask_choice(turn.task, turn.facts, turn.now, "Of these?"))
            return True
        if act.number is None and not act.when.has_day and not act.when.has_time:
            turn.ask_again()
            return True
    if act.number is not None and act.when.is_empty and not several:
        turn.lead = f"I offered only {len(task.offered)}:"
        turn.ask_again()
        return True
    return False
