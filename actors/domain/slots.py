"""Slots: the starts a schedule offers. Listing and booking use :func:`free_starts`.

Inside, time is whole minutes since the Unix epoch in UTC: integers sweep fast and cannot
be naive. Spans and intervals are half-open. How local wall time becomes instants, what
the grid is and what buffers ask for is DESIGN §3.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from operator import attrgetter
from typing import Final
from zoneinfo import ZoneInfo

from actors.domain.appointment import MAX_MINUTES, AppointmentType
from actors.domain.refusals import OutsideAvailability, Refusal, SlotTaken, TooFar, TooSoon
from actors.domain.schedule import SPANS_KEPT_DAYS_MAX, Schedule

Minute = int
Span = tuple[Minute, Minute]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NAIVE_EPOCH: Final = datetime(1970, 1, 1)
_MINUTE: Final = timedelta(minutes=1)
_DAY: Final = timedelta(days=1)
_REACH_MINUTES: Final = 2 * MAX_MINUTES
"""How far after its start a row can still be in the way, its buffer included."""

_start_of = attrgetter("start")


def to_minute(instant: datetime) -> Minute:
    assert instant.tzinfo is UTC, "instants are UTC"
    minute, rest = divmod(instant - _EPOCH, _MINUTE)
    assert not rest, "starts and ends are whole minutes"
    return minute


def to_instant(minute: Minute) -> datetime:
    return _EPOCH + minute * _MINUTE


# The ends of the calendar, with room for every zone's offset and the longest appointment.
_FIRST_MINUTE: Final = to_minute(datetime(1, 1, 8, tzinfo=UTC))
_LAST_MINUTE: Final = to_minute(datetime(9999, 12, 24, tzinfo=UTC))


@dataclass(frozen=True, slots=True)
class Taken:
    """Time a live row blocks, with the buffers it wants kept, all in minutes."""

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
) -> list[Minute]:
    """Every start in ``[first, before)`` that can be booked at ``now``, ascending.

    ``taken`` is sorted by start; rows of it may overlap (overbooked ones do).
    """
    earliest = _earliest_start(schedule, now)
    starts = _starts_on_grid(schedule, kind, max(first, earliest), before, now)
    return _clear_of(taken, starts, kind) if starts else starts


def why_not(
    schedule: Schedule, kind: AppointmentType, taken: Sequence[Taken], start: Minute, now: datetime
) -> Refusal | None:
    """``None`` if :func:`free_starts` offers ``start``, else the first reason that holds.

    The order is: outside the dentist's hours or grid, too soon, too far, taken.
    """
    if free_starts(schedule, kind, taken, first=start, before=start + 1, now=now):
        return None
    if not _starts_on_grid(schedule, kind, start, start + 1):
        return OutsideAvailability()
    earliest = _earliest_start(schedule, now)
    if start < earliest:
        return TooSoon(to_instant(earliest))
    if not _starts_on_grid(schedule, kind, start, start + 1, now):
        return TooFar(schedule.horizon_days)
    return SlotTaken()


def overlaps(taken: Sequence[Taken], start: Minute, end: Minute) -> bool:
    """Whether a row's own time meets ``[start, end)``: all that binds staff, no buffers."""
    return any(start < row.end for row in _between(taken, start - MAX_MINUTES, end))


def in_open_time(schedule: Schedule, start: Minute, end: Minute) -> bool:
    """Whether all of ``[start, end)`` is open, on the grid or not, whatever is taken."""
    spans = _union(_spans(schedule, start, end))
    return any(opens <= start and end <= closes for opens, closes in spans)


