"""The network between the places of a simulation: nodes, clients, the database and Redis.

Whatever is sent takes some time, so that messages of different senders overtake each other. A
direction between two places can be cut: what is sent then does not arrive. A place can be slow.
"""

from collections.abc import Callable
from contextvars import Context, copy_context
from random import Random
from typing import Any, Final, TypeVar

from tests.simulation.loop import OWNER, SimulatedLoop

T = TypeVar("T")

DATABASE: Final = "database"
REDIS: Final = "redis"
CLIENTS: Final = "clients"

_DELAY_S: Final = (0.0003, 0.006)
_SLOW_S: Final = (0.1, 0.8)


class Network:
    def __init__(self, loop: SimulatedLoop, random: Random) -> None:
        self._loop, self._random = loop, random
        self.cut: set[tuple[str, str]] = set()
        """Directions in which nothing arrives."""
        self.slow: set[str] = set()
        self.outside: Context = copy_context()
        """The context of the world outside of all processes."""
        self.outside.run(OWNER.set, None)

    def delay_s(self, sender: str, receiver: str) -> float:
        is_slow = self.slow and not self.slow.isdisjoint((sender, receiver))
        return self._random.uniform(*(_SLOW_S if is_slow else _DELAY_S))

    def passes(self, sender: str, receiver: str) -> bool:
        return (sender, receiver) not in self.cut

    def chance(self, of: float) -> bool:
        return self._random.random() < of

    def send(
        self,
        sender: str,
        receiver: str,
        call: Callable[..., object],
        *args: Any,
        context: Context | None = None,
        delay_s: float | None = None,
    ) -> bool:
        """Have ``call`` called at the receiver, some time later; returns whether it will be.

        ``context``: of the process that receives; without one, the world outside.
        """
        if not self.passes(sender, receiver):
            return False
        self._loop.call_later(
            self.delay_s(sender, receiver) if delay_s is None else delay_s,
            call,
            *args,
            context=context or self.outside,
        )
        return True
