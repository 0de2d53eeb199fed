"""Composes messages: the words of the patient's language, the times of the practice."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from actors.domain.contact import mobile_number
from actors.domain.ids import PracticeId
from actors.domain.message import REMINDERS, Message, MessageError, MessageKind
from actors.ports.messages import MailContent, NotAccepted, TextContent, VisitDetails
from hub.messages.calendar_file import VisitCalendars, calendar_method
from hub.messages.settings import MessageSettings
from hub.messages.wording import Wording, one_line, wording

_TEMPLATES: Final = Path(__file__).parent / "templates"


class Letters:
    """Composes mails from templates. What people entered is data, never part of a template."""

    def __init__(
        self,
        settings: MessageSettings,
        sender: str,
        region: str = "",
        public_url: str = "",
        senders: Mapping[PracticeId, str] = MappingProxyType({}),
    ) -> None:
        """``sender`` is the address that mails come from, ``region`` the country of telephone
        numbers without a country code, where the practice has none. ``public_url``: where links
        to visits lead, if there are any. ``senders``: addresses of practices that have their
        own."""
        self._senders = senders
        self._settings, self._sender, self._region = settings, sender, region
        self._public_url = public_url if settings.visit_links else ""
        self._calendars = VisitCalendars(settings)
        environment = Environment(
            loader=FileSystemLoader(_TEMPLATES),
            autoescape=select_autoescape(["html.jinja"], default_for_string=True),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._text = environment.get_template("visit.txt.jinja")
        self._html = environment.get_template("visit.html.jinja")

    @property
    def has_links(self) -> bool:
        """Whether messages about visits to come lead to a page."""
        return bool(self._public_url)

    def of_visit(
        self, message: Message, details: VisitDetails, to: str, token: str | None = None
    ) -> MailContent:
        """The mail of a message about a visit, to the patient's address.

        ``token`` is that of its link.
        """
        words = wording(details.patient.language, self._settings.language)
        practice = details.practice
        name = one_line(practice.name if practice else details.dentist.name)
        reply_to = practice.email if practice else None
        subject = words.subjects[message.kind].format(practice=name)
        content = {
            "language": words.language,
            "subject": subject,
            "greeting": words.greeting.format(name=one_line(details.patient.name)),
            "opening": words.openings[message.kind],
            "facts": self._facts(message, details, words),
            "link": self._link(token),
            "link_text": words.link,
            "closing": _closing(message.kind, words),
            "place": name,
            "contact": _contact(details, words),
        }
        is_reminder = message.kind in REMINDERS
        return MailContent(
            message_id=self._message_id(message),
            to=to,
            sender_name=name,
            sender=self._sender_of(message),
            reply_to=reply_to,
            subject=subject,
            text=self._text.render(content),
            html=self._html.render(content),
            calendar=self._calendars.file(details, language=details.patient.language, attendee=to),
            calendar_method=calendar_method(details),
            unsubscribe=(reply_to or self._sender_of(message)) if is_reminder else None,
        )

    def text_of_visit(
        self, message: Message, details: VisitDetails, to: str, token: str | None = None
    ) -> TextContent:
        """The text message about a visit. Raises NotAccepted for a number of another country."""
        practice = details.practice
        number = mobile_number(to, (practice and practice.region) or self._region)
        if number is None:
            raise NotAccepted(MessageError.MAILBOX_UNKNOWN, for_good=True)
        if number.region not in self._settings.sms_regions:
            raise NotAccepted(MessageError.REGION_NOT_ALLOWED, for_good=True)
        words = wording(details.patient.language, self._settings.language)
        name = one_line(practice.name if practice else details.dentist.name)
        parts = [f"{name}: {words.openings[message.kind]} {_when(details, words)}."]
        if practice and practice.phone:
            parts.append(f"{words.phone}: {one_line(practice.phone)}")
        if link := self._link(token):
            parts.append(link)
        return TextContent(to=number.e164, text=" ".join(parts))

    def of_secret(self, message: Message) -> MailContent:
        """The mail of a code or an invitation, whose content says it: subject, text, html."""
        assert message.address, "it has an address of its own"
        assert message.content, "it was not sent yet"
        content = json.loads(message.content)
        return MailContent(
            message_id=self._message_id(message),
            to=message.address,
            sender_name=one_line(content["sender_name"]),
            sender=self._sender_of(message),
            reply_to=None,
            subject=one_line(content["subject"]),
            text=content["text"],
            html=content["html"],
        )

    def _sender_of(self, message: Message) -> str:
        own = self._senders.get(message.practice_id) if message.practice_id else None
        return own or self._sender

    def _link(self, token: str | None) -> str | None:
        """The token is in the fragment: browsers send it to no server, and in no Referer."""
        return f"{self._public_url}/visit#{token}" if token else None

    def _message_id(self, message: Message) -> str:
        return f"<{message.id}@{self._sender.rpartition('@')[2]}>"

    def _facts(
        self, message: Message, details: VisitDetails, words: Wording
    ) -> Sequence[tuple[str, str]]:
        facts = [(words.when, _when(details, words))]
        address = details.practice.address if details.practice else None
        if message.kind is not MessageKind.CANCELLATION and address:
            facts.append((words.where, one_line(address)))
        facts.append((words.dentist, one_line(details.dentist.name)))
        if self._settings.include_type:
            facts.append((words.kind, one_line(details.kind.name)))
        if message.kind is MessageKind.CANCELLATION:
            reason = words.reason_of(details.row.cancel_reason)
            facts += [(words.reason, reason)] if reason else []
        return facts


def _when(details: VisitDetails, words: Wording) -> str:
    """In the practice's time, and in the patient's where that is another one."""
    here = details.row.start.astimezone(ZoneInfo(details.zone))
    shown = words.date_and_time(here)
    if zone := details.patient.time_zone:
        there = here.astimezone(ZoneInfo(zone))
        if there.utcoffset() != here.utcoffset():
            shown += f" – {words.your_zone.format(time=words.date_and_time(there), zone=zone)}"
    return shown


def _closing(kind: MessageKind, words: Wording) -> Sequence[str]:
    asked = words.new_visit if kind is MessageKind.CANCELLATION else words.cannot_come
    return asked, words.calendar_note, words.no_reply


def _contact(details: VisitDetails, words: Wording) -> Sequence[str]:
    practice = details.practice
    if practice is None:
        return ()
    lines = [practice.address, practice.phone and f"{words.phone}: {practice.phone}"]
    return [one_line(line) for line in (*lines, practice.website) if line]
