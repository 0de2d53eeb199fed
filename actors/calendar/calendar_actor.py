"""The calendar actor: load → decide → commit → evolve → reply (DESIGN §4).

Commands wait undecided while a commit is in flight; when it returns, all that queued is
decided in order and is the next commit. Replies and the new snapshot are released only
after COMMIT succeeded, so nothing is seen that could still be lost.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import get_args

from actors.calendar.batch import KeyId, Plan, key_id, plan_batch
from actors.calendar.mailbox import Ask, Mailbox
from actors.calendar.settings import MEMORY_REACH, ActorSettings, ReservationSettings
from actors.calendar.snapshot import Snapshot
from actors.domain.agenda import Agenda
from actors.domain.appointment import AppointmentType, Status
from actors.domain.calendar import Calendar
from actors.domain.channels import availability_channel
from actors.domain.commands import Named
from actors.domain.events import SlotHeld
from actors.domain.ids import AppointmentId, AppointmentTypeId, DentistId
from actors.domain.refusals import CalendarBusy, Refusal, Unavailable
from actors.ports.calendars import CalendarStore, DueHold, LoadedCalendar
from actors.ports.clock import Clock
from actors.ports.commits import (
    CalendarCommit,
    Committed,
    ConstraintViolated,
    Fenced,
    IdempotencyKey,
    OutcomeUnknown,
    OwnedElsewhere,
    Reply,
    StaleTypes,
    StoreUnavailable,
    TurnRefused,
    TurnReplayed,
)

log = logging.getLogger(__name__)

_NAMED = get_args(Named)

_SPARE_TRIES = 4
"""Beyond one per refused turn: stale types, a reload, and the try that succeeds."""

_KEYS_MAX = 10_000
"""Client keys remembered per calendar; older ones are found in the store."""


class Moved(Exception):
    """Another owner has the calendar: nothing was written, ask there."""


class CalendarActor:
    """At most one per dentist and process; the fence makes a second one harmless."""

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
        """When somebody last asked, on the monotonic clock."""
        self.turn_s = 0.0
        """How long the last batch took, from the mailbox to the replies."""
        self.types_stale = False
        """An appointment type was changed or added: read them before the next decision."""
        self._store = store
        self._clock = clock
        self._batch_size, self._reservations = settings.batch_size, reservations
        self._on_hold = on_hold
        self._in_flight: Sequence[Ask] = ()
        self._replies: OrderedDict[KeyId, tuple[str, Reply]] = OrderedDict()
        self.snapshot_number = 0
        """Raised with each new snapshot: with the fence, it names one state of all time."""
        self._adopt(loaded)

    @property
    def fence(self) -> int:
        """As it was when the calendar was last loaded here."""
        return self._fence

    @property
    def snapshot(self) -> Snapshot:
        """What readers see: the state of the last commit."""
        return self._snapshot

    @snapshot.setter
    def snapshot(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self.snapshot_number += 1

    @property
    def idle(self) -> bool:
        """Nothing queued, nothing in flight, no hold that must run out here."""
        return not (self.mailbox or self._in_flight or self.holds)

    @property
    def holds(self) -> int:
        """How many slots are held here now."""
        return self.snapshot.calendar.agenda.hold_count

    async def run(self) -> None:
        """Work until sealed and drained. Whatever ends it, everyone is answered."""
        error: Exception | None = None
        try:
            while asks := await self.mailbox.take(most=self._batch_size):
                self._in_flight = asks
                began_s = self._clock.monotonic()
                await self._batch(asks)
                self.turn_s = self._clock.monotonic() - began_s
                self._in_flight = ()
        except (Moved, OwnedElsewhere) as moved:
            error = moved
        except StoreUnavailable:
            error = Unavailable()
        except Exception as unexpected:
            log.exception("calendar_actor_failed", extra={"dentist_id": self.dentist_id})
            error = unexpected
        finally:
            for ask in self._in_flight:
                ask.fail(error or Unavailable())
            self.mailbox.abandon(error)

    # --- one batch ------------------------------------------------------------------

    async def _batch(self, asks: Sequence[Ask]) -> None:
        asks = self._punctual(asks)
        await self._refresh_types()
        calendar = await self._with_named_rows(asks)
        forced: dict[Ask, Reply | Refusal] = {}
        reloaded = False
        for _ in range(len(asks) + _SPARE_TRIES):
            plan = plan_batch(calendar, asks, self._clock.now(), known=self._known, forced=forced)
            try:
                committed = await self._commit(plan)
            except TurnRefused as refused:
                forced[plan.askers[refused.index][0]] = refused.refusal
            except TurnReplayed as replayed:
                forced[plan.askers[replayed.index][0]] = replayed.reply
            except StaleTypes:
                calendar = replace(calendar, types=await self._load_types())
            except ConstraintViolated:
                log.exception("constraint_violated", extra={"dentist_id": self.dentist_id})
                if reloaded:
                    raise
                reloaded = True
                await self._reload()
                calendar = await self._with_named_rows(asks)
            except Fenced:
                raise Moved from None
            except OutcomeUnknown:
                await self._settle_unknown(plan)
                return
            else:
                self._release(plan, committed)
                return
        for ask in asks:
            ask.fail(CalendarBusy())

    def _punctual(self, asks: Iterable[Ask]) -> list[Ask]:
        now_s = self._clock.monotonic()
        punctual = []
        for ask in asks:
            if ask.deadline_s < now_s:
                ask.fail(CalendarBusy())
            else:
                punctual.append(ask)
        return punctual

    async def _refresh_types(self) -> None:
        """The commit would notice stale types; a refusal is never committed, so it would not."""
        if self.types_stale:
            self.types_stale = False
            types = await self._load_types()
            calendar = replace(self.snapshot.calendar, types=types)
            self.snapshot = replace(self.snapshot, calendar=calendar)

    async def _load_types(self) -> dict[AppointmentTypeId, AppointmentType]:
        return {kind.id: kind for kind in await self._store.load_types()}

    async def _with_named_rows(self, asks: Sequence[Ask]) -> Calendar:
        """The calendar, with the rows that commands name and memory does not have."""
        calendar = self.snapshot.calendar
        missing: list[AppointmentId] = [
            ask.command.appointment_id
            for ask in asks
            if isinstance(ask.command, _NAMED) and calendar.find(ask.command.appointment_id) is None
        ]
        if not missing:
            return calendar
        return calendar.with_named(await self._store.load_rows(self.dentist_id, missing))

    async def _commit(self, plan: Plan) -> Committed:
        if not plan.turns:
            return Committed(replies=(), positions={})
        return await self._store.commit(
            CalendarCommit(
                dentist_id=self.dentist_id,
                fence=self._fence,
                types=plan.types(),
                hold_limit=self._reservations.max_per_patient,
                turns=tuple(plan.turns),
            )
        )

    # --- the output gate ------------------------------------------------------------

    def _release(self, plan: Plan, committed: Committed) -> None:
        """After COMMIT, and only then: memory, the snapshot, the alarms, the replies."""
        assert len(committed.replies) == len(plan.turns), "a reply per turn"
        if any(turn.events for turn in plan.turns):
            channel = availability_channel(self.dentist_id)
            self.snapshot = Snapshot(
                calendar=plan.calendar.settled(self._clock.now() - MEMORY_REACH),
                position=committed.positions.get(channel, self.snapshot.position),
            )
        for turn, askers, reply in zip(plan.turns, plan.askers, committed.replies, strict=True):
            for event in turn.events:
                if isinstance(event, SlotHeld) and event.after.expires_at:
                    self._on_hold(
                        DueHold(
                            expires_at=event.after.expires_at,
                            dentist_id=self.dentist_id,
                            appointment_id=event.after.id,
                        )
                    )
            self._remember(turn.key, reply)
            for ask in askers:
                ask.reply(reply)
        _answer(plan.answers)

    # --- when it went wrong ---------------------------------------------------------

    async def _settle_unknown(self, plan: Plan) -> None:
        """COMMIT got no answer: fence off the half-dead transaction, then look it up."""
        log.warning("commit_outcome_unknown", extra={"dentist_id": self.dentist_id})
        await self._reload()
        keys = [turn.key for turn in plan.turns]
        found = {key_id(stored.key): stored for stored in await self._store.replies(keys)}
        for turn, askers in zip(plan.turns, plan.askers, strict=True):
            stored = found.get(key_id(turn.key))
            for ask in askers:
                if stored is None:
                    ask.fail(Unavailable())
                else:
                    ask.reply(stored.reply)
        for ask, _ in plan.answers:
            ask.fail(Unavailable())

    async def _reload(self) -> None:
        """Restart is always: raise the fence, load, go on."""
        loaded = await self._store.open(
            self.dentist_id, live_after=self._clock.now() - MEMORY_REACH
        )
        if loaded is None:
            raise Moved
        self._adopt(loaded)

    def _adopt(self, loaded: LoadedCalendar) -> None:
        self._fence = loaded.fence
        self.snapshot = snapshot_as_loaded(loaded, self._reservations)
        self._replies.clear()
        for stored in loaded.replies:
            self._remember(stored.key, stored.reply)

    # --- idempotency ----------------------------------------------------------------

    def _known(self, key: IdempotencyKey) -> tuple[str, Reply] | None:
        return self._replies.get(key_id(key))

    def _remember(self, key: IdempotencyKey, reply: Reply) -> None:
        if key.internal:
            return
        self._replies[key_id(key)] = (key.fingerprint, reply)
        while len(self._replies) > _KEYS_MAX:
            self._replies.popitem(last=False)


def snapshot_as_loaded(loaded: LoadedCalendar, reservations: ReservationSettings) -> Snapshot:
    return Snapshot(
        calendar=Calendar(
            dentist_id=loaded.dentist_id,
            schedule=loaded.schedule,
            types={kind.id: kind for kind in loaded.types},
            hold_time=timedelta(seconds=reservations.hold_seconds),
            agenda=Agenda(loaded.rows),
            completed=tuple(row for row in loaded.rows if row.status is Status.COMPLETED),
        ),
        position=loaded.position,
    )


def _answer(answers: Iterable[tuple[Ask, Reply | Refusal]]) -> None:
    for ask, answer in answers:
        if isinstance(answer, Reply):
            ask.reply(answer)
        else:
            ask.fail(answer)
