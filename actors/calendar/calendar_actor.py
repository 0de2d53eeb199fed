"""The calendar actor: the one place where a dentist's appointments are decided.

Commands wait in the mailbox while a commit is in flight. When it returns, the actor takes all
that wait as one batch and goes through four steps:

1. **decide** each command on the state that the ones before it left
   (:mod:`actors.calendar.batch`);
2. **commit** all turns of the batch in one transaction, or none of them;
3. **publish** the new snapshot, which readers use from then on;
4. **reply** to the callers.

Snapshot and replies follow COMMIT. So no uncommitted state is visible, and a failed commit
leaves nothing to undo.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta

from actors.calendar.batch import BatchPlan, KeyId, key_id, plan_batch
from actors.calendar.mailbox import Mailbox, PendingCommand
from actors.calendar.settings import MEMORY_REACH, ActorSettings, ReservationSettings
from actors.calendar.snapshot import Snapshot
from actors.domain.agenda import Agenda
from actors.domain.appointment import Appointment, AppointmentType, Status
from actors.domain.calendar import Calendar
from actors.domain.channels import availability_channel
from actors.domain.commands import RowCommand
from actors.domain.events import SlotHeld
from actors.domain.ids import AppointmentId, AppointmentTypeId, DentistId
from actors.domain.refusals import CalendarBusy, Refusal, Unavailable
from actors.ports import commits
from actors.ports.calendars import CalendarStore, DueHold, LoadedCalendar
from actors.ports.clock import Clock
from actors.ports.commits import IdempotencyKey, Reply

log = logging.getLogger(__name__)

_SPARE_ATTEMPTS = 4
"""Beyond one for each refused turn: stale types, a reload, and the attempt that succeeds."""

_KEYS_MAX = 10_000
"""Clients' keys remembered for a calendar; replies to older ones are found in the store."""


class Moved(Exception):
    """The fence was raised, so nothing was written. Another process may own the calendar now."""


