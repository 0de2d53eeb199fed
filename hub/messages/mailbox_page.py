"""The page ``/mail`` of the demo: the mails that would have been sent.

It is for this machine only: mails contain the names of patients, and later codes to sign in
with. So the connection must come from this machine, and the address in the browser must be that of
this machine, or a foreign page whose name leads here could read them.
"""

import ipaddress
from collections.abc import Sequence
from datetime import datetime
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from actors.domain.ids import parse_id

_TEMPLATES: Final = Path(__file__).parent / "templates"
_SHOWN_MAX: Final = 200
_OWN_NAMES: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox;"
    " frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
}


def mailbox_routes(folder: Path) -> Sequence[web.RouteDef]:
    """``/mail`` and ``/mail/{id}``, on the mails in ``folder``."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined
    )
    listed = environment.get_template("mails.html.jinja")
    shown = environment.get_template("mail.html.jinja")

    async def page(_: web.Request) -> web.Response:
        return _page(listed.render(mails=[_summary(path) for path in _newest(folder)]))

    async def show(request: web.Request) -> web.Response:
        name = parse_id(request.match_info["id"])
        path = folder / f"{name}.eml"
        if name is None or not path.is_file():
            raise web.HTTPNotFound
        mail = _read(path)
        body = mail.get_body(("plain",))
        return _page(
            shown.render(
                headers=[(header, str(value)) for header, value in mail.items()],
                text=body.get_content() if body else "",
            )
        )

    return web.get("/mail", _own(page)), web.get("/mail/{id}", _own(show))


def _own(handler: Handler) -> Handler:
    """Refuses connections from elsewhere, and addresses that are not this machine's."""

    async def checked(request: web.Request) -> web.StreamResponse:
        peer = request.transport.get_extra_info("peername") if request.transport else None
        host = request.host.rpartition(":")[0] if ":" in request.host else request.host
        is_own = peer is not None and ipaddress.ip_address(peer[0]).is_loopback
        if not is_own or (host.lower() not in _OWN_NAMES and request.host not in _OWN_NAMES):
            raise web.HTTPNotFound
        return await handler(request)

    return checked


def _newest(folder: Path) -> Sequence[Path]:
    found = sorted(folder.glob("*.eml"), key=lambda path: path.stat().st_mtime, reverse=True)
    return found[:_SHOWN_MAX]


def _read(path: Path) -> EmailMessage:
    mail = BytesParser(policy=policy.default).parsebytes(path.read_bytes())
    assert isinstance(mail, EmailMessage), "the policy makes these"
    return mail


def _summary(path: Path) -> dict[str, str]:
    mail = _read(path)
    at = datetime.fromtimestamp(path.stat().st_mtime).astimezone()
    return {
        "id": path.stem,
        "to": str(mail["To"]),
        "subject": str(mail["Subject"]),
        "at": f"{at:%Y-%m-%d %H:%M:%S}",
    }


def _page(html: str) -> web.Response:
    return web.Response(text=html, content_type="text/html", headers=_HEADERS)
