"""Which free slots are offered, and which of the offered ones the patient means."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, time, timedelta
from typing import Final, TypeVar
from zoneinfo import ZoneInfo

from chairside.chatbot.clinic import Facts, OwnAppointment, SlotQuery
from chairside.chatbot.dialogue.state import OFFERED_MAX, Task
from chairside.chatbot.understanding.acts import LAST, DialogueAct, Shift
from chairside.chatbot.understanding.when import OPEN_SPAN_DAYS, When, between, on, plus, span
from chairside.client import FreeSlot

T = TypeVar("T")

_APART: Final = timedelta(minutes=60)
"""Offered times are at least so far from each other, if there is a choice."""


def zone_of(facts: Facts, dentist_id: str) -> ZoneInfo:
    dentist = facts.dentist(dentist_id)
    return ZoneInfo(dentist.time_zone if dentist else facts.time_zone)


def zones_of(facts: Facts, dentist_ids: Sequence[str]) -> tuple[ZoneInfo, ...]:
    return tuple({zone_of(facts, one) for one in facts.ids(dentist_ids)})


def local(facts: Facts, slot: FreeSlot | OwnAppointment) -> datetime:
    """Its start on the dentist's clock."""
    return slot.start.astimezone(zone_of(facts, slot.dentist_id))


def query_for(task: Task, facts: Facts, now: datetime) -> SlotQuery:
    """The search for what a task wants."""
    assert task.appointment_type_id is not None, "a search comes after the treatment is known"
    first, before = span(task.when, now, zones_of(facts, task.dentist_ids))
    exact, until = task.when.exact, task.when.time_to
    if exact:
        until = plus(exact[-1], 1) if exact[-1] < time(23, 59) else None
    return SlotQuery(
        appointment_type_id=task.appointment_type_id,
        dentist_ids=task.dentist_ids,
        first=first,
        before=before,
        time_from=exact[0] if exact else task.when.time_from,
        time_to=until,
    )


def nearest_query(task: Task, facts: Facts, now: datetime) -> SlotQuery:
    """The search if the wanted time is not free: any time from a little before on."""
    exact = query_for(task, facts, now)
    first = max(now, exact.first - timedelta(days=3))
    before = max(exact.before, first + timedelta(days=OPEN_SPAN_DAYS))
    longest = first + timedelta(days=61)
    return replace(exact, first=first, before=min(before, longest), time_from=None, time_to=None)


def fitting(slots: Sequence[FreeSlot], task: Task, facts: Facts, now: datetime) -> list[FreeSlot]:
    """Those that match what the task wants, in order."""
    return [
        slot
        for slot in slots
        if _is_open(slot, task, max(now, task.beyond) if task.beyond else now)
        and task.when.allows(local(facts, slot))
    ]


def _is_open(slot: FreeSlot, task: Task, after: datetime) -> bool:
    """Ahead, not refused before, and not where the appointment is already."""
    return (
        slot.start > after
        and (slot.dentist_id, slot.start) not in task.excluded
        and not (task.appointment and slot.start == task.appointment.start)
    )


def spread(slots: Sequence[FreeSlot], count: int = OFFERED_MAX) -> tuple[FreeSlot, ...]:
    """A few of them, ascending: the first one, and others that are not right beside it."""
    chosen: list[FreeSlot] = []
    for apart in (_APART, timedelta(minutes=1)):
        for slot in slots:
            if len(chosen) < count and all(abs(slot.start - one.start) >= apart for one in chosen):
                chosen.append(slot)
    return tuple(sorted(chosen, key=lambda slot: slot.start))


def alternatives_first(slots: Sequence[FreeSlot], when: When, facts: Facts) -> list[FreeSlot]:
    """Of "Monday or Thursday" the first of each comes first; else the order stays."""
    firsts = [
        next((slot for slot in slots if local(facts, slot).date() in days), None)
        for days in when.days
    ]
    return [slot for slot in firsts if slot is not None] + list(slots)


