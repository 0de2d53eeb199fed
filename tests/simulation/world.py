"""One run: the clinic, its nodes, clients and faults, from the seed to the last invariant."""

import asyncio
import gc
import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache
from itertools import count
from random import Random
from typing import Final
from unittest.mock import patch

from actors.domain.channels import Channel, availability_channel, own_channels
from actors.domain.ids import DentistId, PracticeId, ProfileId
from actors.domain.principal import Principal, Role
from hub.cluster.stream import redis_stream
from store.sql.types import _microseconds
from tests.simulation import faults
from tests.simulation.auditor import COMPLETE, GUARDED, Auditor, Violation
from tests.simulation.clinic import BOT_CLAIMS, People, clinic
from tests.simulation.database import MemoryDatabase
from tests.simulation.loop import OWNER, NotSimulated, SimulatedLoop
from tests.simulation.network import Network
from tests.simulation.plan import BUSY_S, Plan, drawn
from tests.simulation.process import Process, ProcessClock, connection_for
from tests.simulation.redis import SimulatedRedis
from tests.simulation.sandbox import sandbox
from tests.simulation.screens import Screen
from tests.simulation.workload import Workload

Patches = Callable[[], AbstractContextManager[object]]
"""What an ablation switches off in the hub; for the time of a run."""

_HEALED_WITHIN_S: Final = 25.0
_DRIFT: Final = 0.03
"""How much faster or slower the clock of a machine runs, at most."""


@dataclass
class Result:
    plan: Plan
    violation: Violation | None
    hash: str
    steps: int
    trace: Sequence[str]


