"""The settings of messages: sections ``[messages]``, ``[mail]`` and ``[sms]``."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from annotated_types import Ge, Le

from actors.bounds import Count, NotNegative, Positive
from actors.domain.contact import email_address, is_region
from actors.domain.ids import PracticeId, parse_id
from actors.domain.message import MessageChannel

_LEAD_MIN: Final = timedelta(minutes=30)
_LEAD_MAX: Final = timedelta(days=30)


@dataclass(frozen=True, kw_only=True, slots=True)
class MessageSettings:
    """Whether patients get messages, what these tell, and how often they are attempted."""

    enabled: bool = False
    language: Literal["en", "de"] = "en"
    """Of patients whose profile has none, or one without texts."""
    include_type: bool = False
    """Whether a message names the appointment type."""
    reminders_hours: tuple[str, ...] = ("48", "3")
    """How long before a visit its patient is reminded."""
    confirm_from_hours: NotNegative = 24.0
    """A reminder that is due so long before the visit asks who has not confirmed; 0: none does."""
    visit_links: bool = True
    """Whether messages about visits to come lead to a page of the visit; see server.public_url."""
    sms_regions: tuple[str, ...] = ()
    """Countries to whose numbers text messages are sent."""
    per_recipient_per_day: Count = 10
    per_practice_per_day: Count = 2_000
    retry_first_s: Positive = 60.0
    retry_longest_s: Positive = 3_600.0
    give_up_after_hours: Positive = 24.0

    def __post_init__(self) -> None:
        try:
            fits = all(_LEAD_MIN <= lead <= _LEAD_MAX for lead in self.leads)
        except ValueError:
            fits = False
        if unknown := [region for region in self.sms_regions if not is_region(region)]:
            raise ValueError(f'sms_regions must be countries such as "AT", not "{unknown[0]}"')
        if not fits:
            raise ValueError('reminders_hours must be numbers from 0.5 to 720, e.g. ["48", "3"]')

    @property
    def leads(self) -> tuple[timedelta, ...]:
        """How long before a visit its patient is reminded; raises ValueError."""
        return tuple(timedelta(hours=float(hours)) for hours in self.reminders_hours)

    def asks_at(self, lead: timedelta) -> bool:
        """Whether a reminder with this lead asks patients to confirm the visit."""
        return 0 < self.confirm_from_hours <= lead / timedelta(hours=1)

    def retry_wait_s(self, attempts: int) -> float:
        """The wait after so many failed attempts; it doubles with each."""
        assert attempts >= 1, "an attempt has failed"
        return min(self.retry_longest_s, self.retry_first_s * 2.0 ** min(attempts - 1, 30))


@dataclass(frozen=True, kw_only=True, slots=True)
class MailSettings:
    """The mail server that mails are handed over to, or the folder they are written to."""

    server: str = ""
    port: Annotated[int, Ge(1), Le(65_535)] = 587
    tls: Literal["starttls", "implicit", "none"] = "starttls"
    user: str = ""
    password: str = field(default="", repr=False)
    sender: str = ""
    """The address that mails come from; their name is that of the practice."""
    senders: tuple[str, ...] = ()
    """``PRACTICE=ADDRESS``: where the mails of a practice come from, in place of ``sender``."""
    timeout_s: Positive = 30.0
    connections: Annotated[int, Ge(1), Le(32)] = 2
    folder: str = ""

    def __post_init__(self) -> None:
        if self.server and self.folder:
            raise ValueError("folder is in place of server: set only one of mail.server and folder")
        if (self.server or self.folder) and not email_address(self.sender):
            raise ValueError('sender must be an address such as "desk@practice.example"')
        for each in self.senders:
            practice, _, address = each.partition("=")
            if not (parse_id(practice) and email_address(address) == address):
                raise ValueError(
                    'senders must be like "01976f2e-5b1a-7c3d-9e4f-0a1b2c3d4e5f='
                    f'desk@practice.example", the id of a practice and an address, not "{each}"'
                )
        if len(self.by_practice) < len(self.senders):
            raise ValueError("senders must have each practice once")
        if self.user and self.tls == "none":
            raise ValueError("tls must not be none with mail.user: the password could be read")

    @property
    def is_set(self) -> bool:
        return bool(self.server or self.folder)

    @property
    def by_practice(self) -> Mapping[PracticeId, str]:
        """The addresses of ``senders``."""
        pairs = (each.partition("=") for each in self.senders)
        return {PracticeId(practice.lower()): address for practice, _, address in pairs}


@dataclass(frozen=True, kw_only=True, slots=True)
class SmsSettings:
    """The provider of text messages: Twilio, or one with the same interface."""

    account: str = ""
    token: str = field(default="", repr=False)
    sender: str = ""
    """A number, a name, or the id of a messaging service (``MG…``)."""
    api_url: str = "https://api.twilio.com"
    timeout_s: Positive = 10.0

    def __post_init__(self) -> None:
        given = [bool(self.account), bool(self.token), bool(self.sender)]
        if any(given) and not all(given):
            raise ValueError("account goes with sms.token and sms.sender: set all of them")
        host = urlsplit(self.api_url).hostname
        if not self.api_url.startswith("https://") and host not in ("127.0.0.1", "localhost"):
            raise ValueError("api_url must be an https address")

    @property
    def is_set(self) -> bool:
        return bool(self.account)


def channels_of(
    messages: MessageSettings, mail: MailSettings, sms: SmsSettings
) -> frozenset[MessageChannel]:
    """By which patients get messages; none unless messages are enabled."""
    offered = {MessageChannel.EMAIL: mail.is_set, MessageChannel.SMS: sms.is_set}
    return frozenset(each for each, is_set in offered.items() if messages.enabled and is_set)
