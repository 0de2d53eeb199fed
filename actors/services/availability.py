"""Schedules and free slots, read from the calendars' snapshots without queueing."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from actors.calendar.registry import Calendars
from actors.calendar.snapshot import Snapshot
from actors.domain.announcements import ScheduleBody
from actors.domain.appointment import AppointmentType
from actors.domain.channels import Channel, availability_channel
from actors.domain.commands import ReplaceSchedule
from actors.domain.ids import AppointmentId, AppointmentTypeId, DentistId, PatientId
from actors.domain.position import Position
from actors.domain.principal import Principal, Role
from actors.domain.refusals import Forbidden, ValidationFailed
from actors.domain.schedule import MINUTES_PER_DAY, Schedule, StaffTerms
from actors.domain.slots import Minute, Span, minute_up, to_instant
from actors.domain.values import value
from actors.ports.appointments import AppointmentPage, Appointments
from actors.ports.clock import Clock, NewId
from actors.ports.commits import Reply
from actors.ports.profiles import Profiles
from actors.services.caller import Caller, idempotency_key
from actors.services.catalog import Catalog
from actors.services.directory import Directory
from actors.services.requests import SlotRange, SlotSearch
from actors.services.stored_bytes import StoredBytes
from actors.turns import SLICE_STARTS, Turns

MAX_RANGE = timedelta(days=62)
_DIRECTORY_PAGE = 200
_PART_COST = 20
"""What looking for starts costs, even where there are none, counted in starts."""
_VISIT_COST = 5
"""What it costs to see whether a visit lies in open time, counted in starts."""


@value
class Slot:
    dentist_id: DentistId
    appointment_type_id: AppointmentTypeId
    start: datetime
    end: datetime


@value
class SlotPage:
    slots: tuple[Slot, ...]
    next_after: tuple[datetime, DentistId] | None
    """The last slot, if there are more."""
    positions: Mapping[Channel, Position]
    """Of every calendar that was read: the state that the list reflects."""


class Availability:
    """Finds free slots and replaces schedules."""

    def __init__(
        self,
        registry: Calendars,
        catalog: Catalog,
        directory: Directory,
        profiles: Profiles,
        appointments: Appointments,
        clock: Clock,
        new_id: NewId,
        stored: StoredBytes,
        turns: Turns,
    ) -> None:
        self._registry = registry
        self._catalog = catalog
        self._directory = directory
        self._profiles, self._appointments = profiles, appointments
        self._clock = clock
        self._new_id = new_id
        self._stored, self._turns = stored, turns

    async def schedule(self, dentist_id: DentistId) -> ScheduleBody:
        """A dentist's availability schedule (criterion 4.5), for anyone signed in."""
        snapshot = await self._snapshot(dentist_id)
        return ScheduleBody(dentist_id=dentist_id, schedule=snapshot.calendar.schedule)

    async def slots(
        self,
        caller: Caller,
        dentist_id: DentistId,
        query: SlotRange,
    ) -> SlotPage:
        """Every free slot of one dentist (criterion 2.4); one's own holds count as free."""
        _check_range(query)
        kind = await self._catalog.kind(caller.principal, query.appointment_type_id)
        snapshot = await self._snapshot(dentist_id)
        found: list[Slot] = []
        now, by = self._clock.now(), caller.principal
        async with self._turns.begin(by.scope) as work:
            for part in _parts(snapshot, _minutes(query)):
                starts = _free(by, snapshot, kind, part, now)
                found += (_slot(dentist_id, kind, start) for start in starts)
                await work.spend(len(starts) + _PART_COST)
        return SlotPage(
            slots=tuple(found),
            next_after=None,
            positions=_positions([snapshot]),
        )

    async def find(self, caller: Caller, search: SlotSearch) -> SlotPage:
        """The first free slots over some or all dentists, by start, then dentist.

        Looks a day ahead, then two, four and so on, and stops as soon as it has enough.
        """
        _check_range(search)
        kind = await self._catalog.kind(caller.principal, search.appointment_type_id)
        dentist_ids = await self._searched(caller.principal, search)
        snapshots = await self._snapshots(dentist_ids)
        limit, by, now = search.limit, caller.principal, self._clock.now()
        first, before = _minutes(search)
        if search.after:
            first = max(first, minute_up(search.after[0]))
        found: list[Slot] = []
        async with self._turns.begin(by.scope) as work:
            for stretch in _stretches(first, before):
                slots: list[Slot] = []
                for snapshot in snapshots:
                    own: list[Slot] = []
                    for part in _parts(snapshot, stretch):
                        starts = _free(by, snapshot, kind, part, now, search.terms)
                        own += _wanted(snapshot, kind, starts, search)
                        await work.spend(len(starts) + _PART_COST)
                        if len(own) > limit:
                            break
                    slots += own
                found += sorted(slots, key=_order)
                if len(found) > limit:
                    break
        return SlotPage(
            slots=tuple(found[:limit]),
            next_after=_order(found[limit - 1]) if len(found) > limit else None,
            positions=_positions(snapshots),
        )

    async def affected(
        self,
        caller: Caller,
        dentist_id: DentistId,
        *,
        limit: int,
        after: tuple[datetime, AppointmentId] | None,
    ) -> AppointmentPage:
        """The visits to come outside of open time as it is now, by start, until they are moved.

        For that dentist and the staff of the practice. Closures are no open time, nor is any
        time of a dentist who is not active.
        """
        await self._check_manages(caller.principal, dentist_id)
        calendar, now = (await self._snapshot(dentist_id)).calendar, self._clock.now()
        found: list[tuple[datetime, AppointmentId]] = []
        async with self._turns.begin(caller.principal.scope) as work:
            for row in calendar.agenda:
                if calendar.is_affected(row, now):
                    found.append((row.start, row.id))
                await work.spend(_VISIT_COST)
        rest = [place for place in found if after is None or place > after]
        ids = [appointment_id for _, appointment_id in rest[:limit]]
        rows, names = await self._appointments.some(caller.principal, ids)
        return AppointmentPage(
            rows=rows,
            names=names,
            total=len(found),
            next_after=rest[limit - 1] if len(rest) > limit else None,
            positions={},
        )

    async def _check_manages(self, by: Principal, dentist_id: DentistId) -> None:
        by.require(Role.DENTIST, Role.STAFF)
        if not by.manages(dentist_id):
            await self._directory.dentist(dentist_id)
            raise Forbidden("Only that dentist and their practice may do this")

    async def replace(
        self,
        caller: Caller,
        dentist_id: DentistId,
        schedule: Schedule,
        *,
        expected_version: int | None = None,
        dry_run: bool = False,
    ) -> Reply:
        """Replace the whole schedule (that dentist, or staff); nothing booked is cancelled.

        The reply lists the appointments that now lie outside; ``dry_run`` changes nothing.
        """
        await self._check_manages(caller.principal, dentist_id)
        await self._check_types(schedule)
        command = ReplaceSchedule(
            by=caller.principal,
            schedule=schedule,
            expected_version=expected_version,
            dry_run=dry_run,
        )
        request = {
            "id": dentist_id,
            "schedule": schedule,
            "version": expected_version,
            "dry_run": dry_run,
        }
        key = idempotency_key(caller, "availability:update", request, self._new_id)
        self._stored.check(caller.principal)
        reply = await self._registry.execute(
            dentist_id, command, key=key, request_id=caller.request_id
        )
        self._stored.add(caller.principal, reply)
        return reply

    # --- reading snapshots ----------------------------------------------------------

    async def _snapshot(self, dentist_id: DentistId) -> Snapshot:
        await self._directory.dentist(dentist_id)
        return await self._registry.snapshot(dentist_id)

    async def _snapshots(self, dentist_ids: Sequence[DentistId]) -> Sequence[Snapshot]:
        for dentist_id in dentist_ids:
            await self._directory.dentist(dentist_id)
        return await self._registry.snapshots(dentist_ids)

    async def _check_types(self, schedule: Schedule) -> None:
        known = {kind.id for kind in await self._catalog.types()}
        for field, type_ids in (
            ("daily_limits", [limit.appointment_type_id for limit in schedule.daily_limits]),
            ("appointment_type_ids", schedule.appointment_type_ids or ()),
        ):
            if not known.issuperset(type_ids):
                raise ValidationFailed.of(field, "there is no such appointment type")

    async def _searched(self, by: Principal, search: SlotSearch) -> Sequence[DentistId]:
        """The dentists of a search; of one for staff, only those whose calendars they manage."""
        if search.terms is None:
            return await self._dentists(by, search.dentist_ids)
        me = by.require(Role.DENTIST, Role.STAFF)
        for dentist_id in search.dentist_ids:
            await self._check_manages(by, dentist_id)
        if search.dentist_ids:
            return tuple(dict.fromkeys(search.dentist_ids))
        return by.calendars if by.role is Role.STAFF else (DentistId(me),)

    async def _dentists(
        self, by: Principal, dentist_ids: Sequence[DentistId]
    ) -> Sequence[DentistId]:
        """The given dentists, once each; without any, every dentist of the clinic."""
        if dentist_ids:
            return tuple(dict.fromkeys(dentist_ids))
        everyone: list[DentistId] = []
        after = None
        while True:
            page = await self._profiles.dentists(by, limit=_DIRECTORY_PAGE, after=after)
            everyone += (DentistId(profile.id) for profile in page.profiles)
            if (after := page.next_after) is None:
                return everyone


