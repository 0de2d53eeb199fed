"""Asks go to wherever the calendar's owner is: here, or one hop away (DESIGN §9).

A :class:`~actors.calendar.registry.Calendars` like the registry itself. Whatever this node believes
about owners only decides whom it asks first; who really owns a calendar the database says,
and a commit by anybody else writes nothing.
"""

import asyncio
import random
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from actors.calendar.batch import KeyId, key_id
from actors.calendar.registry import Registry
from actors.calendar.snapshot import Snapshot
from actors.domain.commands import Command
from actors.domain.ids import DentistId
from actors.domain.refusals import CalendarBusy, Refusal, Unavailable
from actors.ports.calendars import CalendarStore
from actors.ports.clock import Clock
from actors.ports.commits import IdempotencyKey, OwnedElsewhere, Reply
from hub.cluster.calendars.ownership import Ownership
from hub.cluster.calendars.routing import Here, Nowhere, Redirect, Route, There, receive, route
from hub.cluster.calendars.snapshots import snapshot_json, snapshot_of
from hub.cluster.internal.codec import (
    command_json,
    command_of,
    key_of,
    plain,
    refusal_json,
    refusal_of,
    reply_json,
    reply_of,
)
from hub.cluster.internal.node_client import Link, NeverSent, NoAnswer, NotThere
from hub.cluster.members.membership import Membership

log = structlog.get_logger(__name__)

ASK, LOOK = "/internal/ask", "/internal/look"
HOPS_MAX = 2
"""Nodes asked in a row before this one pauses and looks at the members again."""
_PAUSE_S = (0.05, 0.15)
_KNOWN_MAX = 50_000
_REPLICAS_MAX = 5_000
_LOOKS_AT_ONCE = 32


@dataclass(slots=True)
class RouterStats:
    """Counters since the start, for metrics."""

    hops: int = 0
    """Requests that were sent to another node."""
    redirects: int = 0
    """Answers 421."""
    unanswered: int = 0
    """Requests that another node did not answer."""
    served: int = 0
    """Requests that were answered for another node."""


@dataclass(frozen=True, slots=True)
class _Replica:
    tag: str
    fence: int
    snapshot: Snapshot


@dataclass(slots=True)
class _Search:
    """One ask on its way to the owner."""

    deadline_s: float
    owner: str | None = None
    """Who is said to have it."""
    named: bool = False
    """The database said so."""
    hops: int = 0
    unanswered: bool = False
    """A node did not answer at all."""
    doubtful: bool = False
    """Somebody may have committed it already, and the answer was lost."""


