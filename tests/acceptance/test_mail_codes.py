"""Codes and links by mail: for patients who have an account, in the browser that asked."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from actors.services.sign_in_settings import SignInSettings
from hub.messages.settings import MailSettings, MessageSettings
from tests.support.clinic import Person
from tests.support.database import rows
from tests.support.logs import Logs
from tests.support.running import Template
from tests.support.sign_in import Browser, SignInWorld, sign_in_world

CODE, VERIFY = "/sign-in/code", "/sign-in/verify"


@pytest.fixture
async def world(template: Template, tmp_path: Path) -> AsyncIterator[SignInWorld]:
    """Nothing is sent: the tests read the queue, and its content is there until it is sent."""
    sections: dict[str, Any] = {
        "sign_in": SignInSettings(enabled=True, email_codes=True),
        "messages": MessageSettings(enabled=True),
        "mail": MailSettings(server="127.0.0.1", port=1, tls="none", sender="hub@example.org"),
    }
    async with sign_in_world(template, tmp_path, **sections) as world:
        yield world


@pytest.fixture
async def patient(world: SignInWorld) -> Person:
    """Who has an account."""
    await world.signed_in(world.clinic.patients[0])
    return world.clinic.patients[0]


def mails(world: SignInWorld) -> Sequence[tuple[str, str]]:
    """Code and token of the link of each mail, in order."""
    query = "SELECT address, content FROM messages WHERE kind = 'code' ORDER BY created_at, id"
    found = []
    for row in rows(world.clinic.database, query):
        text = json.loads(row["content"])["text"]
        (code,), (link,) = re.findall(r"\b\d{6}\b", text), re.findall(r"#link=(\S{43})", text)
        found.append((code, link))
    return found


async def asked(world: SignInWorld, email: str = "patient-0@example.org") -> Browser:
    browser = world.browser()
    answer = await browser.post(CODE, {"email": email})
    assert (answer.status, answer.body) == (202, {"expires_in": 600})
    return browser


async def person_of(world: SignInWorld, browser: Browser) -> Any:
    me = await world.clinic.with_token(await browser.token()).get("/api/profiles/me")
    return me.body["id"]


def copied(world: SignInWorld, browser: Browser) -> Browser:
    """Another tab of the same browser."""
    tab = world.browser()
    tab.cookies = dict(browser.cookies)
    return tab


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06}"


@pytest.mark.parametrize("by", ["code", "link"])
async def test_a_patient_signs_in_by_mail(world: SignInWorld, patient: Person, by: str) -> None:
    browser = await asked(world, "Patient-0@Example.org")
    ((code, link),) = mails(world)
    body = {"code": code} if by == "code" else {"link": link}
    answer = await browser.post(VERIFY, body)
    assert (answer.status, answer.body["role"]) == (200, "patient")
    assert await person_of(world, browser) == patient.id
    assert (await browser.post(VERIFY, body)).status == 401, "it was used"


async def test_an_unknown_address_gets_the_same_answers(world: SignInWorld) -> None:
    known = await asked(world, "patient-0@example.org")  # a record that was never signed in to
    staff = world.clinic.staff[0]
    await world.signed_in(staff)
    of_staff = await asked(world, "staff-0@example.org")
    unknown = await asked(world, "nobody@example.org")
    assert mails(world) == []
    answers = [await each.post(VERIFY, {"code": "123456"}) for each in (known, of_staff, unknown)]
    assert {answer.status for answer in answers} == {401}
    assert len({answer.error["message"] for answer in answers}) == 1


async def test_only_the_browser_that_asked_uses_a_code(world: SignInWorld, patient: Person) -> None:
    browser = await asked(world)
    ((code, link),) = mails(world)
    other = await asked(world)
    for body in ({"code": code}, {"link": link}):
        assert (await world.browser().post(VERIFY, body)).status == 401
        assert (await other.post(VERIFY, body)).status == 401
    assert (await browser.post(VERIFY, {"code": code})).status == 200


async def test_five_wrong_codes_use_a_code_up(world: SignInWorld, patient: Person) -> None:
    browser = await asked(world)
    ((code, link),) = mails(world)
    for _ in range(5):
        assert (await browser.post(VERIFY, {"code": wrong(code)})).status == 401
    assert (await browser.post(VERIFY, {"code": code})).status == 401
    assert (await browser.post(VERIFY, {"link": link})).status == 200


async def test_codes_that_are_tried_at_once_are_counted_each(
    world: SignInWorld, patient: Person
) -> None:
    browser = await asked(world)
    ((code, _),) = mails(world)
    guesses = [f"{(int(code) + n) % 1_000_000:06}" for n in range(1, 30)]
    answers = await asyncio.gather(
        *(
            copied(world, browser).post(VERIFY, {"code": guess})
            for guess in [*guesses[:20], code, *guesses[20:]]
        )
    )
    (counted,) = rows(world.clinic.database, "SELECT count FROM wrong_codes")
    assert all(answer.status == 401 for answer in answers) or counted["count"] < 5


async def test_after_twenty_wrong_codes_only_the_link_works(
    world: SignInWorld, patient: Person
) -> None:
    for number in range(4):
        browser = await asked(world)
        code, _ = mails(world)[number]
        for _ in range(5):
            assert (await browser.post(VERIFY, {"code": wrong(code)})).status == 401
    victim = await asked(world)
    code, link = mails(world)[-1]
    assert (await victim.post(VERIFY, {"code": code})).status == 401
    assert (await victim.post(VERIFY, {"link": link})).status == 200
    assert await person_of(world, victim) == patient.id


async def test_other_pages_ask_for_no_code(world: SignInWorld, patient: Person) -> None:
    body = {"email": "patient-0@example.org"}
    answer = await world.browser().post(CODE, body, origin="https://evil.example")
    assert answer.status == 403
    assert mails(world) == []


@pytest.mark.parametrize(
    "email",
    ["a@example.org\r\nBcc: eve@example.org", "a@example.org, eve@example.org", "", "no address"],
)
async def test_an_address_carries_no_header(
    world: SignInWorld, patient: Person, email: str
) -> None:
    assert (await world.browser().post(CODE, {"email": email})).status == 400
    assert mails(world) == []


async def test_mass_sending_stops_for_an_account(world: SignInWorld, patient: Person) -> None:
    for _ in range(30):
        await asked(world)
    assert len(mails(world)) <= 21


async def test_codes_are_no_messages_that_anyone_sees(
    world: SignInWorld, patient: Person, logs: Logs
) -> None:
    browser = await asked(world)
    ((code, link),) = mails(world)
    await browser.post(VERIFY, {"code": wrong(code)})
    listed = await world.clinic.api(world.clinic.staff[0]).get("/api/messages")
    assert listed.body["data"] == []
    stored = str(rows(world.clinic.database, "SELECT * FROM mail_codes"))
    for secret in (code, link):
        assert secret not in stored
        assert f'"{secret}"' not in str(logs.lines())
    audited = rows(
        world.clinic.database, "SELECT action FROM audit_log WHERE resource_kind = 'code'"
    )
    assert [row["action"] for row in audited] == ["code.sent", "code.refused"]


async def test_without_the_setting_there_are_no_codes(template: Template, tmp_path: Path) -> None:
    async with sign_in_world(template, tmp_path) as world:
        for path in (CODE, VERIFY):
            assert (await world.browser().post(path, {})).status == 404
