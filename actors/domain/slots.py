"""Computes free slots: the starts that a schedule offers and no appointment blocks.

The listing and the booking of slots both use :func:`free_starts`, so every listed slot can be
booked. ``docs/scheduling.md`` describes the rules: grid, buffers, and how local wall time
becomes an instant.

Time is counted here in whole minutes since the Unix epoch, in UTC. Integers are fast to
compare and have no time zone. Spans are half-open: ``(start, end)`` excludes ``end``.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import chain, pairwise
from operator import attrgetter
from typing import Final
from zoneinfo import ZoneInfo

from actors.domain.appointment import MAX_MINUTES, AppointmentType
from actors.domain.refusals import OutsideAvailability, Refusal, SlotTaken, TooFar, TooSoon
from actors.domain.schedule import CACHED_DAYS_MAX, MINUTES_PER_DAY, Schedule, Weekday

Minute = int
Span = tuple[Minute, Minute]
IsFull = Callable[[date], bool]
"""Whether an appointment type has reached its daily limit on a local date."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NAIVE_EPOCH: Final = datetime(1970, 1, 1)
_MINUTE: Final = timedelta(minutes=1)
_DAY: Final = timedelta(days=1)
_REACH_MINUTES: Final = 2 * MAX_MINUTES
"""How long after its start a row can block time at most, its buffer included."""

_OFFSETS_DAYS: Final = 2
"""More than any time zone's offset ever changed. A start that is closer than the horizon by
this much is within the horizon, and its local date need not be computed."""

_start_of = attrgetter("start")


def to_minute(instant: datetime) -> Minute:
    assert instant.tzinfo is UTC, "instants are UTC"
    assert instant.second == instant.microsecond == 0, "starts and ends are whole minutes"
    return (instant - _EPOCH) // _MINUTE


def to_instant(minute: Minute) -> datetime:
    return _EPOCH + minute * _MINUTE