class World:
    """Implements the surroundings of the processes, and what clients and faults need."""

    def __init__(self, plan: Plan, loop: SimulatedLoop, *, keep_trace: bool = False) -> None:
        self.plan, self.loop = plan, loop
        self.random = Random(f"{plan.seed}/clients")
        self.people: People = clinic()[0]
        self.database = memory_database()
        self.database.reset()
        self.network = Network(loop, Random(f"{plan.seed}/network"))
        self.redis = SimulatedRedis(loop, self.network)
        self.places = [f"n{number}" for number in range(plan.nodes)]
        self.clustered = plan.nodes > 1
        self.disk_is_full = self.healing = False
        self.lies: tuple[str, bool] | None = None
        """At which place the lock lies: whether it is free although the node lives, or the
        other way round."""
        speeds = Random(f"{plan.seed}/speeds")
        self.clocks = {
            place: ProcessClock(loop, 1 + speeds.uniform(-_DRIFT, _DRIFT)) for place in self.places
        }
        rate = 1 + speeds.uniform(-_DRIFT, _DRIFT)
        self.database.clock = lambda: 1e6 + loop.time() * rate
        self.database.lock_is_free = self.lock_is_free
        self.auditor, self.workload = Auditor(self), Workload(self)
        self.screens: list[Screen] = []
        self._lives = count(1)
        self._numbers, self._ids = count(1), count(0x100000)
        self._processes: dict[str, Process] = {}
        self._hash, self._keep = hashlib.sha256(), keep_trace
        self.lines: list[str] = []

    # --- surroundings of the processes --------------------------------------------------------

    def new_id(self) -> str:
        return f"00000000-0000-7000-8000-{next(self._ids):012x}"

    def next_number(self) -> int:
        return next(self._numbers)

    def committed(self, link: object) -> None:
        self.auditor.committed(link)  # type: ignore[arg-type]

    def listener_at(self, address: str) -> Process | None:
        process = self._processes.get(address.removeprefix("http://").partition(":")[0])
        return process if process is not None and process.alive else None

    def lock_is_free(self, node_id: str) -> bool:
        owner = next((p for p in self._processes.values() if p.node_id == node_id), None)
        if owner is not None and self.lies is not None and owner.place == self.lies[0]:
            if owner.alive and self.lies[1]:
                self.auditor.lied_about.add(node_id)
            return self.lies[1]
        return owner is None or not owner.alive

    async def connect(self, host: str, port: int) -> None:
        """Whether something listens there; a lying network refuses although it does."""
        process = self._processes.get(host)
        await asyncio.sleep(0.002)
        if process is None or not process.alive or self.lies == (host, True):
            raise ConnectionRefusedError(host)

    # --- nodes ----------------------------------------------------------------------------------

    def start(self, place: str) -> None:
        self.trace(f"start {place}")
        clock = self.clocks[place]
        process = self._processes[place] = Process(self, place, next(self._lives), clock)
        process.start()

    def ended(self, process: Process, why: str) -> None:
        """What supervises the processes starts it again."""
        self.trace(f"{process.name} ended: {why}")

        def again() -> None:
            if self.at(process.place) is process:
                self.start(process.place)

        self.loop.call_later(0.5, again, context=self.network.outside)

    def at(self, place: str) -> Process:
        return self._processes[place]

    def processes(self) -> list[Process]:
        return [each for each in self._processes.values() if each.alive]

    def some_process(self) -> Process | None:
        """Where a client connects: any node that accepts connections."""
        ready = [each for each in self.processes() if each.ready]
        return self.random.choice(ready) if ready else None

    def latest_now(self) -> int:
        """The latest time of all clocks, in microseconds."""
        return _microseconds(max(clock.now() for clock in self.clocks.values())) or 0

    def reported(self, level: str, event: str) -> None:
        """A log line of the hub."""
        owner = OWNER.get()
        if event.startswith("relay_gap_skipped") and isinstance(owner, Process):
            owner.skips = True
        self.auditor.reported(level, event)

    # --- rights ---------------------------------------------------------------------------------

    def may_see(self, screen: Screen, channel: Channel) -> bool:
        return channel in _visible(screen.name)

    def may_connect(self, screen: str) -> bool:
        """Whether the person is active, and has not ended the consent to the chatbot."""
        name = "pia" if screen == "bot" else screen
        active = self.database.query("SELECT active FROM profiles WHERE name = ?", name)[0][0]
        ended = self.database.query("SELECT count(*) FROM consents WHERE ended_at IS NOT NULL")
        return bool(active) and not (screen == "bot" and ended[0][0])

    # --- the run --------------------------------------------------------------------------------

    def trace(self, line: str) -> None:
        text = f"{self.loop.time():9.4f} {self.loop.steps:6d} {line}"
        self._hash.update(text.encode())
        if self._keep:
            self.lines.append(text)

    async def run(self) -> None:
        self.loop.connect = self.connect
        self.auditor.begin()
        for place in self.places:
            self.start(place)
        self.screens = _screens(self)
        create = self.loop.create_task
        running = [create(screen.run()) for screen in self.screens]
        running += [create(self.workload.run(op)) for op in self.plan.ops]
        running += [create(faults.strike(self, fault)) for fault in self.plan.faults]
        await self._until(lambda: self.loop.time() >= BUSY_S)
        self._heal()
        pending = running[len(self.screens) :]
        await self._until(lambda: all(task.done() for task in pending))
        ends_s = self.loop.time() + _HEALED_WITHIN_S
        await self._until(lambda: self._is_settled() or self.loop.time() > ends_s)
        if self.auditor.violation is None and (problem := self.auditor.unfinished()):
            self.auditor.fail(COMPLETE, problem)
        if self.auditor.violation is None:
            self.auditor.check_end()
            self._check_guards()
        for task in running:
            if task.done() and not task.cancelled() and (error := task.exception()):
                raise error

    async def _until(self, is_over: Callable[[], bool]) -> None:
        while not is_over() and self.auditor.violation is None:
            self.auditor.check_owners()
            await asyncio.sleep(0.1)

    def _is_settled(self) -> bool:
        nodes = self._processes.values()
        return all(each.ready for each in nodes) and self.auditor.unfinished() is None

    def _heal(self) -> None:
        """Faults that last end by themselves; nodes that are to die at a commit do not any more."""
        self.healing = True
        self.trace("heal")
        for process in self.processes():
            process.dies_at_commit = None

    def _check_guards(self) -> None:
        """What no actor does, as a hub with a bug would do it: the database must refuse it."""
        database, people = self.database, self.people
        for column, other in (("dentist_id", "patient_id"), ("patient_id", "dentist_id")):
            found = database.query(
                "SELECT id, dentist_id, patient_id FROM appointments"
                " WHERE status = 'confirmed' AND NOT overbooked ORDER BY id LIMIT 1"
            )
            for row_id, dentist, patient in found:
                everyone = people.dentists if other == "dentist_id" else people.patients
                another = next(p.id for p in everyone if p.id not in (dentist, patient))
                if not database.refuses_copy(row_id, other, another):
                    self.auditor.fail(GUARDED, f"a copy of {row_id} with the same {column}")

    @property
    def digest(self) -> str:
        self._hash.update(str(self.loop.steps).encode())
        return self._hash.hexdigest()


