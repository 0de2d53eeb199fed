"""Sends queued messages: at least once, for each patient one after the other.

A message is claimed before it is attempted, in the transaction that counts the attempt. So no
other node attempts it meanwhile, and a message on which the hub ends is not attempted for ever.
What becomes of it is saved after the attempt. If the hub ends in between, the message is
attempted once more, with the same message id.
"""

import asyncio
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import structlog

from actors.domain.events import MessageSaved
from actors.domain.message import (
    SECRET,
    Message,
    MessageChannel,
    MessageError,
    MessageId,
    MessageState,
    Recipient,
    is_true_of,
)
from actors.domain.refusals import VersionConflict
from actors.domain.sign_in import SECRET_BYTES, secret_text
from actors.domain.visit_link import LINKED_KINDS, new_visit_link
from actors.ports.clock import Clock
from actors.ports.commits import CommitFailure
from actors.ports.messages import (
    DueMessage,
    MailContent,
    MailTransport,
    NotAccepted,
    QueuedMessages,
    TextContent,
    TextTransport,
)
from actors.tasks import Tasks
from hub.messages.letters import Letters
from hub.messages.reminders import Reminders
from hub.messages.settings import MessageSettings

log = structlog.get_logger(__name__)

_DAY: Final = timedelta(days=1)
_POLL_S: Final = 1.0
_STORE_RETRY_S: Final = 2.0
_STOP_WITHIN_S: Final = 5.0
"""How long attempts may still take when the hub stops."""
_PER_CONNECTION: Final = 2
"""Messages under way for each connection: one is prepared while another one is sent."""


