"""The mail with which a patient signs in: a code, and a link."""

from html import escape
from typing import Final
from urllib.parse import urlsplit

import orjson

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


class SignInLetter:
    """Implements :class:`actors.services.mail_codes.CodeLetter`."""

    def __init__(self, public_url: str, language: str) -> None:
        """``language``: of patients whose profile names none."""
        self._public_url, self._language = public_url, language

    def __call__(self, code: str, link: str, language: str | None) -> str:
        wanted = (language or self._language)[:2]
        subject, first, second, last = _TEXTS.get(wanted, _TEXTS["en"])
        url = f"{self._public_url}/sign-in#link={link}"
        first = first.format(code=code)
        html = (
            f'<!DOCTYPE html><html lang="{"de" if wanted == "de" else "en"}"><body>'
            f'<p>{escape(first)}</p><p>{escape(second)} <a href="{escape(url)}">{escape(url)}</a>'
            f"</p><p>{escape(last)}</p></body></html>"
        )
        content = {
            "sender_name": urlsplit(self._public_url).hostname or "",
            "subject": subject,
            "text": f"{first}\n\n{second}\n{url}\n\n{last}\n",
            "html": html,
        }
        return orjson.dumps(content).decode()