def minute_up(now: datetime) -> Minute:
    """The first whole minute that is not before ``now``."""
    assert now.tzinfo is UTC, "instants are UTC"
    return -((_EPOCH - now) // _MINUTE)


# The ends of the calendar, with room for every zone's offset and the longest appointment.
_FIRST_MINUTE: Final = to_minute(datetime(1, 1, 8, tzinfo=UTC))
_LAST_MINUTE: Final = to_minute(datetime(9999, 12, 24, tzinfo=UTC))


@dataclass(frozen=True, slots=True)
class Taken:
    """Time that a live row blocks, and its buffers, in minutes."""

    start: Minute
    end: Minute
    buffer_before: int
    buffer_after: int

    def __post_init__(self) -> None:
        assert 0 < self.end - self.start <= MAX_MINUTES, "no row is longer than its type"
        assert 0 <= self.buffer_before <= MAX_MINUTES
        assert 0 <= self.buffer_after <= MAX_MINUTES


def free_starts(
    schedule: Schedule,
    kind: AppointmentType,
    taken: Sequence[Taken],
    *,
    first: Minute,
    before: Minute,
    now: datetime,
    full: IsFull | None = None,
) -> list[Minute]:
    """Every start in ``[first, before)`` that can be booked at ``now``, in ascending order.

    ``taken`` is sorted by start; overbooked rows may overlap.
    """
    earliest = _earliest_start(schedule, now)
    starts = _within_horizon(schedule, kind, max(first, earliest), before, now)
    starts = _not_full(full, starts, schedule.zone)
    return _clear_of(taken, starts, kind) if starts else starts


def why_not(
    schedule: Schedule,
    kind: AppointmentType,
    taken: Sequence[Taken],
    start: Minute,
    now: datetime,
    *,
    full: IsFull | None = None,
) -> Refusal | None:
    """Why :func:`free_starts` does not offer ``start``; ``None`` if it does.

    The first reason of these: not offered at all (hours, grid, type, daily limit), too soon,
    too far ahead, taken.
    """
    if free_starts(schedule, kind, taken, first=start, before=start + 1, now=now, full=full):
        return None
    if not _not_full(full, _starts_on_grid(schedule, kind, start, start + 1, now), schedule.zone):
        return OutsideAvailability()
    earliest = _earliest_start(schedule, now)
    if start < earliest:
        return TooSoon(to_instant(earliest))
    if not _within_horizon(schedule, kind, start, start + 1, now):
        return TooFar(schedule.horizon_days)
    return SlotTaken()


def overlaps(taken: Sequence[Taken], start: Minute, end: Minute) -> bool:
    """Whether a row overlaps ``[start, end)``, without buffers."""
    return any(start < row.end for row in _between(taken, start - MAX_MINUTES, end))


def in_open_time(schedule: Schedule, start: Minute, end: Minute) -> bool:
    """Whether all of ``[start, end)`` is open, on the grid or not, taken or not."""
    open_times = _without(_union(_spans(schedule, start, end)), _time_off(schedule))
    return any(opens <= start and end <= closes for opens, closes in open_times)


def local_date(minute: Minute, zone: ZoneInfo) -> date:
    """The local date of an instant; daily limits and horizons count local dates."""
    return to_instant(minute).astimezone(zone).date()


def _earliest_start(schedule: Schedule, now: datetime) -> Minute:
    """The first whole minute at or after ``now`` plus the minimum notice."""
    return minute_up(now) + schedule.min_notice_minutes


def _within_horizon(
    schedule: Schedule, kind: AppointmentType, first: Minute, before: Minute, now: datetime
) -> list[Minute]:
    """The starts on the grid whose local date is within the horizon, ascending."""
    if before <= minute_up(now) + (schedule.horizon_days - _OFFSETS_DAYS) * MINUTES_PER_DAY:
        return _starts_on_grid(schedule, kind, first, before, now)
    last_day = now.astimezone(schedule.zone).date() + schedule.horizon_days * _DAY
    # Midnight may occur twice: between the two, the date of each start is computed.
    first_midnight, last_midnight = _span(schedule.zone, last_day + _DAY, 0, 0)
    starts = _starts_on_grid(schedule, kind, first, min(before, last_midnight), now)
    if not starts or starts[-1] < first_midnight:
        return starts
    zone = schedule.zone
    return [at for at in starts if at < first_midnight or local_date(at, zone) <= last_day]


def _starts_on_grid(
    schedule: Schedule, kind: AppointmentType, first: Minute, before: Minute, now: datetime
) -> list[Minute]:
    """The starts in ``[first, before)`` that hours, time off and grid allow, ascending."""
    if first >= before or not schedule.offers(kind.id):
        return []
    duration, starts = kind.duration_minutes, list[Minute]()
    for day in range(first // MINUTES_PER_DAY, (before - 1) // MINUTES_PER_DAY + 1):
        for run in _grid_on(schedule, duration, day):
            begin = max(run.start, first)
            starts += range(begin + (run.start - begin) % run.step, min(run.stop, before), run.step)
    kept_back = _kept_back(schedule, first, before + duration, now)
    return _outside(starts, sorted((opens - duration + 1, closes) for opens, closes in kept_back))


def _grid_on(schedule: Schedule, duration: int, day: int) -> Sequence[range]:
    """The starts on one day of UTC that hours, time off and grid allow, in ascending runs.

    Cached, because it changes only with the schedule.
    """
    grids = schedule.cached_grids
    runs = grids.get((day, duration))
    if runs is None:
        if len(grids) >= CACHED_DAYS_MAX:
            grids.clear()
        first = day * MINUTES_PER_DAY
        runs = tuple(_runs(schedule, duration, first, first + MINUTES_PER_DAY))
        grids[day, duration] = runs
    return runs


def _runs(schedule: Schedule, duration: int, first: Minute, before: Minute) -> Iterable[range]:
    spans = _spans(schedule, first, before + duration)
    open_times = _without(_union(spans), _time_off(schedule))
    runs = [
        *filter(None, _grid(spans, open_times, schedule.slot_step_minutes, duration, first, before))
    ]
    if all(one[-1] < other.start for one, other in pairwise(runs)):
        return runs
    # Two dates share instants where clocks go back over midnight (Havana, Azores).
    return (range(at, at + 1) for at in sorted(set(chain.from_iterable(runs))))


def _grid(
    spans: Sequence[Span],
    open_times: Sequence[Span],
    step: int,
    duration: int,
    first: Minute,
    before: Minute,
) -> Iterator[range]:
    """The starts on the grid of each span where a whole appointment fits into open time."""
    at = 0
    for opens, closes in spans:
        while at < len(open_times) and open_times[at][1] <= opens:
            at += 1
        for open_from, open_until in open_times[at:]:
            if open_from >= closes:
                break
            begin = max(opens, open_from, first)
            stop = min(closes, open_until - duration + 1, before)
            yield range(opens - (opens - begin) // step * step, stop, step)


def _not_full(full: IsFull | None, starts: list[Minute], zone: ZoneInfo) -> list[Minute]:
    return starts if full is None else [at for at in starts if not full(local_date(at, zone))]


def _time_off(schedule: Schedule) -> Sequence[Span]:
    """All time off and closures as instants, merged; computed once for each schedule."""
    if (schedule.time_off or schedule.closures) and not schedule.cached_time_off:
        zone = schedule.zone
        spans = (
            (
                _span(zone, off.start_date, off.start, off.start)[0],
                _span(zone, off.end_date, off.end, off.end)[1],
            )
            for off in schedule.closed_times
        )
        schedule.cached_time_off.extend(_union(sorted(spans)))
    return schedule.cached_time_off


def _kept_back(schedule: Schedule, first: Minute, last: Minute, now: datetime) -> list[Span]:
    """The emergency blocks around ``[first, last]`` that cannot be booked yet."""
    if not schedule.reserved_blocks:
        return []
    present, kept = minute_up(now), []
    for day in _local_dates(schedule.zone, first, last):
        weekday = Weekday.of(day)
        for block in schedule.reserved_blocks:
            if block.weekday is weekday:
                span = _span(schedule.zone, day, block.window.start, block.window.end)
                if span[0] - block.opens_minutes_before > present and span[0] < span[1]:
                    kept.append(span)
    return kept


def _without(spans: Sequence[Span], closed: Sequence[Span]) -> Sequence[Span]:
    """The parts of ``spans`` (disjoint, sorted) outside ``closed`` (sorted by start)."""
    if not closed:
        return spans
    left: list[Span] = []
    for opens, closes in spans:
        for closed_from, closed_until in closed:
            if closed_until <= opens:
                continue
            if closed_from >= closes:
                break
            if opens < closed_from:
                left.append((opens, closed_from))
            opens = min(closed_until, closes)
        if opens < closes:
            left.append((opens, closes))
    return left


def _clear_of(
    taken: Sequence[Taken], starts: Sequence[Minute], kind: AppointmentType
) -> list[Minute]:
    """The starts (ascending, at least one) at which no row blocks the appointment.

    Between two appointments, the larger of the two facing buffers must be free.
    """
    duration = kind.duration_minutes
    before, after = kind.buffer_before_minutes, kind.buffer_after_minutes
    near = _between(taken, starts[0] - _REACH_MINUTES, starts[-1] + duration + MAX_MINUTES)
    refused = sorted(
        (
            row.start - duration - max(after, row.buffer_before) + 1,
            row.end + max(before, row.buffer_after),
        )
        for row in near
    )
    return _outside(starts, refused)


def _outside(starts: Sequence[Minute], refused: Sequence[Span]) -> list[Minute]:
    """The starts (ascending) outside the refused spans (sorted by start)."""
    clear: list[Minute] = []
    at = 0
    for refused_from, free_again in refused:
        upto = bisect_left(starts, refused_from, at)
        clear += starts[at:upto]
        at = bisect_left(starts, free_again, upto)
    clear += starts[at:]
    return clear


def _between(taken: Sequence[Taken], after: Minute, before: Minute) -> Sequence[Taken]:
    """The rows that start in the open interval ``(after, before)``."""
    at = bisect_left(taken, after + 1, key=_start_of)
    return taken[at : bisect_left(taken, before, at, key=_start_of)]


def _spans(schedule: Schedule, first: Minute, last: Minute) -> list[Span]:
    """The open spans of all local dates that may overlap ``[first, last]``, by start.

    Only spans of the same date are merged, because each date has its own grid.
    """
    spans: list[Span] = []
    for day in _local_dates(schedule.zone, first, last):
        spans += _spans_on(schedule, day)
    return spans


def _local_dates(zone: ZoneInfo, first: Minute, last: Minute) -> Iterator[date]:
    """The local dates of ``[first, last]``, ascending, and one more on both sides.

    Where midnight occurs twice, dates share instants.
    """
    if last < _FIRST_MINUTE or first > _LAST_MINUTE:
        return
    day = local_date(max(first, _FIRST_MINUTE), zone) - _DAY
    last_day = local_date(min(last, _LAST_MINUTE), zone) + _DAY
    while day <= last_day:
        yield day
        day += _DAY


def _spans_on(schedule: Schedule, day: date) -> Sequence[Span]:
    spans = schedule.cached_spans.get(day)
    if spans is None:
        written = (_span(schedule.zone, day, w.start, w.end) for w in schedule.windows_on(day))
        spans = _union(sorted(span for span in written if span[0] < span[1]))
        if len(schedule.cached_spans) >= CACHED_DAYS_MAX:
            schedule.cached_spans.clear()
        schedule.cached_spans[day] = spans
    return spans


def _union(spans: Iterable[Span]) -> list[Span]:
    """Merge spans that overlap or touch; they are sorted by start."""
    merged: list[Span] = []
    for start, end in spans:
        if merged and start <= merged[-1][1]:
            if end > merged[-1][1]:
                merged[-1] = (merged[-1][0], end)
        else:
            merged.append((start, end))
    return merged


def _span(zone: ZoneInfo, day: date, start: int, end: int) -> Span:
    """The instants of two wall times of a date, given in minutes after its midnight.

    Of a wall time that occurs twice, the start is the first occurrence, the end the second.
    """
    midnight = datetime(day.year, day.month, day.day)
    return (
        _instant_of(midnight + start * _MINUTE, zone, fold=0),
        _instant_of(midnight + end * _MINUTE, zone, fold=1),
    )


def _instant_of(wall: datetime, zone: ZoneInfo, *, fold: int) -> Minute:
    """The instant of a wall time; ``fold`` selects the first or the second occurrence.

    A wall time that is skipped becomes the first instant after it. Offsets with seconds, which
    ended in 1972, are cut to the minute.
    """
    # PEP 495: where wall time is skipped, fold 0 is the offset before and the smaller one.
    first = _utc(wall, wall.replace(tzinfo=zone, fold=0).utcoffset())
    second = _utc(wall, wall.replace(tzinfo=zone, fold=1).utcoffset())
    if first <= second:
        return second if fold else first
    low, high = second, first
    while low < high:
        middle = (low + high) // 2
        if to_instant(middle).astimezone(zone).replace(tzinfo=None) < wall:
            low = middle + 1
        else:
            high = middle
    return low


def _utc(wall: datetime, offset: timedelta | None) -> Minute:
    assert offset is not None, "an IANA zone always knows its offset"
    return (wall - _NAIVE_EPOCH - offset) // _MINUTE
