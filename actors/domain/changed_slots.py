"""Which times a turn took or freed, for everyone who looks at free times."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Final

from actors.domain.appointment import Appointment, TimeBlock
from actors.domain.events import PracticeSaved, RowEvent
from actors.domain.ids import AppointmentId, DentistId
from actors.domain.schedule import Closure
from actors.domain.values import value

REFETCH_MAX: Final = 20
"""Blocks in ``refetch``; more are as much to read as all the time between them."""
_ANY_OFFSET: Final = timedelta(hours=26)
"""More than two local dates of the same name are apart, in any two zones."""


@value
class SlotsChangedBody:
    """Times that became taken or free. Bodies for everyone do not identify patients."""

    dentist_id: DentistId
    taken: tuple[TimeBlock, ...]
    freed: tuple[TimeBlock, ...]
    refetch: tuple[TimeBlock, ...] = ()


def slots_changed(turn_events: Iterable[RowEvent]) -> Iterable[SlotsChangedBody]:
    """Compare the times that rows blocked before the turn with those after it, by dentist.

    A booked hold blocks the same time as before, so it is no change.
    """
    changes: dict[AppointmentId, tuple[Appointment | None, Appointment]] = {}
    for event in turn_events:
        first, _ = changes.get(event.after.id, (event.before, event.after))
        changes[event.after.id] = first, event.after
    taken = defaultdict[DentistId, list[TimeBlock]](list)
    freed = defaultdict[DentistId, list[TimeBlock]](list)
    for before, after in changes.values():
        was = before.blocked if before else None
        if before and before.dentist_id == after.dentist_id and was == after.blocked:
            continue
        if after.blocked:
            taken[after.dentist_id].append(after.blocked)
        if before and was:
            freed[before.dentist_id].append(was)
    for dentist_id in dict.fromkeys((*taken, *freed)):
        yield SlotsChangedBody(
            dentist_id=dentist_id, taken=tuple(taken[dentist_id]), freed=tuple(freed[dentist_id])
        )


def closures_changed(event: PracticeSaved) -> Iterable[SlotsChangedBody]:
    """The days to read again at each calendar of a practice, where its closures changed."""
    before = event.before.closures if event.before else ()
    changed = set(before) ^ set(event.after.closures)
    blocks = _merged(map(_around, changed))
    for dentist_id in event.dentists if changed else ():
        yield SlotsChangedBody(dentist_id=dentist_id, taken=(), freed=(), refetch=blocks)


def _around(closure: Closure) -> TimeBlock:
    """The instants of the closed dates, whatever zone a calendar has."""
    first, last = (
        datetime.combine(day, time(), UTC) for day in (closure.start_date, closure.end_date)
    )
    return TimeBlock(
        start=first - _ANY_OFFSET,
        end=last + timedelta(days=1) + _ANY_OFFSET,
        buffer_before_minutes=0,
        buffer_after_minutes=0,
    )


def _merged(blocks: Iterable[TimeBlock]) -> tuple[TimeBlock, ...]:
    """Without overlaps, in order; as one block if there are more than :data:`REFETCH_MAX`."""
    merged: list[TimeBlock] = []
    for block in sorted(blocks, key=lambda each: each.start):
        if merged and block.start <= merged[-1].end:
            merged[-1] = replace(merged[-1], end=max(merged[-1].end, block.end))
        else:
            merged.append(block)
    if len(merged) > REFETCH_MAX:
        return (replace(merged[0], end=merged[-1].end),)
    return tuple(merged)
