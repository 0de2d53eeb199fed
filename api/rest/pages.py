"""The pages for people, and the API document; every file comes from the package.

The screens are built from ``web/`` into ``api/pages/built`` (``make web``): a page for each
``.html``, and what they load, whose names change with their content.
"""

import re
from collections.abc import Iterator, Mapping, Sequence, Set
from functools import cached_property
from pathlib import Path
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler
from swagger_ui_bundle import (  # type: ignore[import-untyped]  # it has no types
    swagger_ui_path,
)

from api.http.headers import NO_FRAMES, PAGE_POLICY
from api.rest.headers import content_tag, not_modified

_PAGES: Final = Path(__file__).parent.parent / "pages"
BUILT: Final = _PAGES / "built"
SCREENS: Final = frozenset({"chat", "dentist", "desk", "patient", "status"})
"""Pages that always have a route; before `make web`, they explain how to build them."""
_PLACES: Final[Mapping[str, tuple[str, ...]]] = {
    "patient": ("visits", "visits/{id}/move", "profile"),
}
"""Further addresses of a page, below its own: links, reloads and the back button keep the place."""

_UNBUILT: Final = (
    "This page is not in this installation: `make web` builds it, `make run` does so by itself.\n"
)
_TYPES: Final[Mapping[str, str]] = {
    ".css": "text/css",
    ".html": "text/html",
    ".ico": "image/x-icon",
    ".js": "text/javascript",
    ".json": "application/json",
    ".map": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}
_TEXT: Final = ("text/", "application/")

_CODINGS: Final = (("br", ".br"), ("gzip", ".gz"))
"""Content codings and the suffixes of such files."""
_NEVER: Final = re.compile(r"q\s*=\s*0(\.0{0,3})?")

_REVALIDATE: Final = "no-cache"
_FOREVER: Final = "public, max-age=31536000, immutable"

_DOCS_CSP: Final = PAGE_POLICY.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'")
"""Swagger UI sets styles on its elements; scripts stay files of this hub."""


def page_routes(built: Path, frame_origins: Sequence[str]) -> Iterator[web.RouteDef]:
    """Pages of ``built`` may be shown in frames by the pages of ``frame_origins``."""
    frames = f"frame-ancestors {' '.join(frame_origins)}" if frame_origins else NO_FRAMES
    policy = PAGE_POLICY.replace(NO_FRAMES, frames)
    pages = {path.stem: path for path in built.glob("*.html")}
    for name in sorted(SCREENS | pages.keys()):
        page = _page(pages[name], policy) if name in pages else _unbuilt
        yield web.get(f"/{name}", page)
        for place in _PLACES.get(name, ()):
            yield web.get(f"/{name}/{place}", page)
    yield web.get("/assets/{file}", _folder(built / "assets", _FOREVER))
    yield web.get("/docs", _page(_PAGES / "docs.html", _DOCS_CSP))
    yield web.get("/docs/{file}", _folder(Path(swagger_ui_path)))
    yield web.get("/pages/{file}", _folder(_PAGES))


def sign_in_pages() -> Iterator[web.RouteDef]:
    """Where people sign in at the hub itself, and manage their passkeys."""
    yield web.get("/sign-in", _page(_PAGES / "sign-in.html", PAGE_POLICY))
    yield web.get("/passkeys", _page(_PAGES / "passkeys.html", PAGE_POLICY))


def visit_page() -> web.RouteDef:
    """Where the links of messages lead."""
    return web.get("/visit", _page(_PAGES / "visit.html", PAGE_POLICY))


async def _unbuilt(request: web.Request) -> web.StreamResponse:
    return web.Response(status=503, text=_UNBUILT)


def _page(path: Path, policy: str) -> Handler:
    page = _StaticFile(path, policy, _REVALIDATE)

    async def respond(request: web.Request) -> web.StreamResponse:
        return page.response(request)

    return respond


def _folder(folder: Path, caching: str = _REVALIDATE) -> Handler:
    """The files that ``folder`` holds now, by name: no path leads out of it."""
    files = {
        path.name: _StaticFile(path, PAGE_POLICY, caching)
        for path in folder.glob("*")
        if path.suffix in _TYPES
    }

    async def respond(request: web.Request) -> web.StreamResponse:
        found = files.get(request.match_info["file"])
        if found is None:
            raise web.HTTPNotFound
        return found.response(request)

    return respond


class _StaticFile:
    """A file of the package, and its compressed forms beside it; kept after the first request.

    aiohttp's response for files decides about the status after the log line was written, and
    refuses preconditions in a form of its own.
    """

    def __init__(self, path: Path, policy: str, caching: str) -> None:
        self._path = path
        content_type = _TYPES[path.suffix]
        if content_type.startswith(_TEXT):
            content_type += "; charset=utf-8"
        self._headers = {
            "Content-Type": content_type,
            "Content-Security-Policy": policy,
            "Cache-Control": caching,
        }

    def response(self, request: web.Request) -> web.Response:
        """The smallest form that the client takes, or 304 if it has that."""
        accepted = _accepted(request.headers.get("Accept-Encoding", ""))
        coding = next((coding for coding in self._forms if coding in accepted), "")
        body, tag = self._forms[coding]
        response = web.Response(body=body, headers={**self._headers, "ETag": tag})
        if coding:
            response.headers["Content-Encoding"] = coding
        if len(self._forms) > 1:
            response.headers["Vary"] = "Accept-Encoding"
        return not_modified(request, response)

    @cached_property
    def _forms(self) -> Mapping[str, tuple[bytes, str]]:
        """Content and entity tag by content coding, the smallest first, the file itself last."""
        forms = {}
        for coding, suffix in (*_CODINGS, ("", "")):
            path = self._path.with_name(self._path.name + suffix)
            if path.is_file():
                body = path.read_bytes()
                forms[coding] = body, content_tag(body)
        return forms


def _accepted(header: str) -> Set[str]:
    """The content codings of ``Accept-Encoding`` that are not refused with ``q=0``."""
    wanted = (part.partition(";") for part in header.lower().split(","))
    return {coding.strip() for coding, _, weight in wanted if not _NEVER.fullmatch(weight.strip())}