class MessageSender:
    """Takes due messages from the queue and attempts them, a bounded number at a time."""

    def __init__(
        self,
        settings: MessageSettings,
        *,
        queue: QueuedMessages,
        reminders: Reminders | None,
        letters: Letters,
        mail: MailTransport | None,
        texts: TextTransport | None,
        clock: Clock,
        timeout_s: float,
        connections: int,
        on_attempt: Callable[[str, str], None],
    ) -> None:
        """``on_attempt`` is called with the channel and the outcome of each attempt.

        ``timeout_s`` bounds each step with a server; an attempt takes a few of them.
        """
        self._settings, self._queue, self._clock = settings, queue, clock
        self._on_attempt = on_attempt
        self._letters, self._mail, self._texts = letters, mail, texts
        self._attempt_s = 3 * timeout_s
        self._claim = timedelta(seconds=2 * self._attempt_s)
        self._at_once = _PER_CONNECTION * connections
        self._reminders = reminders
        self._tasks, self._running = Tasks(), 0
        self._wakeup = asyncio.Event()

    async def close(self) -> None:
        for transport in (self._mail, self._texts):
            if transport:
                await transport.close()

    async def run(
        self,
        is_ours: Callable[[], bool] = lambda: True,
        inherits: Callable[[], bool] = lambda: True,
    ) -> None:
        """Send until cancelled. ``is_ours``: whether this node is the one that sends.

        ``inherits``: whether the process that sent before it is gone, so that no one attempts any
        more what that one had claimed. It is called when this node begins to send.
        """
        of_earlier, is_here = None, False
        try:
            while True:
                self._wakeup.clear()
                was_here, is_here = is_here, is_ours()
                if is_here and not was_here and inherits() and not self._running:
                    # claimed before this node begins, so until an earlier time than its own claims
                    of_earlier = self._clock.now() + self._claim - timedelta(microseconds=1)
                if not is_here:
                    if self._reminders:
                        self._reminders.forget()
                elif await self._round(of_earlier) or await self._remind():
                    continue
                await self._wait()
        finally:
            await self._tasks.finish(within_s=_STOP_WITHIN_S)

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(_POLL_S):
                await self._wakeup.wait()
        except TimeoutError:
            pass

    async def _round(self, of_earlier: datetime | None) -> bool:
        """Begin attempts of what is due; whether there was something to do."""
        free, now = self._at_once - self._running, self._clock.now()
        if free <= 0:
            return False
        claims_before = max(now, of_earlier) if of_earlier else now
        try:
            found = await self._queue.due(now, claims_before=claims_before, limit=free)
            if not found:
                return False
            changes = [_begun(each, now, now + self._claim) for each in found]
            begun = [c.after for c in changes if c.after.state is MessageState.QUEUED]
            tokens = self._tokens(begun)
            links = [
                new_visit_link(each, tokens[each.id], now) for each in begun if each.id in tokens
            ]
            await self._queue.save(changes, links)
        except VersionConflict:
            return True  # read again what changed meanwhile
        except CommitFailure as error:
            log.warning("messages_unread", error=type(error).__name__)
            await asyncio.sleep(_STORE_RETRY_S)
            return False
        except Exception:
            log.exception("messages_unread")
            await asyncio.sleep(_STORE_RETRY_S)
            return False
        for message in begun:
            self._running += 1
            self._tasks.start(self._attempt(message, tokens.get(message.id)))
        return True

    def _tokens(self, begun: Sequence[Message]) -> Mapping[MessageId, bytes]:
        """Tokens of the links that these messages contain; each attempt has another one."""
        if not self._letters.has_links:
            return {}
        linked = (each for each in begun if each.kind in LINKED_KINDS)
        return {each.id: secrets.token_bytes(SECRET_BYTES) for each in linked}

    async def _remind(self) -> bool:
        """Queue the reminders that are due; whether there were any."""
        if self._reminders is None:
            return False
        try:
            return await self._reminders.queue_due(self._clock.now())
        except CommitFailure as error:
            log.warning("reminders_unread", error=type(error).__name__)
        except Exception:
            log.exception("reminders_unread")
        await asyncio.sleep(_STORE_RETRY_S)
        return False

    async def _attempt(self, message: Message, token: bytes | None) -> None:
        """Attempt a claimed message, and save what became of it."""
        try:
            outcome = await self._outcome(message, secret_text(token) if token else None)
            self._on_attempt(str(message.channel), str(outcome.error or outcome.state))
            await self._saved(MessageSaved(before=message, after=outcome))
        finally:
            self._running -= 1
            self._wakeup.set()

    async def _outcome(self, message: Message, token: str | None) -> Message:
        try:
            content = await self._composed(message, token)
            if isinstance(content, Message):
                return content
            async with asyncio.timeout(self._attempt_s):
                await self._handed_over(content)
        except NotAccepted as failure:
            return self._failed(message, failure.error, for_good=failure.for_good)
        except TimeoutError:
            return self._failed(message, MessageError.TIMEOUT)
        except CommitFailure as failure:
            log.warning("message_unread", message_id=message.id, error=type(failure).__name__)
            return self._failed(message, MessageError.DEFERRED)
        except Exception:  # a bug must not stop other messages
            log.exception("message_failed", message_id=message.id)
            return self._failed(message, MessageError.DEFERRED)
        log.info("message_sent", message_id=message.id, kind=str(message.kind))
        return message.sent(self._clock.now())

    async def _handed_over(self, content: MailContent | TextContent) -> None:
        if isinstance(content, TextContent) and self._texts:
            await self._texts.send(content)
        elif isinstance(content, MailContent) and self._mail:
            await self._mail.send(content)
        else:  # the channel was switched off since the message was written
            raise NotAccepted(MessageError.UNREACHABLE)

    async def _composed(
        self, message: Message, token: str | None
    ) -> MailContent | TextContent | Message:
        """What is to be sent; or the message as it ended, if it is not to be sent."""
        if message.kind in SECRET:
            return self._letters.of_secret(message)
        details = await self._queue.details(message)
        is_true = details and is_true_of(message.kind, message.visit_start, details.row)
        if details is None or not is_true:
            return message.ended(MessageState.EXPIRED, MessageError.TOO_LATE)
        patient = details.patient
        recipient = Recipient(
            email=patient.email, phone=patient.phone, consents=patient.message_consents
        )
        address = recipient.address(message.channel) if patient.active else None
        if address is None:
            return message.ended(MessageState.FAILED, MessageError.ADDRESS_MISSING)
        counted = await self._queue.sent_since(message, self._clock.now() - _DAY)
        if (
            counted.to_recipient >= self._settings.per_recipient_per_day
            or counted.of_practice >= self._settings.per_practice_per_day
        ):
            return self._failed(message, MessageError.DAILY_LIMIT, for_good=True)
        by_mail = message.channel is MessageChannel.EMAIL
        compose = self._letters.of_visit if by_mail else self._letters.text_of_visit
        return compose(message, details, address, token)

    def _failed(self, message: Message, error: MessageError, *, for_good: bool = False) -> Message:
        """As it is after a failed attempt: to be attempted again, unless that is pointless."""
        now = self._clock.now()
        log.info("message_not_sent", message_id=message.id, error=str(error), for_good=for_good)
        if for_good:
            return message.ended(MessageState.FAILED, error)
        if now - message.created_at >= timedelta(hours=self._settings.give_up_after_hours):
            return message.ended(MessageState.FAILED, MessageError.GAVE_UP)
        wait = timedelta(seconds=self._settings.retry_wait_s(message.attempts))
        return message.postponed(min(now + wait, max(now, message.expires_at)), error)

    async def _saved(self, change: MessageSaved) -> None:
        """Save the outcome, for as long as the claim lasts: otherwise it would be sent again."""
        until = change.before and change.before.claimed_until
        assert until, "it was claimed"
        while True:
            try:
                return await self._queue.save([change])
            except VersionConflict:
                log.warning("message_claimed_elsewhere", message_id=change.after.id)
                return None
            except CommitFailure as error:
                if self._clock.now() >= until:
                    raise
                log.warning("message_unsaved", error=type(error).__name__)
                await asyncio.sleep(_STORE_RETRY_S)


def _begun(due: DueMessage, now: datetime, until: datetime) -> MessageSaved:
    """Claim the message; or end it, when it is too late for it."""
    message = due.message
    if due.is_replaced:
        after = message.ended(MessageState.EXPIRED, MessageError.REPLACED)
    elif message.expires_at <= now:
        after = message.ended(MessageState.EXPIRED, MessageError.TOO_LATE)
    else:
        after = message.claimed(until)
    return MessageSaved(before=message, after=after)
