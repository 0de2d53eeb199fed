"""An event loop with virtual time: a run is the same whenever its seed is the same.

Time stands still while anything can run, then jumps to the next timer. Callbacks that were
scheduled with ``call_soon`` run in their order, as asyncio promises. What it leaves open is chosen
by the seed: the order of timers that are due at the same time, and how late a timer is noticed.

Each callback belongs to the process whose context it was scheduled in. Those of a process that is
paused wait until it continues; those of one that was killed never run.
"""

import asyncio
import heapq
from collections.abc import Callable, Coroutine
from contextlib import suppress
from contextvars import Context, ContextVar
from itertools import count
from random import Random
from typing import Any, Final, Protocol, TypeVar

T = TypeVar("T")

STEPS_MAX: Final = 200_000
LATE_S: Final = 0.0005
"""How late a timer is noticed, at most."""


class Owner(Protocol):
    """A process of the simulation, as far as the loop must know it."""

    alive: bool
    paused: bool
    deferred: list[asyncio.Handle]
    """What waits until the process continues."""


OWNER: ContextVar[Owner | None] = ContextVar("owner", default=None)
"""The process that the running code belongs to; ``None``: the world outside of all of them."""


class NotSimulated(Exception):
    """The code used something real, which would make a run differ from the next."""


class Stalled(Exception):
    """Nothing can happen any more, and the simulation has not ended."""


class _Numbered:
    """Hashed by a serial number: sets of tasks are then iterated in the same order in every run."""

    serial: int

    def __hash__(self) -> int:
        return self.serial


class SimulatedTask(_Numbered, asyncio.Task[Any]):
    def __init__(self, number: int, coro: Coroutine[Any, Any, Any], **options: Any) -> None:
        self.serial = number
        super().__init__(coro, **options)


class SimulatedFuture(_Numbered, asyncio.Future[Any]):
    def __init__(self, number: int, **options: Any) -> None:
        self.serial = number
        super().__init__(**options)


class SimulatedLoop(asyncio.BaseEventLoop):
    def __init__(self, random: Random) -> None:
        super().__init__()
        self.steps = 0
        """Callbacks that ran so far."""
        self.tasks: list[asyncio.Task[Any]] = []
        """Every task, so that none of a killed process is collected while the others run."""
        self.connect: Callable[[str, int], Coroutine[Any, Any, None]] = _refuse_connection
        """Raises what a connection to that address would raise."""
        self._now_s = 0.0
        self._random = random
        self._numbers = count(1)
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._soon: list[asyncio.Handle] = []
        self.set_task_factory(self._new_task)

    # --- time and callbacks -----------------------------------------------------------

    def time(self) -> float:
        return self._now_s

    def call_at(  # type: ignore[override]  # of any callback
        self, when: float, callback: Any, *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        when = max(when, self._now_s) + self._random.random() * LATE_S
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._timers, (when, next(self._numbers), timer))
        return timer

    def call_later(  # type: ignore[override]  # of any callback
        self, delay: float, callback: Any, *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self._now_s + delay, callback, *args, context=context)

    def call_soon(  # type: ignore[override]  # of any callback
        self, callback: Any, *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._soon.append(handle)
        return handle

    def continue_process(self, owner: Owner) -> None:
        """Run what waited, in its order, before anything that is scheduled from now on."""
        self._soon += owner.deferred
        owner.deferred = []

    def _run_once(self) -> None:
        if not self._soon:
            self._jump()
        ready, self._soon = self._soon, []
        for handle in ready:
            if not handle.cancelled():
                self._run_handle(handle)

    def _jump(self) -> None:
        if not self._timers:
            raise Stalled
        when, _, timer = heapq.heappop(self._timers)
        if not timer.cancelled():
            self._now_s = when
            self._soon.append(timer)

    def _run_handle(self, handle: asyncio.Handle) -> None:
        owner = handle._context.get(OWNER)  # type: ignore[attr-defined]  # of a handle of asyncio
        if owner is not None and not owner.alive:
            return
        if owner is not None and owner.paused:
            owner.deferred.append(handle)
            return
        self.steps += 1
        if self.steps > STEPS_MAX:
            raise Stalled("without an end")
        handle._run()

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        pass  # it is skipped when it is due

    # --- tasks and futures ------------------------------------------------------------

    def create_future(self) -> asyncio.Future[Any]:
        return SimulatedFuture(next(self._numbers), loop=self)

    def _new_task(
        self, loop: asyncio.AbstractEventLoop, coro: Any, context: Context | None = None
    ) -> asyncio.Task[Any]:
        task = SimulatedTask(next(self._numbers), coro, loop=loop, context=context)
        self.tasks.append(task)
        return task

    def abandon_tasks(self) -> None:
        """Let go of all that did not end: nothing of it runs."""
        for task in self.tasks:
            task._log_destroy_pending = False  # type: ignore[attr-defined]  # of asyncio
            if not task.done():
                with suppress(BaseException):  # it tries to wait, at its end, for what is over
                    task.get_coro().close()
        self.tasks.clear()
        self._timers.clear()
        self._soon.clear()

    # --- what would be real -------------------------------------------------------------

    async def create_connection(
        self, protocol_factory: Any, host: Any = None, port: Any = None, **_: Any
    ) -> Any:
        """Only whether something listens there is simulated (``asyncio.open_connection``)."""
        await self.connect(host, port)
        return _NoTransport(), protocol_factory()

    def call_soon_threadsafe(self, callback: Any, *args: Any, context: Any = None) -> Any:  # type: ignore[override]  # refused
        raise NotSimulated("a thread")

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:  # type: ignore[override]  # refused
        raise NotSimulated("a thread")

    def _write_to_self(self) -> None:
        raise NotSimulated("a thread")

    def _make_socket_transport(self, *_: Any, **__: Any) -> Any:
        raise NotSimulated("a socket")


class _NoTransport(asyncio.Transport):
    """A connection that is closed at once, unused."""

    def close(self) -> None:
        pass

    def is_closing(self) -> bool:
        return True


async def _refuse_connection(host: str, port: int) -> None:
    raise NotSimulated("a connection")
