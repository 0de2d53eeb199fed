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
    """Until the block ends; ``None`` unless there is a way to send.

    Codes and invitations are sent without ``messages.enabled``, which is about visits.
    """
    config = base.config
    if not (config.mail.is_set or config.sms.is_set):
        yield None
        return
    sender = MessageSender(
        config.messages,
        queue=base.store.messages,
        reminders=_reminders(base),
        letters=Letters(
            config.messages,
            config.mail.sender,
            config.practice.region,
            config.server.public_url,
            config.mail.by_practice,
        ),
        mail=_mail(base),
        texts=TwilioTransport(config.sms) if config.sms.is_set else None,
        clock=base.clock,
        timeout_s=max(config.mail.timeout_s, config.sms.timeout_s),
        connections=config.mail.connections,
        on_attempt=base.metrics.message,
    )
    try:
        yield sender
    finally:
        await sender.close()


def _reminders(base: Base) -> Reminders | None:
    if not base.config.messages.enabled:
        return None
    store = base.store
    settings, load_types = base.config.messages, store.calendars.load_types
    if not (settings.visit_links and base.config.server.public_url):  # no one could answer
        return Reminders(store.reminders, load_types, settings.leads)
    return Reminders(store.reminders, load_types, settings.leads, settings.asks_at)


def _mail(base: Base) -> MailTransport | None:
    mail, clock = base.config.mail, base.clock
    if not mail.is_set:
        return None
    if mail.folder:
        return MailFolder(Path(mail.folder), mail.sender, clock)
    return SmtpTransport(mail, clock)
