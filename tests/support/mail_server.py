"""A mail server that keeps what it accepts, and misbehaves as a test wants."""

import asyncio
import ssl
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from typing import Any

import icalendar
from aiosmtpd.smtp import SMTP, Envelope, Session

from hub.messages.settings import MailSettings, MessageSettings
from tests.support.eventually import eventually

SENDER = "desk@practice.example"
ENABLED = MessageSettings(enabled=True, retry_first_s=0.1, retry_longest_s=0.2)


@dataclass(frozen=True, kw_only=True)
class ReceivedMail:
    to: str
    content: EmailMessage

    @property
    def message_id(self) -> str:
        return str(self.content["Message-ID"])

    @property
    def subject(self) -> str:
        return str(self.content["Subject"])

    def text(self, subtype: str = "plain") -> str:
        part = self.content.get_body((subtype,))
        assert part is not None
        return str(part.get_content())

    @property
    def calendar(self) -> icalendar.Component:
        (attached,) = self.content.iter_attachments()
        return icalendar.Calendar.from_ical(attached.get_content())


@dataclass
class MailServer:
    port: int = 0
    mails: list[ReceivedMail] = field(default_factory=list)
    """Accepted, in order; also those after which the connection was cut."""
    refused: dict[str, str] = field(default_factory=dict)
    """The response to a recipient, e.g. ``550 no such mailbox``."""
    cuts: int = 0
    """After so many more mails it cuts the connection in place of its answer."""
    is_open: asyncio.Event = field(default_factory=asyncio.Event)
    """Unless it is set, mails wait for their answer."""
    attempts: Counter[str] = field(default_factory=Counter)
    """Of recipients, refused ones included."""

    senders: list[str | None] = field(default_factory=list)
    """Of the envelopes of accepted mails."""
    protocols: list[SMTP] = field(default_factory=list)

    @property
    def connections(self) -> int:
        """How many were opened."""
        return len(self.protocols)

    def close_connections(self) -> None:
        for protocol in self.protocols:
            if isinstance(protocol.transport, asyncio.Transport):
                protocol.transport.abort()

    async def handle_RCPT(  # noqa: N802  # the library's name
        self,
        _server: SMTP,
        _session: Session,
        envelope: Envelope,
        address: str,
        _options: list[str],
    ) -> str:
        self.attempts[address] += 1
        if refusal := self.refused.get(address):
            return refusal
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802  # the library's name
        self, server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        await self.is_open.wait()
        assert isinstance(envelope.content, bytes)
        content = BytesParser(policy=policy.default).parsebytes(envelope.content)
        assert isinstance(content, EmailMessage)
        self.senders.append(envelope.mail_from)
        self.mails += [ReceivedMail(to=to, content=content) for to in envelope.rcpt_tos]
        if self.cuts:
            self.cuts -= 1
            assert isinstance(server.transport, asyncio.Transport)
            server.transport.abort()
        return "250 accepted"

    async def until(self, count: int, within_s: float = 10.0) -> list[ReceivedMail]:
        await eventually(lambda: len(self.mails) >= count, within_s)
        assert len(self.mails) >= count, [mail.subject for mail in self.mails]
        return self.mails

    def settings(self, **changes: Any) -> MailSettings:
        return MailSettings(
            server="127.0.0.1", port=self.port, tls="none", sender=SENDER, **changes
        )


@asynccontextmanager
async def mail_server(
    port: int = 0,
    *,
    starttls: ssl.SSLContext | None = None,
    implicit: ssl.SSLContext | None = None,
) -> AsyncIterator[MailServer]:
    """In this event loop; on a free port, or on this one. It takes mails encrypted, if asked to."""
    known = MailServer()
    known.is_open.set()
    loop = asyncio.get_running_loop()

    def connected() -> SMTP:
        protocol = SMTP(
            known,
            enable_SMTPUTF8=False,
            loop=loop,
            tls_context=starttls,
            require_starttls=starttls is not None,
        )
        known.protocols.append(protocol)
        return protocol

    server = await loop.create_server(connected, "127.0.0.1", port, ssl=implicit)
    known.port = server.sockets[0].getsockname()[1]
    try:
        yield known
    finally:
        known.is_open.set()
        server.close()
        known.close_connections()
