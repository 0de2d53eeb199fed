"""The system's Chromium, for tests in a real browser and for pictures of the screens.

``python -m tools.chromium`` reports whether it is installed, and how to install it.
"""

import os
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import Browser, async_playwright

ROOT = Path(__file__).parents[1]
BUILT = ROOT / "api" / "pages" / "built"
REQUIRED = "REQUIRE_CHROMIUM"
"""Set to 1 where a missing browser is an error instead of a skipped test."""

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_ARGUMENTS = (
    "--no-sandbox",  # tests may run as root; only our own pages are opened
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
HOW = "install it (on Debian: apt-get install chromium), or set CHROMIUM=/path"


def chromium() -> str | None:
    """The path of the browser; the variable ``CHROMIUM`` overrides it."""
    named = os.environ.get("CHROMIUM")
    return named or next((path for name in _NAMES if (path := shutil.which(name))), None)


def missing() -> str | None:
    """Why tests cannot use a browser here, and the remedy; ``None`` if they can."""
    if chromium() is None:
        return f"no Chromium on this machine: {HOW}"
    if not (BUILT / ".built").exists():
        return "the screens are not built: make web"
    return None


@asynccontextmanager
async def launched() -> AsyncIterator[Browser]:
    """One browser process with a profile of its own; closed after the block."""
    path = chromium()
    assert path is not None, "the caller has checked that there is one"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=list(_ARGUMENTS))
        try:
            yield browser
        finally:
            await browser.close()


if __name__ == "__main__":
    if chromium() is None:
        line = "!" * 78
        print(f"{line}\nTests in a browser will be SKIPPED: {missing()}\n{line}", file=sys.stderr)
        sys.exit(1 if os.environ.get(REQUIRED) == "1" else 0)
