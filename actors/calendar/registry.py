"""The calendars of this process: one actor for each calendar in use, started on demand."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Protocol

from actors.calendar.calendar_actor import CalendarActor, Moved, loaded_snapshot
from actors.calendar.mailbox import MailboxSealed, PendingCommand
from actors.calendar.settings import MEMORY_REACH, ActorSettings, ReservationSettings
from actors.calendar.snapshot import Snapshot
from actors.domain.announcements import MOVED_AWAY
from actors.domain.channels import DENTIST_PREFIX, PRACTICE_PREFIX, USER_PROFILE_PREFIX
from actors.domain.commands import Command
from actors.domain.ids import DentistId, PatientId, ProfileId
from actors.domain.refusals import NotFound, Unavailable
from actors.ports.calendars import CalendarStore, DueHold, LoadedCalendar
from actors.ports.clock import Clock
from actors.ports.commits import IdempotencyKey, OutcomeUnknown, Reply, StoreUnavailable
from actors.ports.events import EventRecord

log = logging.getLogger(__name__)

_ATTEMPTS = 3
"""How often a command is sent again because the calendar's actor stopped meanwhile."""

_OUTSIDE = frozenset(
    {
        "appointment_types.updated",
        "patient.merged",
        "practice.updated",
        "profile.updated",
        MOVED_AWAY,
    }
)
"""Events of what calendars rest on, and do not decide themselves."""


class Calendars(Protocol):
    """All calendars of the hub, wherever their actors are."""

    async def execute(
        self, dentist_id: DentistId, command: Command, *, key: IdempotencyKey, request_id: str
    ) -> Reply:
        """Send a command to a calendar and wait until it is decided and committed.

        Raises the command's Refusal; CalendarBusy when the mailbox is full or the command
        waited too long; Unavailable when the outcome is not known. A retry with the same key
        is safe in each case.
        """
        ...

    async def snapshot(self, dentist_id: DentistId) -> Snapshot:
        """The calendar as of its last commit; raises NotFound or Unavailable."""
        ...

    async def snapshots(self, dentist_ids: Sequence[DentistId]) -> Sequence[Snapshot]:
        """The snapshots of several calendars, in the given order."""
        ...


