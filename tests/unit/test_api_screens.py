"""The built screens over HTTP: caching, compression, content policy, hidden files."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient

from api.rest.pages import SCREENS
from api.settings import ApiSettings
from tests.unit.api_world import world

HTML, SCRIPT = "<!doctype html><title>chat</title>", "console.log(1)"
Client = TestClient[Any, Any]


@pytest.fixture
def built(tmp_path: Path) -> Path:
    (tmp_path / "assets").mkdir()
    (tmp_path / "chat.html").write_text(HTML)
    (tmp_path / "chat.html.gz").write_bytes(b"as gzip")
    (tmp_path / "assets" / "chat-abc123.js").write_text(SCRIPT)
    (tmp_path / "assets" / "chat-abc123.js.br").write_bytes(b"as brotli")
    (tmp_path / ".built").touch()
    return tmp_path


@asynccontextmanager
async def serving(built: Path, settings: ApiSettings | None = None) -> AsyncIterator[Client]:
    """An application that serves the pages of this folder."""
    async with world(settings, screens=built) as w:
        yield w.client


async def test_each_built_page_has_an_address_and_is_revalidated(built: Path) -> None:
    async with serving(built) as client:
        answer = await client.get("/chat", headers={"Accept-Encoding": "identity"})
        assert (answer.status, await answer.text()) == (200, HTML)
        assert answer.headers["Cache-Control"] == "no-cache"
        assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
        known = {"If-None-Match": answer.headers["ETag"], "Accept-Encoding": "identity"}
        again = await client.get("/chat", headers=known)
        assert again.status == 304


async def test_files_named_by_their_hash_are_immutable(built: Path) -> None:
    async with serving(built) as client:
        answer = await client.get(
            "/assets/chat-abc123.js", headers={"Accept-Encoding": "br"}, auto_decompress=False
        )
        assert "immutable" in answer.headers["Cache-Control"]
        assert answer.headers["Content-Encoding"] == "br"
        assert answer.headers["Vary"] == "Accept-Encoding"
        assert answer.headers["Content-Type"] == "text/javascript; charset=utf-8"
        assert await answer.read() == b"as brotli"


@pytest.mark.parametrize(
    "path", ["/assets/none.js", "/assets/..%2fchat.html", "/assets/chat-abc123.js.br", "/.built"]
)
async def test_nothing_else_is_served(built: Path, path: str) -> None:
    async with serving(built) as client:
        assert (await client.get(path)).status == 404


async def test_a_page_that_was_not_built_explains_how_to_build_it(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        for name in SCREENS:
            answer = await client.get(f"/{name}")
            assert answer.status == 503
            assert "make web" in await answer.text()


async def test_only_named_origins_may_show_a_page_in_a_frame(built: Path) -> None:
    async with serving(built) as client:
        answer = await client.get("/chat")
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Frame-Options"] == "DENY"
    named = ApiSettings(frame_origins=("https://clinic.example", "https://b.example:8443"))
    async with serving(built, named) as client:
        answer = await client.get("/chat")
        policy = answer.headers["Content-Security-Policy"]
        assert policy.endswith("frame-ancestors https://clinic.example https://b.example:8443")
        assert "X-Frame-Options" not in answer.headers
        assert (await client.get("/docs")).headers["X-Frame-Options"] == "DENY"
