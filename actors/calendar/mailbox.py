"""The mailbox of a calendar: a bounded queue of commands, each with a deadline."""

import asyncio
from dataclasses import dataclass

from actors.domain.commands import Command
from actors.domain.refusals import CalendarBusy, Unavailable
from actors.ports.commits import IdempotencyKey, Reply


class MailboxSealed(Exception):
    """The actor is stopping: find the calendar again through the registry."""


@dataclass(kw_only=True, slots=True, eq=False)
class PendingCommand:
    """A command that was sent to a calendar, and the future of its reply."""

    command: Command
    key: IdempotencyKey
    request_id: str
    deadline_s: float
    """On the monotonic clock. A command that is still queued then is not executed."""
    answer: asyncio.Future[Reply]

    def respond(self, answer: Reply | Exception) -> None:
        """Answer the caller, unless the caller has gone."""
        if self.answer.done():
            return
        if isinstance(answer, Reply):
            self.answer.set_result(answer)
        else:
            self.answer.set_exception(answer)

    def drop_if_overdue(self, monotonic_s: float) -> bool:
        """Answer CALENDAR_BUSY past the deadline; returns whether that was so."""
        overdue = self.deadline_s < monotonic_s
        if overdue:
            self.respond(CalendarBusy())
        return overdue


class Mailbox:
    """Queues commands in the order in which they arrive."""

    def __init__(self, *, limit: int) -> None:
        self._limit = limit
        self._queue: list[PendingCommand] = []
        self._awaited: asyncio.Future[None] | None = None
        """What the actor waits for while there is nothing to take."""
        self.sealed = False
        """Whether it takes no more: the actor is stopping, or has stopped."""

    def __len__(self) -> int:
        return len(self._queue)

    def put(self, pending: PendingCommand) -> None:
        """Queue a command; raises CalendarBusy when full, MailboxSealed when stopping."""
        if self.sealed:
            raise MailboxSealed
        if len(self._queue) >= self._limit:
            raise CalendarBusy
        self._queue.append(pending)
        self._wake()

    async def take(self, *, most: int) -> list[PendingCommand]:
        """Wait for commands and take at most ``most``; none when sealed and drained."""
        while not self._queue and not self.sealed:
            self._awaited = asyncio.get_running_loop().create_future()
            await self._awaited
        taken, self._queue = self._queue[:most], self._queue[most:]
        return taken

    def drop_overdue(self, monotonic_s: float) -> int:
        """Answer CALENDAR_BUSY to commands past their deadline; returns how many there were."""
        before = self._queue
        self._queue = [pending for pending in before if not pending.drop_if_overdue(monotonic_s)]
        return len(before) - len(self._queue)

    def seal(self) -> None:
        """Take no more commands; those in the queue can still be taken out."""
        self.sealed = True
        self._wake()

    def abandon(self, error: Exception | None = None) -> None:
        """Seal, and fail every queued command: none of them was executed."""
        self.seal()
        abandoned, self._queue = self._queue, []
        for pending in abandoned:
            pending.respond(error or Unavailable())

    def _wake(self) -> None:
        awaited, self._awaited = self._awaited, None
        if awaited is not None and not awaited.done():  # done already: the actor was cancelled
            awaited.set_result(None)