def _free(
    by: Principal,
    snapshot: Snapshot,
    kind: AppointmentType,
    part: Span,
    now: datetime,
    terms: StaffTerms | None = None,
) -> Sequence[Minute]:
    patient_id = PatientId(by.person) if by.role is Role.PATIENT and by.person else None
    first, before = part
    return snapshot.free(
        kind, first=first, before=before, now=now, patient_id=patient_id, terms=terms
    )


def _minutes(query: SlotRange) -> Span:
    return minute_up(query.starts_from), minute_up(query.starts_before)


def _parts(snapshot: Snapshot, stretch: Span) -> Iterator[Span]:
    """Parts with at most about a slice of starts, and at least a day long.

    They begin at the same minutes for every stretch, so that snapshots can cache their starts.
    """
    step = snapshot.calendar.schedule.slot_step_minutes
    length = max(MINUTES_PER_DAY, SLICE_STARTS * step)
    first, before = stretch
    while first < before:
        end = min((first // length + 1) * length, before)
        yield first, end
        first = end


def _check_range(query: SlotRange) -> None:
    if query.starts_before <= query.starts_from:
        raise ValidationFailed.of("to", "must be later than from")
    if query.starts_before - query.starts_from > MAX_RANGE:
        raise ValidationFailed.of("to", f"at most {MAX_RANGE.days} days after from")


def _stretches(first: Minute, before: Minute) -> Iterator[Span]:
    """Stretches of one day, two, four and so on: short until enough slots are found."""
    length = MINUTES_PER_DAY
    while first < before:
        end = min(first + length, before)
        yield first, end
        first, length = end, length * 2


def _slot(dentist_id: DentistId, kind: AppointmentType, start: Minute) -> Slot:
    return Slot(
        dentist_id=dentist_id,
        appointment_type_id=kind.id,
        start=to_instant(start),
        end=to_instant(start + kind.duration_minutes),
    )


def _positions(snapshots: Sequence[Snapshot]) -> Mapping[Channel, Position]:
    return {
        availability_channel(snapshot.calendar.dentist_id): snapshot.position
        for snapshot in snapshots
    }


def _wanted(
    snapshot: Snapshot,
    kind: AppointmentType,
    starts: Sequence[Minute],
    search: SlotSearch,
) -> Iterator[Slot]:
    """The first slots after the page before, at the wanted times; one more than the limit."""
    calendar, time_from, time_to = snapshot.calendar, search.time_from, search.time_to
    found = 0
    for start in starts:
        if time_from is not None or time_to is not None:
            local = to_instant(start).astimezone(calendar.schedule.zone)
            minute = local.hour * 60 + local.minute
            if not (time_from or 0) <= minute < (MINUTES_PER_DAY if time_to is None else time_to):
                continue
        slot = _slot(calendar.dentist_id, kind, start)
        if search.after is None or _order(slot) > search.after:
            yield slot
            found += 1
            if found > search.limit:
                return


def _order(slot: Slot) -> tuple[datetime, DentistId]:
    return slot.start, slot.dentist_id
