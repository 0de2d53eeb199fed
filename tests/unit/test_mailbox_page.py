"""The demo's page of mails: for browsers on the same machine, and without effect on them."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from actors.domain.message import MessageKind
from hub.clock import SystemClock
from hub.messages.mail_folder import MailFolder
from hub.messages.mailbox_page import mailbox_routes
from tests.unit.test_mails import SENDER, details, letter

ID = "01976f2e-5b1a-7c3d-9e4f-0a1b2c3d4e5f"


def files_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())


@pytest.fixture
async def browser(tmp_path: Path) -> AsyncIterator[TestClient[web.Request, web.Application]]:
    mail = letter(MessageKind.CONFIRMATION, details(name="<script>alert(1)</script>"))
    mail = replace(mail, message_id=f"<{ID}@practice.example>", subject="Hello <b>")
    await MailFolder(tmp_path / "mail", SENDER, SystemClock()).send(mail)
    app = web.Application()
    app.router.add_routes(mailbox_routes(tmp_path / "mail"))
    async with TestClient(TestServer(app)) as client:
        yield client


async def test_mails_are_listed_and_shown_as_text(
    browser: TestClient[web.Request, web.Application],
) -> None:
    listed = await (await browser.get("/mail")).text()
    assert "anna@example.org" in listed
    assert f'<a href="/mail/{ID}">Hello &lt;b&gt;</a>' in listed
    shown = await browser.get(f"/mail/{ID}")
    text = await shown.text()
    assert "&lt;script&gt;" in text
    assert "<script>" not in text
    assert "script" not in shown.headers["Content-Security-Policy"]
    assert shown.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("name", ["nothing", "..%2F..%2Fsecret", f"{ID[:-1]}0"])
async def test_only_mails_can_be_read(
    browser: TestClient[web.Request, web.Application], name: str
) -> None:
    assert (await browser.get(f"/mail/{name}")).status == 404


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:8080", 200),
        ("127.0.0.1", 200),
        ("[::1]:8080", 200),
        ("evil.example", 404),
        ("evil.example:8080", 404),
        ("localhost.evil.example", 404),
    ],
)
async def test_a_foreign_name_that_leads_here_is_refused(
    browser: TestClient[web.Request, web.Application], host: str, status: int
) -> None:
    assert (await browser.get("/mail", headers={"Host": host})).status == status


async def test_a_mail_that_is_written_again_replaces_itself(tmp_path: Path) -> None:
    folder = MailFolder(tmp_path, SENDER, SystemClock())
    for _ in range(2):
        await folder.send(letter(MessageKind.CONFIRMATION, details()))
    (written,) = files_in(tmp_path)
    assert written.name == "m-1.eml"
    assert written.stat().st_mode & 0o777 == 0o600