def _earliest_start(schedule: Schedule, now: datetime) -> Minute:
    """``now`` plus the notice, up to the next whole minute: that one is allowed."""
    assert now.tzinfo is UTC, "instants are UTC"
    return -((_EPOCH - now) // _MINUTE) + schedule.min_notice_minutes


def _starts_on_grid(
    schedule: Schedule,
    kind: AppointmentType,
    first: Minute,
    before: Minute,
    horizon_from: datetime | None = None,
) -> list[Minute]:
    """Starts in ``[first, before)`` by the hours and the grid, ascending.

    Given ``horizon_from``, only those whose local date the horizon reaches from there.
    """
    last_day = None
    if horizon_from is not None:
        last_day = horizon_from.astimezone(schedule.zone).date() + schedule.horizon_days * _DAY
        # A midnight may come twice: until the second one, each start's date is looked at.
        first_midnight, last_midnight = _span(schedule.zone, last_day + _DAY, 0, 0)
        before = min(before, last_midnight)
    if first >= before:
        return []
    spans = _spans(schedule, first, before + kind.duration_minutes)
    starts = _grid(spans, schedule.slot_step_minutes, kind.duration_minutes, first, before)
    if last_day is None or not starts or starts[-1] < first_midnight:
        return starts
    zone = schedule.zone
    return [at for at in starts if at < first_midnight or _local_date(at, zone) <= last_day]


def _grid(
    spans: Sequence[Span], step: int, duration: int, first: Minute, before: Minute
) -> list[Minute]:
    """Each span's own grid, where a whole appointment fits into the union of all spans."""
    open_times = _union(spans)
    starts: list[Minute] = []
    tangled = False
    at = 0
    for opens, closes in spans:
        while open_times[at][1] < opens:
            at += 1
        stop = min(closes, open_times[at][1] - duration + 1, before)
        own = range(opens + max(0, -((opens - first) // step)) * step, stop, step)
        tangled = tangled or bool(starts and own and own[0] <= starts[-1])
        starts += own
    # Two dates share instants where the clocks go back over midnight (Havana, Azores).
    return sorted(set(starts)) if tangled else starts


def _clear_of(
    taken: Sequence[Taken], starts: Sequence[Minute], kind: AppointmentType
) -> list[Minute]:
    """The starts (ascending, at least one) whose appointment no row is in the way of.

    Between two neighbours the larger of the two facing buffers is enough.
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
    """The open spans of all local dates that may meet ``[first, last]``, by start.

    Each date's are merged among themselves only: the grid belongs to the date.
    """
    if last < _FIRST_MINUTE or first > _LAST_MINUTE:
        return []
    # A date more on both sides: where midnight comes twice, a date reaches into its neighbour.
    day = _local_date(max(first, _FIRST_MINUTE), schedule.zone) - _DAY
    last_day = _local_date(min(last, _LAST_MINUTE), schedule.zone) + _DAY
    spans: list[Span] = []
    while day <= last_day:
        spans += _spans_on(schedule, day)
        day += _DAY
    return spans


def _spans_on(schedule: Schedule, day: date) -> Sequence[Span]:
    known = schedule.spans_known.get(day)
    if known is None:
        written = (_span(schedule.zone, day, w.start, w.end) for w in schedule.windows_on(day))
        known = _union(sorted(span for span in written if span[0] < span[1]))
        if len(schedule.spans_known) >= SPANS_KEPT_DAYS_MAX:
            schedule.spans_known.clear()
        schedule.spans_known[day] = known
    return known


def _union(spans: Iterable[Span]) -> list[Span]:
    """Merge what overlaps or touches; ``spans`` are sorted by start."""
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

    A wall time that comes twice is its first occurrence as a start, its second as an end.
    """
    midnight = datetime(day.year, day.month, day.day)
    return (
        _instant_of(midnight + start * _MINUTE, zone, fold=0),
        _instant_of(midnight + end * _MINUTE, zone, fold=1),
    )


def _instant_of(wall: datetime, zone: ZoneInfo, *, fold: int) -> Minute:
    """The given occurrence of a wall time; one that is skipped is the first instant after.

    Offsets with seconds ended in 1972; they are cut to the minute, alike for all.
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


def _local_date(minute: Minute, zone: ZoneInfo) -> date:
    return to_instant(minute).astimezone(zone).date()