class Router:
    def __init__(
        self,
        registry: Registry,
        store: CalendarStore,
        membership: Membership,
        ownership: Ownership,
        link: Link,
        clock: Clock,
        *,
        deadline_s: float,
    ) -> None:
        self._registry, self._store = registry, store
        self._members, self._own, self._link = membership, ownership, link
        self._clock, self._deadline_s = clock, deadline_s
        self._owners: OrderedDict[DentistId, str] = OrderedDict()
        """Where a calendar was found, if not where it belongs."""
        self._replicas: OrderedDict[DentistId, _Replica] = OrderedDict()
        self._running: dict[KeyId, asyncio.Task[Reply]] = {}
        self._looks = asyncio.Semaphore(_LOOKS_AT_ONCE)
        self.stats = RouterStats()

    # --- for the services ---

    async def execute(
        self, dentist_id: DentistId, command: Command, *, key: IdempotencyKey, request_id: str
    ) -> Reply:
        """As :meth:`actors.calendar.registry.Registry.ask`, wherever the owner is."""
        search = self._begin(dentist_id)
        while True:
            match await self._next(search, dentist_id):
                case Here():
                    try:
                        return await self._ask_here(
                            dentist_id, command, key, request_id, doubtful=search.doubtful
                        )
                    except OwnedElsewhere as elsewhere:
                        search.doubtful = True
                        self._not_here(search, dentist_id, elsewhere)
                case There(node):
                    said = {
                        "dentist_id": dentist_id,
                        "command": command_json(command),
                        "key": plain(key),
                        "request_id": request_id,
                        "doubtful": search.doubtful,
                    }
                    answer = await self._post(search, node, ASK, dentist_id, said)
                    if answer is not None:
                        return reply_of(answer["reply"])
            await self._pause(search)

    async def snapshot(self, dentist_id: DentistId) -> Snapshot:
        """The calendar as of its last commit, from whoever surely owns it now; from the
        database, while that one does not answer."""
        search = self._begin(dentist_id)
        while True:
            match await self._next(search, dentist_id):
                case Here():
                    try:
                        return (await self._look_here(dentist_id))[2]
                    except OwnedElsewhere as elsewhere:
                        self._not_here(search, dentist_id, elsewhere)
                case There(node):
                    known = self._replicas.get(dentist_id)
                    said = {"dentist_id": dentist_id, "tag": known.tag if known else ""}
                    answer = await self._post(search, node, LOOK, dentist_id, said)
                    if (found := self._understood(dentist_id, answer, known)) is not None:
                        return found
                    if search.unanswered:  # its owner is gone: what is committed, is so
                        return await self._registry.stored_snapshot(dentist_id)
            await self._pause(search)

    async def snapshots(self, dentist_ids: Sequence[DentistId]) -> Sequence[Snapshot]:
        async def one(dentist_id: DentistId) -> Snapshot:
            async with self._looks:
                return await self.snapshot(dentist_id)

        return await asyncio.gather(*(one(each) for each in dentist_ids))

    def is_placed_here(self, key: str) -> bool:
        """Whether something that one node is to do is for this one."""
        return self._members.view.place(key) == self._members.me

    # --- for the other nodes ---

    async def serve_ask(self, said: Any) -> Any:
        """A forwarded command; raises NotThere. It goes on even if its asker hangs up."""
        dentist_id, key = DentistId(said["dentist_id"]), key_of(said["key"])
        command = command_of(said["command"])
        await self._receive(dentist_id, said)
        try:
            reply = await self._once(
                key,
                lambda: self._ask_here(
                    dentist_id, command, key, said["request_id"], doubtful=said["doubtful"]
                ),
            )
        except OwnedElsewhere as elsewhere:
            raise NotThere(elsewhere.owner) from None
        except (CalendarBusy, Unavailable):
            raise
        except Refusal as refusal:
            return {"refusal": refusal_json(refusal)}
        return {"reply": reply_json(reply)}

    async def serve_look(self, said: Any) -> Any:
        dentist_id = DentistId(said["dentist_id"])
        await self._receive(dentist_id, said)
        try:
            tag, fence, snapshot = await self._look_here(dentist_id)
        except OwnedElsewhere as elsewhere:
            raise NotThere(elsewhere.owner) from None
        except (CalendarBusy, Unavailable):
            raise
        except Refusal as refusal:
            return {"refusal": refusal_json(refusal)}
        unchanged = tag == said["tag"]
        shown = None if unchanged else snapshot_json(snapshot)
        return {"tag": tag, "fence": fence, "snapshot": shown}

    async def _receive(self, dentist_id: DentistId, said: Any) -> None:
        """Raises NotThere where somebody else is to be asked."""
        self.stats.served += 1
        if said["epoch"] > self._members.view.epoch:
            self._members.look_again()
        await self._own.settled(dentist_id)
        have = self._own.has(dentist_id)
        decided = receive(self._members.view, dentist_id, have=have, named=said["named"])
        if isinstance(decided, Redirect):
            if said["named"] and not have:
                # Ours in the database, and not to be taken up any more: let it go.
                await self._own.hand_over([dentist_id])
            raise NotThere(decided.owner)

    async def _once(self, key: IdempotencyKey, make: Any) -> Reply:
        """A request that is repeated while it runs waits for the one that runs."""
        running = self._running.get(key_id(key))
        if running is None:
            running = self._running[key_id(key)] = asyncio.ensure_future(make())
            running.add_done_callback(lambda _: self._running.pop(key_id(key), None))
            running.add_done_callback(_retrieved)
        return await asyncio.shield(running)

    async def close(self) -> None:
        """What other nodes asked for is finished first."""
        while self._running:
            await asyncio.wait(tuple(self._running.values()))

    # --- here ---

    async def _ask_here(
        self,
        dentist_id: DentistId,
        command: Command,
        key: IdempotencyKey,
        request_id: str,
        *,
        doubtful: bool,
    ) -> Reply:
        self._check_lease()
        if doubtful and (stored := await self._stored(dentist_id, key)) is not None:
            return stored
        try:
            return await self._registry.execute(dentist_id, command, key=key, request_id=request_id)
        except (CalendarBusy, Unavailable):
            raise
        except Refusal:
            self._check_lease()  # it rests on what was read, and must not be a former owner's
            raise

    async def _stored(self, dentist_id: DentistId, key: IdempotencyKey) -> Reply | None:
        """What became of it before: certain, once the calendar is open here and fenced."""
        await self._registry.snapshot(dentist_id)
        for stored in await self._store.replies([key]):
            if stored.key.fingerprint == key.fingerprint:
                return stored.reply
        return None

    async def _look_here(self, dentist_id: DentistId) -> tuple[str, int, Snapshot]:
        self._check_lease()
        fence, number, snapshot = await self._registry.numbered_snapshot(dentist_id)
        self._check_lease()  # activation takes time
        return f"{self._members.me}.{fence}.{number}", fence, snapshot

    def _check_lease(self) -> None:
        """Only while nobody else can own what is ours may it be answered from memory."""
        if not self._members.surely:
            raise Unavailable

    # --- there ---

    def _begin(self, dentist_id: DentistId) -> _Search:
        deadline_s = self._clock.monotonic() + self._deadline_s
        return _Search(deadline_s, owner=self._owners.get(dentist_id))

    async def _next(self, search: _Search, dentist_id: DentistId) -> Route:
        await self._own.settled(dentist_id)
        view, have = self._members.view, self._own.has(dentist_id)
        decided = route(view, dentist_id, have=have, owner=search.owner)
        if isinstance(decided, Nowhere):
            search.hops = HOPS_MAX
        elif isinstance(decided, Here) and not have and search.named:
            taken = receive(view, dentist_id, have=False, named=True)
            if isinstance(taken, Redirect):  # ours in the database; but this node leaves
                await self._own.hand_over([dentist_id])
                self._lost(search, dentist_id)
                return route(view, dentist_id, have=False, owner=None)
        return decided

    def _not_here(self, search: _Search, dentist_id: DentistId, elsewhere: OwnedElsewhere) -> None:
        search.hops += 1
        if elsewhere.owner is None or elsewhere.owner not in self._members.view.nodes:
            self._members.look_again()
            search.hops = HOPS_MAX
        self._follow(search, dentist_id, elsewhere.owner)

    async def _post(
        self, search: _Search, node_id: str, path: str, dentist_id: DentistId, said: Any
    ) -> Any:
        """The answer; ``None`` where another node is to be asked next."""
        node = self._members.node(node_id)
        if node is None:
            self._lost(search, dentist_id)
            return None
        said |= {"epoch": self._members.view.epoch, "named": search.named}
        self.stats.hops += 1
        search.hops += 1
        within_s = max(0.1, search.deadline_s - self._clock.monotonic())
        try:
            answer = await self._link.post(node, path, said, within_s=within_s)
        except NotThere as elsewhere:
            self.stats.redirects += 1
            self._follow(search, dentist_id, elsewhere.owner)
            return None
        except NeverSent as error:
            self._unanswered(search, dentist_id, error)
            return None
        except NoAnswer as error:
            search.doubtful = True
            self._unanswered(search, dentist_id, error)
            return None
        if search.owner == node_id and self._members.view.place(dentist_id) != node_id:
            self._owners[dentist_id] = node_id
            if len(self._owners) > _KNOWN_MAX:
                self._owners.popitem(last=False)
        if "refusal" in answer:
            raise refusal_of(answer["refusal"])
        return answer

    def _follow(self, search: _Search, dentist_id: DentistId, owner: str | None) -> None:
        """Ask the one who was named next; nobody named: where it belongs."""
        self._owners.pop(dentist_id, None)
        search.named = owner is not None and owner != search.owner
        search.owner = owner if search.named else None

    def _lost(self, search: _Search, dentist_id: DentistId) -> None:
        self._owners.pop(dentist_id, None)
        search.owner, search.named = None, False

    def _unanswered(self, search: _Search, dentist_id: DentistId, error: Exception) -> None:
        self.stats.unanswered += 1
        log.warning("node_unanswered", dentist_id=dentist_id, error=str(error))
        self._members.look_again()
        self._lost(search, dentist_id)
        search.unanswered = True
        search.hops = HOPS_MAX  # pause: its lease must end before another can have it

    async def _pause(self, search: _Search) -> None:
        """Raises Unavailable when the time is over."""
        left_s = search.deadline_s - self._clock.monotonic()
        if left_s <= 0:
            raise Unavailable
        if search.hops >= HOPS_MAX:
            search.hops = 0
            await asyncio.sleep(min(left_s, random.uniform(*_PAUSE_S)))  # noqa: S311  # jitter

    def _understood(
        self, dentist_id: DentistId, answer: Any, known: _Replica | None
    ) -> Snapshot | None:
        """``None``: from an owner before the one that was seen last; ask again."""
        if answer is None:
            return None
        if known is not None and answer["fence"] < known.fence:
            log.warning("answer_of_a_former_owner", dentist_id=dentist_id)
            return None
        if known is not None and answer["tag"] == known.tag:
            self._replicas.move_to_end(dentist_id)
            return known.snapshot
        snapshot = snapshot_of(answer["snapshot"])
        self._replicas[dentist_id] = _Replica(answer["tag"], answer["fence"], snapshot)
        self._replicas.move_to_end(dentist_id)
        if len(self._replicas) > _REPLICAS_MAX:
            self._replicas.popitem(last=False)
        return snapshot


def _retrieved(task: "asyncio.Task[Reply]") -> None:
    """Nobody may be waiting any more for how it ended."""
    if not task.cancelled():
        task.exception()
