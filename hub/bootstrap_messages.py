"""Builds the sender of messages, if patients are to get any."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from actors.ports.messages import MailTransport
from hub.bootstrap_core import Base
from hub.messages.letters import Letters
from hub.messages.mail_folder import MailFolder
from hub.messages.reminders import Reminders
from hub.messages.sender import MessageSender
from hub.messages.smtp import SmtpTransport
from hub.messages.twilio import TwilioTransport


@asynccontextmanager
async def open_messages(base: Base) -> AsyncIterator[MessageSender | None]:
    """Until the block ends; ``None`` unless messages are enabled."""
    config = base.config
    if not config.messages.enabled:
        yield None
        return
    sender = MessageSender(
        config.messages,
        queue=base.store.messages,
        reminders=Reminders(
            base.store.reminders, base.store.calendars.load_types, config.messages.leads
        ),
        letters=Letters(config.messages, config.mail.sender, config.practice.region),
        mail=_mail(base),
        texts=TwilioTransport(config.sms) if config.sms.is_set else None,
        clock=base.clock,
        timeout_s=max(config.mail.timeout_s, config.sms.timeout_s),
        connections=config.mail.connections,
    )
    try:
        yield sender
    finally:
        await sender.close()


def _mail(base: Base) -> MailTransport | None:
    mail, clock = base.config.mail, base.clock
    if not mail.is_set:
        return None
    if mail.folder:
        return MailFolder(Path(mail.folder), mail.sender, clock)
    return SmtpTransport(mail, clock)
