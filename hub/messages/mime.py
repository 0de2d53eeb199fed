"""A mail as the octets that a server is given (RFC 5322, RFC 2045)."""

from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from typing import Final

from actors.ports.messages import MailContent

_POLICY: Final = SMTP.clone(cte_type="7bit")
"""Its headers refuse line breaks, so nothing that people entered begins a header of its own."""


def mime(mail: MailContent, *, sender: str, at: datetime) -> bytes:
    """The mail, from ``sender`` unless it has one of its own, with a date.

    Raises ValueError for a header with line breaks.
    """
    message = EmailMessage(policy=_POLICY)
    message["From"] = Address(mail.sender_name, addr_spec=mail.sender or sender)
    message["To"] = Address(addr_spec=mail.to)
    if mail.reply_to:
        message["Reply-To"] = Address(mail.sender_name, addr_spec=mail.reply_to)
    message["Subject"] = mail.subject
    message["Date"] = at
    message["Message-ID"] = mail.message_id
    message["Auto-Submitted"] = "auto-generated"
    if mail.unsubscribe:
        message["List-Unsubscribe"] = f"<mailto:{mail.unsubscribe}?subject=unsubscribe>"
    message.set_content(mail.text)
    message.add_alternative(mail.html, subtype="html")
    if mail.calendar:
        _add_calendar(message, mail.calendar, mail.calendar_method)
    return message.as_bytes()


def _add_calendar(message: EmailMessage, calendar: bytes, method: str) -> None:
    """Once as an alternative, which mail programs act on, and once as a file."""
    message.add_alternative(
        calendar.decode(), subtype="calendar", params={"method": method}, cte="base64"
    )
    message.add_attachment(
        calendar, maintype="application", subtype="ics", filename="appointment.ics"
    )
