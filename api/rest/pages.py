"""The pages for people, and the API document; every file comes from the package."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler
from swagger_ui_bundle import (  # type: ignore[import-untyped]  # it has no types
    swagger_ui_path,
)

_PAGES: Final = Path(__file__).parent.parent / "pages"
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

CSP: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'"
)
_DOCS_CSP: Final = CSP.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'")
"""Swagger UI sets styles on its elements; scripts stay files of this hub."""


def page_routes() -> Iterator[web.RouteDef]:
    yield web.get("/status", _page(_PAGES / "status.html", CSP))
    yield web.get("/docs", _page(_PAGES / "docs.html", _DOCS_CSP))
    yield web.get("/docs/{file}", _folder(Path(swagger_ui_path)))
    yield web.get("/pages/{file}", _folder(_PAGES))


def _page(path: Path, policy: str) -> Handler:
    async def answer(request: web.Request) -> web.StreamResponse:
        return _file(path, policy)

    return answer


def _folder(folder: Path) -> Handler:
    """The files that were in ``folder`` at the start, by name: no path leads out of it."""
    files = {path.name: path for path in folder.iterdir() if path.suffix in _TYPES}

    async def answer(request: web.Request) -> web.StreamResponse:
        path = files.get(request.match_info["file"])
        if path is None:
            raise web.HTTPNotFound
        return _file(path, CSP)

    return answer


def _file(path: Path, policy: str) -> web.StreamResponse:
    content_type = _TYPES[path.suffix]
    if content_type.startswith(_TEXT):
        content_type += "; charset=utf-8"
    return web.FileResponse(
        path,
        headers={
            "Content-Type": content_type,
            "Content-Security-Policy": policy,
            "Cache-Control": "no-cache",
        },
    )
