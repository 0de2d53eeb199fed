"""Hands mails over to a mail server (RFC 5321), over a few connections that are kept."""

import asyncio
from dataclasses import dataclass
from typing import Final

import aiosmtplib
import structlog

from actors.domain.contact import email_address
from actors.domain.message import MessageError
from actors.ports.clock import Clock
from actors.ports.messages import MailContent, NotAccepted
from hub.messages.mime import mime
from hub.messages.settings import MailSettings

log = structlog.get_logger(__name__)

_IDLE_S: Final = 20.0
"""An unused connection is not used again after this time."""
_PERMANENT: Final = 500
_NO_MAILBOX: Final = frozenset({550, 551, 553})


@dataclass(frozen=True, slots=True)
class _Kept:
    client: aiosmtplib.SMTP
    used_s: float


class SmtpTransport:
    """Implements :class:`actors.ports.messages.MailTransport`."""

    def __init__(self, settings: MailSettings, clock: Clock) -> None:
        self._settings, self._clock = settings, clock
        self._free = asyncio.Semaphore(settings.connections)
        self._kept: list[_Kept] = []

    async def send(self, mail: MailContent) -> None:
        to = email_address(mail.to)
        if to is None:
            raise NotAccepted(MessageError.MAILBOX_UNKNOWN, for_good=True)
        content = mime(mail, sender=self._settings.sender, at=self._clock.now())
        async with self._free:
            client = await self._begun(mail.sender or self._settings.sender)
            try:
                await self._rest(client, to, content)
            except BaseException:
                client.close()
                raise
            self._kept.append(_Kept(client, self._clock.monotonic()))

    async def close(self) -> None:
        for kept in self._kept:
            kept.client.close()
        self._kept.clear()

    async def _begun(self, sender: str) -> aiosmtplib.SMTP:
        """A connection on which the sender was accepted.

        A connection that the server has closed meanwhile is replaced: nothing was sent on it.
        """
        while self._kept:
            kept = self._kept.pop()
            if self._clock.monotonic() - kept.used_s < _IDLE_S:
                try:
                    await kept.client.mail(sender)
                except (aiosmtplib.SMTPException, OSError):
                    kept.client.close()
                    continue
                return kept.client
            kept.client.close()
        client = await self._connected()
        try:
            await client.mail(sender)
        except (aiosmtplib.SMTPException, OSError) as error:
            client.close()
            raise _not_sent(error) from error
        return client

    async def _connected(self) -> aiosmtplib.SMTP:
        settings = self._settings
        client = aiosmtplib.SMTP(
            hostname=settings.server,
            port=settings.port,
            username=settings.user or None,
            password=settings.password or None,
            timeout=settings.timeout_s,
            use_tls=settings.tls == "implicit",
            start_tls=settings.tls == "starttls",
        )
        try:
            await client.connect()
        except (aiosmtplib.SMTPException, OSError) as error:
            client.close()
            log.warning("mail_server_unreachable", error=type(error).__name__)
            raise _not_sent(error) from error
        return client

    async def _rest(self, client: aiosmtplib.SMTP, to: str, content: bytes) -> None:
        try:
            await client.rcpt(to)
        except aiosmtplib.SMTPRecipientRefused as error:
            if error.code in _NO_MAILBOX:
                raise NotAccepted(MessageError.MAILBOX_UNKNOWN, for_good=True) from None
            raise _not_sent(error, for_good=error.code >= _PERMANENT) from None
        except (aiosmtplib.SMTPException, OSError) as error:
            raise _not_sent(error) from error
        try:
            await client.data(content)
        except aiosmtplib.SMTPDataError as error:
            raise _not_sent(error, for_good=error.code >= _PERMANENT) from None
        except (aiosmtplib.SMTPException, OSError) as error:
            raise _not_sent(error) from error


def _not_sent(error: Exception, *, for_good: bool = False) -> NotAccepted:
    """The server's own words are not kept: they may name the address."""
    if isinstance(error, aiosmtplib.SMTPTimeoutError | TimeoutError):
        return NotAccepted(MessageError.TIMEOUT)
    if isinstance(error, aiosmtplib.SMTPResponseException):
        is_permanent = error.code >= _PERMANENT
        kind = MessageError.REFUSED if is_permanent else MessageError.DEFERRED
        return NotAccepted(kind, for_good=for_good)
    return NotAccepted(MessageError.UNREACHABLE)