class CalendarActor:
    """Decides the commands of one calendar, one batch after the other.

    A process has at most one for each dentist. If a second process has one, too, the fence
    lets only the later one commit.
    """

    def __init__(
        self,
        loaded: LoadedCalendar,
        *,
        store: CalendarStore,
        clock: Clock,
        settings: ActorSettings,
        reservations: ReservationSettings,
        on_hold: Callable[[DueHold], None],
    ) -> None:
        self.dentist_id: DentistId = loaded.dentist_id
        self.mailbox = Mailbox(limit=settings.mailbox_size)
        self.used_s = clock.monotonic()
        """When the calendar was last used, on the monotonic clock."""
        self.last_batch_s = 0.0
        """How long the last batch took, from the mailbox to the replies."""
        self.types_stale = False
        """Whether to read the appointment types again before the next decision."""
        self._store = store
        self._clock = clock
        self._batch_size, self._reservations = settings.batch_size, reservations
        self._on_hold = on_hold
        self._in_flight: Sequence[PendingCommand] = ()
        self._replies: OrderedDict[KeyId, tuple[str, Reply]] = OrderedDict()
        """By key, the oldest first."""
        self.snapshot_number = 0
        """Counts snapshots. Fence and number together identify a state of the calendar."""
        self._adopt(loaded)

    @property
    def snapshot(self) -> Snapshot:
        """What readers see: the state of the last commit."""
        return self._snapshot

    @snapshot.setter
    def snapshot(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self.snapshot_number += 1
        self.holds = snapshot.calendar.agenda.hold_count
        """The number of slots held now, overdue holds included."""

    @property
    def idle(self) -> bool:
        """Whether nothing is queued or in flight, and no hold has to expire here."""
        return not (self.mailbox or self._in_flight or self.holds)

    async def run(self) -> None:
        """Work until the mailbox is sealed and drained. However it ends, every caller gets an
        answer."""
        error: Exception | None = None
        try:
            while commands := await self.mailbox.take(most=self._batch_size):
                self._in_flight = commands
                began_s = self._clock.monotonic()
                await self._execute(commands)
                self.last_batch_s = self._clock.monotonic() - began_s
                self._in_flight = ()
        except (Moved, commits.OwnedElsewhere) as moved:
            error = moved
        except (commits.StoreUnavailable, commits.OutcomeUnknown):  # also while it loads again
            error = Unavailable()
        except Exception as unexpected:
            log.exception("calendar_actor_failed", extra={"dentist_id": self.dentist_id})
            error = unexpected
        finally:
            for pending in self._in_flight:
                pending.respond(error or Unavailable())
            self.mailbox.abandon(error)

    # --- one batch ------------------------------------------------------------------

    async def _execute(self, commands: Sequence[PendingCommand]) -> None:
        """Decide and commit a batch; again without the commands that the committer refused."""
        now_s = self._clock.monotonic()
        commands = [pending for pending in commands if not pending.drop_if_overdue(now_s)]
        if self.types_stale:
            await self._refresh_types()
        calendar = await self._with_named_rows(commands)
        answered: dict[PendingCommand, Reply | Refusal] = {}
        reloaded = False
        for _ in range(len(commands) + _SPARE_ATTEMPTS):
            now = self._clock.now()
            plan = plan_batch(calendar, commands, now, replies=self._replies, answered=answered)
            try:
                committed = await self._commit(plan)
            except commits.TurnRefused as refused:
                answered[plan.waiting[refused.index][0]] = refused.refusal
            except commits.TurnReplayed as replayed:
                answered[plan.waiting[replayed.index][0]] = replayed.reply
            except commits.StaleTypes:
                calendar = replace(calendar, types=await self._load_types())
            except commits.ConstraintViolated:
                log.exception("constraint_violated", extra={"dentist_id": self.dentist_id})
                if reloaded:
                    raise
                reloaded = True
                await self._reload()
                calendar = await self._with_named_rows(commands)
            except commits.Fenced:
                raise Moved from None
            except commits.OutcomeUnknown:
                await self._resolve_unknown_outcome(plan)
                return
            else:
                self._release(plan, committed)
                return
        for pending in commands:
            pending.respond(CalendarBusy())

    async def _refresh_types(self) -> None:
        """Read changed appointment types before they are used for a decision.

        A commit would fail on stale types, but a refusal is not committed.
        """
        self.types_stale = False
        calendar = replace(self.snapshot.calendar, types=await self._load_types())
        self.snapshot = Snapshot(calendar=calendar, position=self.snapshot.position)

    async def _load_types(self) -> dict[AppointmentTypeId, AppointmentType]:
        return {kind.id: kind for kind in await self._store.load_types()}

    async def _with_named_rows(self, commands: Sequence[PendingCommand]) -> Calendar:
        """The calendar with the rows that the commands name and that are not in memory."""
        calendar = self.snapshot.calendar
        missing: list[AppointmentId] = [
            pending.command.appointment_id
            for pending in commands
            if isinstance(pending.command, RowCommand)
            and calendar.find(pending.command.appointment_id) is None
        ]
        if not missing:
            return calendar
        return calendar.with_named(await self._store.load_rows(self.dentist_id, missing))

    async def _commit(self, plan: BatchPlan) -> commits.Committed:
        if not plan.turns:
            return commits.Committed(replies=(), positions={})
        return await self._store.commit(
            commits.CalendarCommit(
                dentist_id=self.dentist_id,
                fence=self.fence,
                types=plan.calendar.offered_types,
                hold_limit=self._reservations.max_per_patient,
                future_limit=self._reservations.max_future_per_patient,
                turns=tuple(plan.turns),
            )
        )

    # --- after the commit -----------------------------------------------------------

    def _release(self, plan: BatchPlan, committed: commits.Committed) -> None:
        """Publish the snapshot, set alarms for the holds, reply. Only after COMMIT."""
        assert len(committed.replies) == len(plan.turns), "a reply per turn"
        if any(turn.events for turn in plan.turns):
            channel = availability_channel(self.dentist_id)
            self.snapshot = Snapshot(
                calendar=plan.calendar.settled(self._clock.now() - MEMORY_REACH),
                position=committed.positions.get(channel, self.snapshot.position),
            )
        for turn, waiting, reply in zip(plan.turns, plan.waiting, committed.replies, strict=True):
            for event in turn.events:
                if isinstance(event, SlotHeld):
                    self._set_alarm(event.after)
            self._remember(turn.key, reply)
            for pending in waiting:
                pending.respond(reply)
        for pending, answer in plan.answers:
            pending.respond(answer)

    def _set_alarm(self, row: Appointment) -> None:
        assert row.expires_at is not None, "a hold has an end"
        self._on_hold(
            DueHold(expires_at=row.expires_at, dentist_id=row.dentist_id, appointment_id=row.id)
        )

    # --- failures -------------------------------------------------------------------

    async def _resolve_unknown_outcome(self, plan: BatchPlan) -> None:
        """COMMIT got no answer: raise the fence, then look the keys up in the store.

        The new fence keeps the old transaction from committing later.
        """
        log.warning("commit_outcome_unknown", extra={"dentist_id": self.dentist_id})
        await self._reload()
        keys = [turn.key for turn in plan.turns]
        found = {key_id(stored.key): stored for stored in await self._store.replies(keys)}
        for turn, waiting in zip(plan.turns, plan.waiting, strict=True):
            stored = found.get(key_id(turn.key))
            for pending in waiting:
                pending.respond(stored.reply if stored else Unavailable())
        for pending, _ in plan.answers:
            pending.respond(Unavailable())

    async def _reload(self) -> None:
        """Raise the fence and load the calendar again, as at the start."""
        loaded = await self._store.open(
            self.dentist_id, live_after=self._clock.now() - MEMORY_REACH
        )
        if loaded is None:
            raise Moved
        self._adopt(loaded)

    def _adopt(self, loaded: LoadedCalendar) -> None:
        self.fence = loaded.fence
        self.snapshot = loaded_snapshot(loaded, self._reservations)
        self._replies.clear()
        for stored in loaded.replies:
            self._remember(stored.key, stored.reply)
        for row in loaded.rows:  # another node may have held them, or a commit without an answer
            if row.status is Status.HELD:
                self._set_alarm(row)

    def _remember(self, key: IdempotencyKey, reply: Reply) -> None:
        if not key.internal:
            self._replies[key_id(key)] = (key.fingerprint, reply)
            if len(self._replies) > _KEYS_MAX:
                self._replies.popitem(last=False)


def loaded_snapshot(loaded: LoadedCalendar, reservations: ReservationSettings) -> Snapshot:
    return Snapshot(
        calendar=Calendar(
            dentist_id=loaded.dentist_id,
            schedule=loaded.schedule,
            types={kind.id: kind for kind in loaded.types},
            hold_time=timedelta(seconds=reservations.hold_seconds),
            agenda=Agenda(loaded.rows),
            completed=tuple(row for row in loaded.rows if row.status is Status.COMPLETED),
            practice_id=loaded.practice_id,
            active=loaded.active,
        ),
        position=loaded.position,
    )
