"""The pages for people, and the API document; every file comes from the package.

The screens are built from ``web/`` into ``api/pages/built`` (``make web``): a page for each
``.html``, and what they load, whose names change with their content.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler
from swagger_ui_bundle import (  # type: ignore[import-untyped]  # it has no types
    swagger_ui_path,
)

from api.http.headers import NO_FRAMES

_PAGES: Final = Path(__file__).parent.parent / "pages"
BUILT: Final = _PAGES / "built"
SCREENS: Final = frozenset({"chat", "dentist", "patient", "status"})
"""Pages that always have a route; before `make web`, they explain how to build them."""

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

_REVALIDATE: Final = "no-cache"
_FOREVER: Final = "public, max-age=31536000, immutable"

CSP: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none';"
    f" form-action 'none'; {NO_FRAMES}"
)
_DOCS_CSP: Final = CSP.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'")
"""Swagger UI sets styles on its elements; scripts stay files of this hub."""


def page_routes(built: Path, frame_origins: Sequence[str]) -> Iterator[web.RouteDef]:
    """Pages of ``built`` may be shown in frames by the pages of ``frame_origins``."""
    frames = f"frame-ancestors {' '.join(frame_origins)}" if frame_origins else NO_FRAMES
    policy = CSP.replace(NO_FRAMES, frames)
    pages = {path.stem: path for path in built.glob("*.html")}
    for name in sorted(SCREENS | pages.keys()):
        yield web.get(f"/{name}", _page(pages[name], policy) if name in pages else _unbuilt)
    yield web.get("/assets/{file}", _folder(built / "assets", _FOREVER))
    yield web.get("/docs", _page(_PAGES / "docs.html", _DOCS_CSP))
    yield web.get("/docs/{file}", _folder(Path(swagger_ui_path)))
    yield web.get("/pages/{file}", _folder(_PAGES))


async def _unbuilt(request: web.Request) -> web.StreamResponse:
    return web.Response(status=503, text=_UNBUILT)


def _page(path: Path, policy: str) -> Handler:
    async def respond(request: web.Request) -> web.StreamResponse:
        return _file(path, policy)

    return respond


def _folder(folder: Path, caching: str = _REVALIDATE) -> Handler:
    """The files that ``folder`` holds now, by name: no path leads out of it."""
    files = {path.name: path for path in folder.glob("*") if path.suffix in _TYPES}

    async def respond(request: web.Request) -> web.StreamResponse:
        path = files.get(request.match_info["file"])
        if path is None:
            raise web.HTTPNotFound
        return _file(path, CSP, caching)

    return respond


def _file(path: Path, policy: str, caching: str = _REVALIDATE) -> web.StreamResponse:
    """The file, or its compressed form beside it if the client takes that."""
    content_type = _TYPES[path.suffix]
    if content_type.startswith(_TEXT):
        content_type += "; charset=utf-8"
    return web.FileResponse(
        path,
        headers={
            "Content-Type": content_type,
            "Content-Security-Policy": policy,
            "Cache-Control": caching,
        },
    )
