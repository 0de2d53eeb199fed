"""Patients register by themselves; nothing tells them whether a practice has entered them."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from actors.services.practice_settings import PracticeSettings
from actors.services.sign_in_settings import SignInSettings
from hub.messages.settings import MailSettings, MessageSettings
from tests.acceptance.test_mail_codes import VERIFY, copied, mails, wrong
from tests.support.api import Answer
from tests.support.database import rows
from tests.support.running import Template
from tests.support.sign_in import Browser, SignInWorld, sign_in_world

REGISTER, CODE = "/sign-in/register", "/sign-in/code"
EVA = {
    "name": "Eva Example",
    "email": "eva@example.org",
    "phone": "+43 1 2345678",
    "date_of_birth": "1985-04-12",
}


@pytest.fixture
async def world(template: Template, tmp_path: Path) -> AsyncIterator[SignInWorld]:
    sections: dict[str, Any] = {
        "sign_in": SignInSettings(enabled=True, email_codes=True, registration=True),
        "practice": PracticeSettings(region="AT"),
        "messages": MessageSettings(enabled=True),
        "mail": MailSettings(server="127.0.0.1", port=1, tls="none", sender="hub@example.org"),
    }
    async with sign_in_world(template, tmp_path, **sections) as world:
        yield world


async def asked(world: SignInWorld, **changed: str) -> Browser:
    browser = world.browser()
    answer = await browser.post(REGISTER, EVA | changed)
    assert (answer.status, answer.body) == (202, {"expires_in": 600}), answer.body
    return browser


async def registered(world: SignInWorld, **changed: str) -> tuple[Answer, Browser]:
    """The answer to the right code."""
    browser = await asked(world, **changed)
    code, _ = mails(world)[-1]
    return await browser.post(VERIFY, {"code": code}), browser


async def me(world: SignInWorld, browser: Browser) -> Any:
    found = await world.clinic.with_token(await browser.token()).get("/api/profiles/me")
    assert found.status == 200
    return found.body


async def entered(world: SignInWorld, **changed: str) -> str:
    """A record that the front desk makes of Eva, by the name that it knows."""
    sent = EVA | {"name": "E. Example-Desk", "phone": "+43 1 999", "role": "patient"} | changed
    made = await world.clinic.api(world.clinic.staff[0]).post(
        "/api/profiles", sent | {"allow_duplicate": True}
    )
    assert made.status == 201, made.body
    return str(made.body["id"])


def count(world: SignInWorld, table: str) -> int:
    return len(rows(world.clinic.database, f"SELECT * FROM {table}"))  # noqa: S608  # of this file


@pytest.mark.parametrize("by", ["code", "link"])
async def test_a_new_patient_registers(world: SignInWorld, by: str) -> None:
    browser = await asked(world, phone="+43 (0)1 234 56 78", language="de")
    before = count(world, "profiles")
    ((code, link),) = mails(world)
    body = {"code": code} if by == "code" else {"link": link}
    answer = await browser.post(VERIFY, body)
    assert (answer.status, answer.body["role"]) == (200, "patient")
    known = await me(world, browser)
    assert {name: known[name] for name in EVA} == EVA | {"phone": "+43 (0)1 234 56 78"}
    assert known["language"] == "de"
    assert (await browser.post(VERIFY, body)).status == 401, "it was used"
    assert count(world, "profiles") == before + 1
    assert count(world, "registrations") == 0


async def test_a_number_gets_the_code_of_the_country(world: SignInWorld) -> None:
    _, browser = await registered(world, phone="01 5321234")
    assert (await me(world, browser))["phone"] == "+43 1 5321234"


async def test_the_record_of_the_practice_is_taken_over(world: SignInWorld) -> None:
    record = await entered(world, email="Eva@Example.org")
    answer, browser = await registered(world)
    other, stranger = await registered(world, email="zoe@example.org")
    assert answer.body.keys() == other.body.keys()
    assert answer.status == other.status == 200
    known = await me(world, browser)
    assert (known["id"], known["name"], known["phone"]) == (record, "E. Example-Desk", "+43 1 999")
    query = "SELECT action, patient_id FROM audit_log WHERE resource_kind = 'registration'"
    audited = [(row["action"], row["patient_id"]) for row in rows(world.clinic.database, query)]
    assert sorted(audited, key=str)[:3] == [
        ("registration.begun", None),
        ("registration.begun", None),
        ("registration.created", (await me(world, stranger))["id"]),
    ]
    assert ("registration.took_over", record) in audited


@pytest.mark.parametrize("doubt", ["date", "twins", "no date", "inactive"])
async def test_in_doubt_it_is_a_new_patient(world: SignInWorld, doubt: str) -> None:
    record = await entered(world, **({"date_of_birth": "1985-04-13"} if doubt == "date" else {}))
    if doubt == "twins":
        await entered(world, name="Ewa Other")
    elif doubt == "no date":
        await _changed(world, record, {"date_of_birth": None})
    elif doubt == "inactive":
        await _changed(world, record, {"active": False})
    answer, browser = await registered(world)
    assert answer.status == 200
    known = await me(world, browser)
    assert known["id"] != record
    assert known["name"] == EVA["name"]


async def _changed(world: SignInWorld, record: str, change: dict[str, Any]) -> None:
    answer = await world.clinic.api(world.clinic.staff[0]).put(f"/api/profiles/{record}", change)
    assert answer.status == 200, answer.body


async def test_a_known_address_signs_in_and_nothing_is_changed(world: SignInWorld) -> None:
    _, first = await registered(world)
    before = await me(world, first)
    people = count(world, "profiles")
    answer, browser = await registered(world, name="Mallory", date_of_birth="1990-01-01")
    assert answer.status == 200
    assert await me(world, browser) == before
    assert count(world, "profiles") == people
    assert len(mails(world)) == 2, "one mail each"


async def test_three_wrong_dates_end_this_way_for_a_record(world: SignInWorld) -> None:
    """Who reads the mails tries dates: each makes a new patient, whose address then changes."""
    record = await entered(world)
    for day in ("01", "02", "03"):
        _, browser = await registered(world, date_of_birth=f"1985-05-{day}")
        own = await me(world, browser)
        assert own["id"] != record
        api = world.clinic.with_token(await browser.token())
        moved = await api.put("/api/profiles/me", {"email": f"gone-{day}@example.org"})
        assert moved.status == 200, moved.body
    answer, browser = await registered(world)
    assert answer.status == 200, "nothing tells that there was a record"
    assert (await me(world, browser))["id"] != record
    (counted,) = rows(world.clinic.database, "SELECT profile_id, count FROM wrong_birth_dates")
    assert (counted["profile_id"], counted["count"]) == (record, 3)


async def test_two_wrong_dates_do_not(world: SignInWorld) -> None:
    record = await entered(world)
    for day in ("01", "02"):
        _, browser = await registered(world, date_of_birth=f"1985-05-{day}")
        api = world.clinic.with_token(await browser.token())
        await api.put("/api/profiles/me", {"email": f"gone-{day}@example.org"})
    _, browser = await registered(world)
    assert (await me(world, browser))["id"] == record


async def test_a_family_shares_an_address(world: SignInWorld) -> None:
    """The record of one is no wrong guess at that of another."""
    child = await entered(world, name="Kid Example", date_of_birth="2015-06-01")
    record = await entered(world)
    _, browser = await registered(world)
    assert (await me(world, browser))["id"] == record
    assert count(world, "wrong_birth_dates") == 0
    assert child != record


async def test_two_registrations_at_once_make_one_account(world: SignInWorld) -> None:
    first, second = await asked(world), await asked(world, name="Eva E.")
    (one, _), (two, _) = mails(world)
    people = count(world, "profiles")
    answers = await asyncio.gather(
        first.post(VERIFY, {"code": one}), second.post(VERIFY, {"code": two})
    )
    assert {answer.status for answer in answers} == {200}
    assert (await me(world, first))["id"] == (await me(world, second))["id"]
    assert count(world, "profiles") == people + 1


async def test_only_the_browser_that_asked_uses_the_code(world: SignInWorld) -> None:
    browser = await asked(world)
    ((code, link),) = mails(world)
    attacker = await asked(world, email="mallory@example.org")
    for body in ({"code": code}, {"link": link}):
        assert (await world.browser().post(VERIFY, body)).status == 401
        assert (await attacker.post(VERIFY, body)).status == 401
    planted = copied(world, browser)
    header = f"{attacker.header()}; {browser.header()}"  # one of them is not the hub's
    assert (await planted.post(VERIFY, {"code": code}, Cookie=header)).status == 401
    assert (await browser.post(VERIFY, {"code": code})).status == 200


async def test_guessing_ends_for_a_code_and_for_an_address(world: SignInWorld) -> None:
    people = count(world, "profiles")
    for number in range(4):
        browser = await asked(world)
        code, _ = mails(world)[number]
        for _ in range(5):
            assert (await browser.post(VERIFY, {"code": wrong(code)})).status == 401
        assert (await browser.post(VERIFY, {"code": code})).status == 401
    (counted,) = rows(world.clinic.database, "SELECT count FROM address_tries")
    assert counted["count"] >= 20
    victim = await asked(world)
    code, link = mails(world)[-1]
    assert (await victim.post(VERIFY, {"code": code})).status == 401
    assert count(world, "profiles") == people
    assert (await victim.post(VERIFY, {"link": link})).status == 200


async def test_one_address_gets_few_mails(world: SignInWorld) -> None:
    for number in range(8):
        await asked(world, email="eva@example.org" if number % 2 else "EVA@example.org")
    assert len(mails(world)) == 5


async def test_one_client_registers_few_people(world: SignInWorld) -> None:
    answers = [
        (await world.browser().post(REGISTER, EVA | {"email": f"e{n}@example.org"})).status
        for n in range(32)
    ]
    assert answers[:30] == [202] * 30
    assert answers[-1] == 429


async def test_other_pages_register_nobody(world: SignInWorld) -> None:
    for origin in ("https://evil.example", None):
        answer = await world.browser().post(REGISTER, EVA, origin=origin)
        assert answer.status == 403
    assert mails(world) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "Eva\r\nBcc: mallory@example.org"),
        ("name", "\u202eavE"),
        ("name", " "),
        ("email", "eva@example.org\r\nBcc: mallory@example.org"),
        ("phone", "call me"),
        ("date_of_birth", "2999-01-01"),
        ("date_of_birth", "12.4.1985"),
        ("role", "staff"),
    ],
)
async def test_bad_data_is_refused_by_its_field(world: SignInWorld, field: str, value: str) -> None:
    answer = await world.browser().post(REGISTER, EVA | {field: value})
    assert answer.status == 400
    assert field in str(answer.error["details"])
    assert mails(world) == []
    assert count(world, "registrations") == 0


async def test_a_name_is_text_and_nothing_else(world: SignInWorld) -> None:
    name = "{code} {{7*7}} <b>Eva</b> %s"
    answer, browser = await registered(world, name=name)
    assert answer.status == 200
    assert (await me(world, browser))["name"] == name
    (row,) = rows(world.clinic.database, "SELECT content FROM messages WHERE kind = 'code'")
    assert "Eva" not in row["content"], "a mail says nothing that a stranger typed"


async def test_without_the_setting_nobody_registers(template: Template, tmp_path: Path) -> None:
    async with sign_in_world(template, tmp_path) as world:
        browser = world.browser()
        assert (await browser.post(REGISTER, EVA)).status == 404
        assert (await browser.get("/sign-in/ways")).body["registration"] is False