@cache
def memory_database() -> MemoryDatabase:
    return MemoryDatabase(clinic()[1])


@cache
def _visible(screen: str) -> frozenset[Channel]:
    """The channels of each screen, as the clinic begins: no run changes a practice."""
    people = clinic()[0]
    extra = [availability_channel(DentistId(ProfileId(people.dentists[0].id)))]
    principal = _principal(people, "pia" if screen == "bot" else screen)
    return frozenset((*own_channels(principal), *extra))


def _principal(people: People, name: str) -> Principal:
    person = next(each for each in people.everyone if each.name == name)
    practice = _practice_of(person.id)
    dentists = [d.id for d in people.dentists if _practice_of(d.id) == practice]
    calendars = tuple(DentistId(ProfileId(each)) for each in sorted(dentists))
    return Principal(
        role=person.role,
        subject=person.claims.subject,
        person=ProfileId(person.id),
        practice=practice,
        calendars=calendars if person.role is Role.STAFF else (),
    )


@cache
def _practice_of(person: str) -> PracticeId | None:
    query = "SELECT practice_id FROM profiles WHERE id = ?"
    found: PracticeId | None = clinic()[1].execute(query, (person,)).fetchone()[0]
    return found


def _screens(world: World) -> list[Screen]:
    """Patients, a chatbot, a dentist of each practice, and the front desks."""
    people = {each.name: each for each in world.people.everyone}
    free = availability_channel(DentistId(ProfileId(people["ann"].id)))
    screens = [
        Screen(world, name, people[name].claims, None, free)
        for name in ("pia", "sam", "ann", "dot", "eva", "fin")
    ]
    return [
        *screens,
        Screen(world, "bot", BOT_CLAIMS, people["pia"].id, free),
    ]


def simulate(
    seed: str | Plan, *, patches: Patches = nullcontext, keep_trace: bool = False
) -> Result:
    """Run a seed, or a plan that was shortened. Raises what the simulation itself does wrong."""
    plan = seed if isinstance(seed, Plan) else drawn(seed)
    clinic()
    loop = SimulatedLoop(Random(f"{plan.seed}/loop"))
    world = World(plan, loop, keep_trace=keep_trace)
    refused: list[str] = []

    trace = world.trace

    def unhandled(_: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        if isinstance(context.get("exception"), NotSimulated):
            refused.append(str(context["exception"]))
        trace(f"unhandled {context.get('message')} {context.get('exception')!r}")

    loop.set_exception_handler(unhandled)
    with sandbox(plan.seed, world.reported), patches(), _redis(world), _no_collection():
        try:
            loop.run_until_complete(world.run())
        finally:
            loop.abandon_tasks()
            loop.close()
            result = Result(plan, world.auditor.violation, world.digest, loop.steps, world.lines)
            del world, loop
            gc.collect()
    if refused:
        raise NotSimulated(refused[0])
    return result


@contextmanager
def _redis(world: World) -> Iterator[None]:
    with patch.object(redis_stream, "_connect", lambda _: connection_for(world)):
        yield


@contextmanager
def _no_collection() -> Iterator[None]:
    """Finalizers run when the last reference goes, and at no other time.

    What a run leaves is thrown away at its end: coroutines that never ended complain, unheard.
    """
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
