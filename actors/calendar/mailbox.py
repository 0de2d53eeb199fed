"""A calendar's mailbox: bounded, with deadlines; whoever stops answers everyone who waits."""

import asyncio
from collections import deque
from dataclasses import dataclass

from actors.domain.commands import Command
from actors.domain.refusals import CalendarBusy, Unavailable
from actors.ports.commits import IdempotencyKey, Reply


class MailboxSealed(Exception):
    """The actor is stopping; ask the registry for the calendar anew."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Ask:
    """A command on its way, and where its answer goes."""

    command: Command
    key: IdempotencyKey
    request_id: str
    deadline_s: float
    """On the monotonic clock: past it, the command is dropped unrun."""
    answer: asyncio.Future[Reply]

    def reply(self, reply: Reply) -> None:
        if not self.answer.done():  # the caller may have gone
            self.answer.set_result(reply)

    def fail(self, error: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)


class Mailbox:
    def __init__(self, *, limit: int) -> None:
        self._limit = limit
        self._asks: deque[Ask] = deque()
        self._arrived = asyncio.Event()
        self.sealed = False
        """Takes no more: the actor is stopping, or has stopped."""

    def __len__(self) -> int:
        return len(self._asks)

    def put(self, ask: Ask) -> None:
        """Queue the command; raises CalendarBusy when full, MailboxSealed when stopping."""
        if self.sealed:
            raise MailboxSealed
        if len(self._asks) >= self._limit:
            raise CalendarBusy
        self._asks.append(ask)
        self._arrived.set()

    async def take(self, *, most: int) -> list[Ask]:
        """Everything queued, at most ``most``, in order; empty only when sealed and drained."""
        while not self._asks and not self.sealed:
            self._arrived.clear()
            await self._arrived.wait()
        return [self._asks.popleft() for _ in range(min(most, len(self._asks)))]

    def drop_overdue(self, monotonic_s: float) -> int:
        """Answer CALENDAR_BUSY to those who waited past their deadline; returns how many."""
        overdue = [ask for ask in self._asks if ask.deadline_s < monotonic_s]
        for ask in overdue:
            self._asks.remove(ask)
            ask.fail(CalendarBusy())
        return len(overdue)

    def seal(self) -> None:
        """Take no more; what is queued can still be taken."""
        self.sealed = True
        self._arrived.set()

    def abandon(self, error: Exception | None = None) -> None:
        """Seal, and answer everyone who waits: nothing of theirs was run."""
        self.seal()
        while self._asks:
            self._asks.popleft().fail(error or Unavailable())
