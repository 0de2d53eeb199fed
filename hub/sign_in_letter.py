"""The mails with which a patient signs in: a code and a link, or an invitation."""

from html import escape
from typing import Final
from urllib.parse import urlsplit

import orjson

from actors.ports.clock import Clock
from actors.services.invitations import InvitationMail, invitation_url
from api.ratelimit import RateLimiter
from hub.config import Config
from hub.messages.wording import one_line

_TEXTS: Final = {
    "en": (
        "Your code to sign in",
        "Your code is {code}. It is valid for ten minutes, in the browser where you asked for it.",
        "Or open this link in the same browser:",
        "If you did not ask for it, you need do nothing. Tell the code to nobody.",
    ),
    "de": (
        "Ihr Code zum Anmelden",
        "Ihr Code ist {code}. Er gilt zehn Minuten, und nur in dem Browser, der ihn verlangt hat.",
        "Oder öffnen Sie diesen Link im selben Browser:",
        "Haben Sie ihn nicht verlangt, müssen Sie nichts tun. Nennen Sie den Code niemandem.",
    ),
}
_INVITING: Final = {
    "en": (
        "Your access to {place}",
        "{place} invites you to manage your appointments online.",
        "This link lets you in. It works once, for three days:",
        "Do not pass it on. If you do not want to use it, you need do nothing.",
    ),
    "de": (
        "Ihr Zugang: {place}",
        "{place} lädt Sie ein, Ihre Termine online zu verwalten.",
        "Mit diesem Link melden Sie sich an. Er gilt einmal und drei Tage lang:",
        "Geben Sie ihn nicht weiter. Möchten Sie ihn nicht verwenden, müssen Sie nichts tun.",
    ),
}
INVITATIONS_PER_DAY: Final = 10
"""Mails to one patient, by one node."""


class SignInLetter:
    """Implements :class:`actors.services.mail_codes.CodeLetter`."""

    def __init__(self, public_url: str, language: str) -> None:
        """``language``: of patients whose profile names none."""
        self._public_url, self._language = public_url, language

    def __call__(self, code: str, link: str, language: str | None) -> str:
        wanted = (language or self._language)[:2]
        subject, first, second, last = _TEXTS.get(wanted, _TEXTS["en"])
        url = f"{self._public_url}/sign-in#link={link}"
        sender = urlsplit(self._public_url).hostname or ""
        return _content(sender, subject, (first.format(code=code), second, url, last), wanted)


class InvitingLetter:
    """Implements :class:`actors.services.invitations.InvitationLetter`."""

    def __init__(self, public_url: str, language: str) -> None:
        """``language``: of patients whose profile names none."""
        self._public_url, self._language = public_url, language

    def __call__(self, token: str, place: str | None, language: str | None) -> str:
        wanted = (language or self._language)[:2]
        sender = one_line(place or "") or urlsplit(self._public_url).hostname or ""
        subject, first, second, last = (
            each.replace("{place}", sender) for each in _INVITING.get(wanted, _INVITING["en"])
        )
        url = invitation_url(self._public_url, token)
        return _content(sender, subject, (first, second, url, last), wanted)


def invitation_mail(config: Config, clock: Clock) -> InvitationMail | None:
    """How invitations are sent, if people sign in here, and there is a way to send mails."""
    if not (config.sign_in.enabled and config.mail.is_set):
        return None
    return InvitationMail(
        letter=InvitingLetter(config.server.public_url, config.messages.language),
        allowance=RateLimiter(
            rate_per_s=INVITATIONS_PER_DAY / 86_400,
            burst=INVITATIONS_PER_DAY,
            monotonic=clock.monotonic,
        ),
    )


def _content(sender: str, subject: str, lines: tuple[str, str, str, str], language: str) -> str:
    """Of a secret message; ``lines``: the third one is a link."""
    first, second, url, last = lines
    html = (
        f'<!DOCTYPE html><html lang="{"de" if language == "de" else "en"}"><body>'
        f'<p>{escape(first)}</p><p>{escape(second)} <a href="{escape(url)}">{escape(url)}</a>'
        f"</p><p>{escape(last)}</p></body></html>"
    )
    content = {
        "sender_name": sender,
        "subject": subject,
        "text": f"{first}\n\n{second}\n{url}\n\n{last}\n",
        "html": html,
    }
    return orjson.dumps(content).decode()