class Registry:
    """The :class:`Calendars` whose actors are in this process."""

    def __init__(
        self,
        store: CalendarStore,
        clock: Clock,
        settings: ActorSettings,
        reservations: ReservationSettings,
        *,
        on_hold: Callable[[DueHold], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._settings, self._reservations = settings, reservations
        self._on_hold = on_hold
        self._actors: dict[DentistId, CalendarActor] = {}
        self._tasks: dict[asyncio.Task[None], CalendarActor] = {}
        self._activations: dict[DentistId, asyncio.Task[CalendarActor]] = {}
        self._types_changes = self._changes = 0
        self._changed_at: dict[str, int] = {}
        """The number of the last change of a practice, or of a dentist in use, by their id."""
        self._closed = False

    async def execute(
        self, dentist_id: DentistId, command: Command, *, key: IdempotencyKey, request_id: str
    ) -> Reply:
        for _ in range(_ATTEMPTS):
            actor = await self._active(dentist_id)
            pending = PendingCommand(
                command=command,
                key=key,
                request_id=request_id,
                deadline_s=self._clock.monotonic() + self._settings.command_deadline_s,
                answer=asyncio.get_running_loop().create_future(),
            )
            try:
                actor.mailbox.put(pending)
                return await pending.answer
            except (MailboxSealed, Moved):
                continue
        raise Unavailable

    async def snapshot(self, dentist_id: DentistId) -> Snapshot:
        return (await self._active(dentist_id)).snapshot

    async def snapshots(self, dentist_ids: Sequence[DentistId]) -> Sequence[Snapshot]:
        return [await self.snapshot(each) for each in dentist_ids]

    async def numbered_snapshot(self, dentist_id: DentistId) -> tuple[int, int, Snapshot]:
        """The snapshot, with the fence and the number that identify it."""
        actor = await self._active(dentist_id)
        return actor.fence, actor.snapshot_number, actor.snapshot

    async def stored_snapshot(self, dentist_id: DentistId) -> Snapshot:
        """The calendar as the database has it, without owning it; raises NotFound, Unavailable."""
        live_after = self._clock.now() - MEMORY_REACH
        try:
            loaded = await self._store.view(dentist_id, live_after=live_after)
        except (StoreUnavailable, OutcomeUnknown) as error:
            raise Unavailable from error
        if loaded is None:
            raise NotFound("dentist")
        return loaded_snapshot(loaded, self._reservations)

    def has(self, dentist_id: DentistId) -> bool:
        """Whether the calendar is in memory and takes commands."""
        actor = self._actors.get(dentist_id)
        return actor is not None and not actor.mailbox.sealed

    async def stop(self, dentist_id: DentistId) -> None:
        """Let the calendar's actor finish the commands that it accepted, then end it."""
        if activation := self._activations.get(dentist_id):
            await asyncio.gather(activation, return_exceptions=True)
        if actor := self._actors.get(dentist_id):
            actor.mailbox.seal()
            running = [task for task, its in self._tasks.items() if its is actor]
            if running:
                await asyncio.wait(running)

    def abandon(self) -> None:
        """Forget every calendar at once: other nodes may own them now.

        Waiting commands fail with :class:`Moved` and are sent again.
        """
        for actor in self.actors():
            actor.mailbox.abandon(Moved())
        self._actors.clear()

    def on_events(self, records: Sequence[EventRecord]) -> None:
        """A listener of the relay: lets calendars read again what has changed outside of them.

        The fences of calendars whose practice or dentist changed, or that an appointment left,
        were raised in that commit;
        here they leave memory, so that readers see them as they are now, too.
        """
        for record in records:
            if record.type in _OUTSIDE:
                self._changed_outside(record)

    def _changed_outside(self, record: EventRecord) -> None:
        if record.type == "appointment_types.updated":
            self._types_changes += 1
            for actor in self.actors():
                actor.types_stale = True
        elif record.type == "practice.updated":
            practice_id = record.channel.removeprefix(PRACTICE_PREFIX)
            self._reopen(
                (practice_id,), lambda actor: actor.snapshot.calendar.practice_id == practice_id
            )
        elif record.type == "patient.merged" and record.channel.startswith(USER_PROFILE_PREFIX):
            merged = PatientId(ProfileId(record.channel.removeprefix(USER_PROFILE_PREFIX)))
            opening = tuple(self._activations)  # they may have been read before the merge
            self._reopen(opening, lambda actor: _has_rows_of(actor, merged))
        elif record.type == "profile.updated" and record.channel.startswith(USER_PROFILE_PREFIX):
            self._reopen_calendar(record.channel.removeprefix(USER_PROFILE_PREFIX))
        elif record.type == MOVED_AWAY:
            self._reopen_calendar(record.channel.removeprefix(DENTIST_PREFIX))

    def reopen_all(self) -> None:
        """Load every calendar again when it is used: events that change them may be lost."""
        self._reopen(tuple(self._activations), lambda _: True)

    def _reopen_calendar(self, person: str) -> None:
        dentist_id = DentistId(ProfileId(person))
        if dentist_id in self._actors or dentist_id in self._activations:
            self._reopen((dentist_id,), lambda actor: actor.dentist_id == dentist_id)

    def _reopen(self, about: Sequence[str], changed: Callable[[CalendarActor], bool]) -> None:
        """Let calendars finish what they accepted, and load them again when they are used.

        ``about``: practices and dentists, whose calendars may be loading now.
        """
        self._changes += 1
        self._changed_at |= dict.fromkeys(about, self._changes)
        for actor in self.actors():
            if changed(actor):
                del self._actors[actor.dentist_id]
                actor.mailbox.seal()

    def actors(self) -> tuple[CalendarActor, ...]:
        """The actors in memory, for health and metrics."""
        return tuple(self._actors.values())

    def sweep(self) -> None:
        """Drop overdue commands and passivate idle actors; called often, instead of timers."""
        now_s = self._clock.monotonic()
        unused_since_s = now_s - self._settings.passivate_after_minutes * 60
        for actor in self.actors():
            if actor.mailbox and (dropped := actor.mailbox.drop_overdue(now_s)):
                log.warning(
                    "commands_overdue",
                    extra={"dentist_id": actor.dentist_id, "dropped": dropped},
                )
            if actor.used_s <= unused_since_s and actor.idle:
                del self._actors[actor.dentist_id]
                actor.mailbox.seal()

    async def close(self) -> None:
        """Let every actor finish the commands that it accepted; refuse new ones."""
        self._closed = True
        activations = tuple(self._activations.values())
        for activation in activations:
            activation.cancel()
        await asyncio.gather(*activations, return_exceptions=True)
        for actor in self.actors():
            actor.mailbox.seal()
        if self._tasks:
            await asyncio.wait(self._tasks)

    # --- activation -----------------------------------------------------------------

    async def _active(self, dentist_id: DentistId) -> CalendarActor:
        actor = self._actors.get(dentist_id)
        if actor is None or actor.mailbox.sealed:
            actor = await self._activated(dentist_id)
        actor.used_s = self._clock.monotonic()
        return actor

    async def _activated(self, dentist_id: DentistId) -> CalendarActor:
        """Start the actor; callers that come meanwhile share the one activation.

        A caller that is cancelled does not cancel the activation for the others.
        """
        if self._closed:
            raise Unavailable
        activation = self._activations.get(dentist_id)
        if activation is None:
            activation = asyncio.create_task(self._activate(dentist_id))
            self._activations[dentist_id] = activation
            activation.add_done_callback(lambda _: self._activations.pop(dentist_id, None))
        try:
            return await asyncio.shield(activation)
        except asyncio.CancelledError:
            if activation.cancelled():  # the registry closes
                raise Unavailable from None
            raise

    async def _activate(self, dentist_id: DentistId) -> CalendarActor:
        types_changes = self._types_changes
        loaded = await self._open(dentist_id)
        if loaded is None:
            raise NotFound("dentist")
        actor = CalendarActor(
            loaded,
            store=self._store,
            clock=self._clock,
            settings=self._settings,
            reservations=self._reservations,
            on_hold=self._on_hold,
        )
        actor.types_stale = types_changes != self._types_changes
        self._actors[dentist_id] = actor
        task = asyncio.create_task(actor.run(), name=f"calendar {dentist_id}")
        self._tasks[task] = actor
        task.add_done_callback(self._ended)
        return actor

    async def _open(self, dentist_id: DentistId) -> LoadedCalendar | None:
        """Load the calendar, once more if its practice or dentist changed meanwhile."""
        for _ in range(_ATTEMPTS):
            changes, live_after = self._changes, self._clock.now() - MEMORY_REACH
            try:
                loaded = await self._store.open(dentist_id, live_after=live_after)
            except (StoreUnavailable, OutcomeUnknown) as error:
                raise Unavailable from error
            about = (dentist_id, loaded.practice_id) if loaded else ()
            if all(self._changed_at.get(each or "", 0) <= changes for each in about):
                return loaded
        raise Unavailable

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Forget a stopped actor: the next command activates a fresh one."""
        actor = self._tasks.pop(task)
        if self._actors.get(actor.dentist_id) is actor:
            del self._actors[actor.dentist_id]


def _has_rows_of(actor: CalendarActor, patient_id: PatientId) -> bool:
    calendar = actor.snapshot.calendar
    return any(row.patient_id == patient_id for row in (*calendar.agenda, *calendar.completed))
