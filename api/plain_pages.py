"""Pages that the hub renders itself: the front door, and errors for browsers.

They work without a script, and before the screens are built.
"""

import re
from pathlib import Path
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from api.deps import DEPS
from api.errors import PublicError
from api.http.headers import PAGE_POLICY
from api.page_words import ERRORS, OTHER_ERROR, SERVER_ERROR, WORDS

_FOLDER: Final = Path(__file__).parent / "pages"
_PRACTICES_MAX: Final = 50
_HEADERS: Final = {"Content-Security-Policy": PAGE_POLICY, "Vary": "Accept, Accept-Language"}
_WEIGHT: Final = re.compile(r"q=([01](?:\.\d{0,3})?)", re.ASCII)
_RANGES_MAX: Final = 20
"""Of ``Accept`` and ``Accept-Language``; browsers send fewer."""
_NOT_DIALLED: Final = re.compile(r"\(0\)|[^+0-9]")

_environment: Final = Environment(
    loader=FileSystemLoader(_FOLDER),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
)
_environment.filters["dialled"] = lambda phone: _NOT_DIALLED.sub("", phone)
_FRONT: Final = _environment.get_template("front.html.jinja")
_ERROR: Final = _environment.get_template("error.html.jinja")


def front_door(*, signs_in: bool) -> web.RouteDef:
    """``GET /``; ``signs_in``: people sign in at the hub itself."""
    return web.get("/", _front(signs_in=signs_in))


def _front(*, signs_in: bool) -> Handler:
    async def respond(request: web.Request) -> web.Response:
        practices = await request.app[DEPS].services.practices.every()
        language = language_of(request)
        text = _FRONT.render(
            language=language,
            words=WORDS[language],
            practices=practices[:_PRACTICES_MAX],
            signs_in=signs_in,
        )
        headers = {**_HEADERS, "Cache-Control": "no-cache"}
        return web.Response(text=text, content_type="text/html", charset="utf-8", headers=headers)

    return respond


def is_for_browser(request: web.Request) -> bool:
    """Whether someone looks at the answer: a page is opened, and no program calls the API.

    Programs send a token, other methods, or do not accept HTML by name.
    """
    if request.method not in ("GET", "HEAD") or "Authorization" in request.headers:
        return False
    ranges = request.headers.get("Accept", "").lower().split(",", _RANGES_MAX)[:_RANGES_MAX]
    accepted = {each.partition(";")[0].strip() for each in ranges}
    return "text/html" in accepted and "application/json" not in accepted


def error_page(request: web.Request, error: PublicError, request_id: str) -> web.Response:
    """The error as a page; its status and headers are those of the one form."""
    language = language_of(request)
    fallback = SERVER_ERROR if error.status >= 500 else OTHER_ERROR
    title, text = ERRORS.get(error.status, fallback)[language]
    body = _ERROR.render(
        language=language,
        words=WORDS[language],
        title=title,
        text=text,
        status=error.status,
        request_id=request_id,
    )
    return web.Response(
        status=error.status,
        text=body,
        content_type="text/html",
        charset="utf-8",
        headers=_HEADERS,
    )


def language_of(request: web.Request) -> str:
    """``en`` or ``de``: the one that the browser prefers (RFC 9110 §12.5.4)."""
    ranges = request.headers.get("Accept-Language", "").lower().split(",", _RANGES_MAX)
    weights = {"en": 0.0, "de": 0.0}
    for each in ranges[:_RANGES_MAX]:
        tag, _, parameter = each.partition(";")
        name = tag.strip().partition("-")[0]
        if name in weights:
            found = _WEIGHT.fullmatch(parameter.strip())
            weights[name] = max(weights[name], float(found[1]) if found else 1.0)
    return "de" if weights["de"] > weights["en"] else "en"