def nearest(
    slots: Sequence[FreeSlot], task: Task, facts: Facts, now: datetime
) -> tuple[FreeSlot, ...]:
    """A few that come closest to the wanted time, ascending: the same day, or the same hour."""
    wanted = task.when
    day = wanted.days[0].first if wanted.days else None
    clock = (
        next(iter(wanted.exact), None)
        or wanted.time_from
        or (wanted.time_to and plus(wanted.time_to, -60))
    )

    def distance(slot: FreeSlot) -> tuple[float, datetime]:
        at = local(facts, slot)
        far = abs((at.date() - day).days) if day else (slot.start - now) / timedelta(days=1)
        off = abs(_minutes(at.time()) - _minutes(clock)) / 60 if clock else 0.0
        late = 0.0 if wanted.allows(at) else off
        excluded = 50.0 if at.weekday() in wanted.not_weekdays else 0.0
        return float(far) + 0.5 * late + excluded, slot.start

    usable = [slot for slot in slots if _is_open(slot, task, now)]
    return spread(sorted(usable, key=distance)[: 4 * OFFERED_MAX])


def meant(act: DialogueAct, offered: Sequence[FreeSlot], facts: Facts) -> tuple[FreeSlot, ...]:
    """The offered slots that an act may mean; none if it is about something else."""
    if not offered:
        return ()
    found = [
        slot
        for slot in offered
        if (act.when.is_empty or act.when.allows(local(facts, slot)))
        and (not act.dentists or slot.dentist_id in act.dentists)
        and slot.dentist_id not in act.not_dentists
        and act.treatment in (None, slot.appointment_type_id)
    ]
    if act.number is not None:
        by_number = numbered(act.number, offered)
        if len(found) < len(offered) and by_number and by_number[0] not in found:
            by_number = numbered(act.number, found) if abs(act.number) == 1 else ()
        if by_number or act.number > len(offered):
            return by_number or _at_hour(act.number, found, facts)
        return ()
    if act.extreme is not None and found:
        return (found[-1] if act.extreme is Shift.LATER else found[0],)
    is_named = act.dentists or act.not_dentists or not act.when.is_empty
    return tuple(found) if is_named else ()


def numbered(number: int, shown: Sequence[T]) -> tuple[T, ...]:
    """The one with this number, if there is one; LAST is the last."""
    return tuple(shown[-1:] if number == LAST else shown[number - 1 : number])


def _at_hour(hour: int, offered: Sequence[FreeSlot], facts: Facts) -> tuple[FreeSlot, ...]:
    """ "10" among three options is ten o'clock."""
    return tuple(
        slot for slot in offered if (local(facts, slot).hour - hour) % 12 == 0 and hour <= 23
    )


def shifted(task: Task, shift: Shift, facts: Facts) -> When:
    """Where to look next: later or earlier than what was offered, another day, or more."""
    shown = task.offered or ((task.chosen,) if task.chosen else ())
    edge = (
        shown[0] if shown and shift is Shift.EARLIER else shown[-1] if shown else task.appointment
    )
    if edge is None:
        return task.when
    at = local(facts, edge)
    if shift is Shift.EARLIER:
        return replace(_day_of(task, at), time_from=None, time_to=at.time(), at=None, one_of=())
    if shift is Shift.LATER:
        after = (at + timedelta(minutes=1)).time()
        return replace(_day_of(task, at), time_from=after, time_to=None, at=None, one_of=())
    first = at.date() if shift is Shift.MORE else at.date() + timedelta(days=1)
    ahead = between(first, first + timedelta(days=OPEN_SPAN_DAYS))
    return replace(task.when, days=ahead.days, at=None, one_of=(), soonest=False, problem=None)


def _day_of(task: Task, at: datetime) -> When:
    return replace(task.when, days=on(at.date()).days, weekdays=(), soonest=False, problem=None)


def _minutes(clock: time) -> int:
    return clock.hour * 60 + clock.minute
