"""The front door, and errors: pages for browsers, the one form for programs."""

import pytest

from actors.domain.ids import PracticeId
from actors.domain.practice import Practice
from actors.domain.principal import Role
from actors.ports.commits import StoreUnavailable
from tests.unit.api_world import world

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
PRACTICE = Practice(
    id=PracticeId("01976f2e-0000-7000-8000-0000000000aa"),
    name="Dr. <b>Quinn</b> & Team",
    time_zone="Europe/Vienna",
    phone="+43 (0)1 234",
    address="Ring 1\n1010 Wien",
)


async def test_the_front_door_shows_the_practice_and_its_entrances() -> None:
    async with world() as w:
        w.practices.results["every"] = (PRACTICE,)
        page = await w.send("GET", "/", role=None, headers=BROWSER)
        text = page.text.decode()
        assert page.status == 200
        assert page.headers["Content-Type"] == "text/html; charset=utf-8"
        assert "script-src 'self'" in page.headers["Content-Security-Policy"]
        assert "<h1>Dr. &lt;b&gt;Quinn&lt;/b&gt; &amp; Team</h1>" in text
        assert 'href="tel:+431234"' in text
        for entrance in ("/patient", "/desk", "/dentist"):
            assert f'href="{entrance}"' in text
        assert "/sign-in" not in text, "nobody signs in at this hub"
        assert (await w.send("HEAD", "/", role=None)).status == 200


async def test_a_hub_of_several_practices_lists_them() -> None:
    async with world() as w:
        other = Practice(id=PracticeId("b"), name="Other", time_zone="UTC")
        w.practices.results["every"] = (PRACTICE, other)
        text = (await w.send("GET", "/", role=None)).text.decode()
        assert "<h1>Appointments</h1>" in text
        assert "<h2>Other</h2>" in text


@pytest.mark.parametrize(
    ("languages", "lang"),
    [
        ("de-AT,de;q=0.9,en;q=0.8", "de"),
        ("fr,en;q=0.5,de;q=0.4", "en"),
        ("de;q=0.2, en-GB;q=0.3", "en"),
        ("de;q=2,x" + " " * 9_000, "de"),
        ("", "en"),
    ],
)
async def test_a_page_speaks_the_language_that_the_browser_prefers(
    languages: str, lang: str
) -> None:
    async with world() as w:
        page = await w.send("GET", "/", role=None, headers={"Accept-Language": languages})
        assert f'<html lang="{lang}">' in page.text.decode()


@pytest.mark.parametrize("path", ["/nowhere", "/api/appointments", "/assets/none.js"])
async def test_a_browser_reads_errors_as_pages(path: str) -> None:
    async with world() as w:
        page = await w.send("GET", path, role=None, headers=BROWSER)
        text = page.text.decode()
        assert page.status == (401 if path.startswith("/api") else 404)
        assert page.headers["Content-Type"].startswith("text/html")
        assert page.headers["X-Request-ID"] in text
        assert page.headers["Cache-Control"] == "no-store"
        assert 'href="/"' in text


async def test_a_failure_of_the_store_is_a_page_that_says_when_to_come_back() -> None:
    async with world() as w:
        w.practices.results["every"] = StoreUnavailable("down")
        page = await w.send("GET", "/", role=None, headers=BROWSER)
        assert page.status == 503
        assert "Not possible just now" in page.text.decode()
        assert page.headers["Retry-After"]


@pytest.mark.parametrize(
    ("method", "accept", "role"),
    [
        ("GET", "*/*", None),
        ("GET", "application/json, text/plain, */*", None),
        ("GET", "text/html, application/json", None),
        ("GET", BROWSER["Accept"], Role.PATIENT),
        ("POST", BROWSER["Accept"], None),
    ],
)
async def test_a_program_reads_errors_in_the_one_form(
    method: str, accept: str, role: Role | None
) -> None:
    async with world() as w:
        answer = await w.send(method, "/api/nowhere", role=role, headers={"Accept": accept})
        assert answer.headers["Content-Type"].startswith("application/json")
        assert answer.code == ("NOT_FOUND" if role else "UNAUTHORIZED")
