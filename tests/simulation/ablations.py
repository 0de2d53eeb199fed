"""Tests of the tests: without each of these safeguards, some seed violates an invariant.

A safeguard is switched off by replacing a part of the hub for the time of a run; the hub has no
switch for it. ``python -m tests.simulation --ablations`` prints the table of
``docs/reliability.md``;
with ``--seeds 1000`` it looks for other seeds where the known one does not notice any more.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final
from unittest.mock import patch

from actors.calendar.batch import BatchPlan
from actors.calendar.calendar_actor import CalendarActor
from actors.domain.agenda import Agenda
from actors.domain.appointment import Appointment
from actors.domain.refusals import Unavailable
from actors.ports.commits import Committed, Reply
from actors.ports.events import EventRecord
from actors.relay.repair import ChannelRepair
from actors.relay.retries import BroadcastOutcome, RetryingBroadcaster
from api.realtime.rooms.revocations import Revocations
from api.realtime.rooms.subscribers import Subscription
from chairside.client.channels import HubEvent, Position
from chairside.client.tracking import NOTHING, ChannelTracker, ChannelUpdate
from hub.cluster.members.lease import Lease
from store.commit import committer
from tests.simulation.auditor import (
    COMPLETE,
    DURABLE,
    GUARDED,
    IN_ORDER,
    NO_BUG,
    ONE_OWNER,
    OUTBOX,
    RIGHTS,
)
from tests.simulation.world import memory_database, simulate

Patch = Callable[[], AbstractContextManager[object]]


@dataclass(frozen=True)
class Ablation:
    safeguard: str
    patch: Patch
    seed: int
    """One that notices."""
    invariant: str

    @property
    def row(self) -> str:
        """Of the table in the documentation."""
        return f"| {self.safeguard} | {self.seed} | {self.invariant} |"


def _replaced(owner: Any, name: str, replacement: Any) -> Patch:
    return lambda: patch.object(owner, name, replacement)


# --- the calendar -----------------------------------------------------------------------


_commit = CalendarActor._commit


async def _answer_first(actor: CalendarActor, plan: BatchPlan) -> Committed:
    for turn, waiting in zip(plan.turns, plan.waiting, strict=True):
        reply = Reply(
            outcome=turn.outcome, resource_id=turn.resource_id, version=turn.version, body=b""
        )
        for pending in waiting:
            pending.respond(reply)
    return await _commit(actor, plan)


async def _give_up(actor: CalendarActor, plan: BatchPlan) -> None:
    """Without a new fence, and without a look at what was committed."""
    for waiting in plan.waiting:
        for pending in waiting:
            pending.respond(Unavailable())
    for pending, _ in plan.answers:
        pending.respond(Unavailable())


_adopt = CalendarActor._adopt


def _adopt_without_alarms(actor: CalendarActor, loaded: Any) -> None:
    with patch.object(CalendarActor, "_set_alarm", lambda *_: None):
        _adopt(actor, loaded)


# --- the database -----------------------------------------------------------------------


@contextmanager
def _without_triggers() -> Iterator[None]:
    """The next run begins with the whole database again."""
    database = memory_database()
    for (name,) in database.query("SELECT name FROM sqlite_master WHERE type = 'trigger'"):
        if "_overlap_" in name:
            database.script(f"DROP TRIGGER {name}")
    yield


# --- events -----------------------------------------------------------------------------


async def _last_first(
    broadcaster: RetryingBroadcaster, records: Sequence[EventRecord]
) -> AsyncIterator[tuple[EventRecord, BroadcastOutcome]]:
    first = await broadcaster._try(records) if len(records) > 1 else None
    for record in reversed(records) if isinstance(first, Exception) else records:
        if isinstance(first, int):
            yield record, BroadcastOutcome(1, first)
        else:
            yield record, await broadcaster._one(record, first)


def _advance(
    tracker: ChannelTracker, position: Position, events: Sequence[HubEvent]
) -> ChannelUpdate:
    fresh = [event for event in events if (event.offset or 0) > position.offset]
    if fresh:
        tracker.position = fresh[-1].position
    return ChannelUpdate(deliver=tuple(fresh))


@contextmanager
def _blind_clients() -> Iterator[None]:
    with (
        patch.object(ChannelTracker, "_advance", _advance),
        patch.object(ChannelTracker, "hub_is_at", lambda *_: NOTHING),
    ):
        yield


@contextmanager
def _joins_at_once() -> Iterator[None]:
    with (
        patch.object(Subscription, "hold", lambda _: None),
        patch.object(Subscription, "keep", lambda *_: None),
    ):
        yield


async def _nothing(*_: object) -> None: ...


async def _yes(*_: object) -> bool:
    return True


def _held_to_the_end(lease: Lease, now_s: float) -> bool:
    return lease.sent_s is not None and now_s < lease.sent_s + lease.ttl_s


ABLATIONS: Final = (
    Ablation(
        "output gate: a reply leaves after COMMIT",
        _replaced(CalendarActor, "_commit", _answer_first),
        0,
        DURABLE,
    ),
    Ablation("fence", _replaced(committer, "_check_fences", lambda *_: None), 864, NO_BUG),
    Ablation(
        "overlap guard in the actor", _replaced(Agenda, "taken", lambda *_, **__: []), 0, NO_BUG
    ),
    Ablation("overlap guard in the database", _without_triggers, 0, GUARDED),
    Ablation(
        "patient conflict check",
        _replaced(committer, "check_patients", lambda *_: None),
        0,
        NO_BUG,
    ),
    Ablation("idempotency store", _replaced(committer, "reply_rows", lambda *_: []), 0, DURABLE),
    Ablation(
        "an unknown outcome is settled under a new fence",
        _replaced(CalendarActor, "_resolve_unknown_outcome", _give_up),
        7,
        NO_BUG,
    ),
    Ablation(
        "alarms of the holds that a calendar loads",
        _replaced(CalendarActor, "_adopt", _adopt_without_alarms),
        126,
        COMPLETE,
    ),
    Ablation(
        "expiry by the clock",
        _replaced(Appointment, "is_overdue", lambda *_: False),
        0,
        COMPLETE,
    ),
    Ablation(
        "outbox in the transaction",
        _replaced(committer, "event_rows", lambda *_: ([], [])),
        0,
        OUTBOX,
    ),
    Ablation("held join", _joins_at_once, 479, IN_ORDER),
    Ablation("gap detection in the client", _blind_clients, 352, COMPLETE),
    Ablation("repair of channels", _replaced(ChannelRepair, "_repair", _nothing), 239, COMPLETE),
    Ablation(
        "order of retries", _replaced(RetryingBroadcaster, "broadcast", _last_first), 931, IN_ORDER
    ),
    Ablation(
        "rights check of live connections",
        _replaced(Revocations, "_still_admitted", _yes),
        639,
        RIGHTS,
    ),
    Ablation("lease margin", _replaced(Lease, "held", _held_to_the_end), 312, ONE_OWNER),
)


def table(seeds: int) -> int:
    """Print which seed notices each ablation, the known one first; 1 if none does."""
    missed = False
    print("| without | seed | violated |\n|---|---|---|")
    for ablation in ABLATIONS:
        found = _first_notice(ablation, (ablation.seed, *range(seeds)))
        missed |= found is None
        print(found.row if found else f"| {ablation.safeguard} | - | nothing |", flush=True)
    return missed


def _first_notice(ablation: Ablation, seeds: Sequence[int]) -> Ablation | None:
    for seed in seeds:
        violation = simulate(str(seed), patches=ablation.patch).violation
        if violation is not None:
            return replace(ablation, seed=seed, invariant=violation.invariant)
    return None
