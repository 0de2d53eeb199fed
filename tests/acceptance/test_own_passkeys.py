"""People list, add and remove their own passkeys, soon after they have signed in."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.test_passkeys import OPTIONS, enrolled, invited, used
from tests.support.api import Api
from tests.support.authenticator import Authenticator
from tests.support.database import OnPostgres, execute, rows
from tests.support.running import Template
from tests.support.sign_in import ORIGIN, Browser, SignInWorld, sign_in_world

PASSKEYS = "/api/passkeys"


@pytest.fixture
async def world(template: Template, tmp_path: Path) -> AsyncIterator[SignInWorld]:
    async with sign_in_world(template, tmp_path) as world:
        yield world


async def with_api(world: SignInWorld, browser: Browser) -> Api:
    return world.clinic.with_token(await browser.token())


async def added(api: Api) -> tuple[Authenticator, Any]:
    begun = (await api.post(f"{PASSKEYS}/options", None)).body
    authenticator = Authenticator(ORIGIN)
    body = {"ceremony": begun["ceremony"], "credential": authenticator.create(begun["create"])}
    return authenticator, await api.post(PASSKEYS, body)


async def test_a_second_passkey_signs_in_and_the_first_is_removed(world: SignInWorld) -> None:
    browser, other = world.browser(), world.browser()
    first = await enrolled(browser, await invited(world, world.clinic.staff[0]))
    await used(other, first)
    api = await with_api(world, browser)
    (shown,) = (await api.get(PASSKEYS)).body["data"]
    refused = await api.delete(f"{PASSKEYS}/{shown['id']}")
    assert (refused.status, refused.error["details"][0]["field"]) == (400, "id"), "the last one"
    second, answer = await added(api)
    assert answer.status == 201
    assert len((await api.get(PASSKEYS)).body["data"]) == 2
    assert (await api.delete(f"{PASSKEYS}/{shown['id']}")).status == 204
    assert (await used(world.browser(), first)).status == 401
    assert (await used(world.browser(), second)).status == 200
    assert (await other.post("/sign-in/token")).status == 401, "other sessions have ended"
    assert (await browser.post("/sign-in/token")).status == 200
    found = rows(
        world.clinic.database,
        "SELECT action FROM audit_log WHERE resource_kind = 'passkey' ORDER BY id",
    )
    assert [row["action"] for row in found] == [
        "passkey.added",
        "passkey.added",
        "passkey.removed",
    ]


async def test_passkeys_are_for_their_person_only(world: SignInWorld) -> None:
    mine, theirs = world.browser(), world.browser()
    await enrolled(mine, await invited(world, world.clinic.patients[0]))
    await enrolled(theirs, await invited(world, world.clinic.patients[1]))
    my_api, their_api = await with_api(world, mine), await with_api(world, theirs)
    (shown,) = (await my_api.get(PASSKEYS)).body["data"]
    assert (await their_api.delete(f"{PASSKEYS}/{shown['id']}")).status == 404
    begun = (await my_api.post(f"{PASSKEYS}/options", None)).body
    made = Authenticator(ORIGIN).create(begun["create"])
    body = {"ceremony": begun["ceremony"], "credential": made}
    assert (await their_api.post(PASSKEYS, body)).status == 400, "the ceremony of another"
    assert (await my_api.post(PASSKEYS, body)).status == 400, "and it is used up"
    mine.cookies["chairside-sign-in"] = (await my_api.post(f"{PASSKEYS}/options", None)).body[
        "ceremony"
    ]
    answer = await mine.post("/sign-in/passkey/verify", {"credential": made})
    assert answer.status == 401, "it signs nobody in"
    assert len((await my_api.get(PASSKEYS)).body["data"]) == 1


@pytest.mark.parametrize("template", ["sqlite"], indirect=True)
async def test_a_false_answer_adds_nothing(world: SignInWorld) -> None:
    browser = world.browser()
    first = await enrolled(browser, await invited(world, world.clinic.patients[0]))
    api = await with_api(world, browser)
    for bad in (Authenticator("https://evil.example"), Authenticator(ORIGIN, verifies_user=False)):
        begun = (await api.post(f"{PASSKEYS}/options", None)).body
        body = {"ceremony": begun["ceremony"], "credential": bad.create(begun["create"])}
        assert (await api.post(PASSKEYS, body)).status == 400
    begun = (await api.post(f"{PASSKEYS}/options", None)).body
    body = {"ceremony": begun["ceremony"], "credential": first.create(begun["create"])}
    assert (await api.post(PASSKEYS, body)).status == 400, "it is known already"
    assert len(rows(world.clinic.database, "SELECT * FROM passkeys")) == 1


async def test_an_old_session_adds_and_removes_none(world: SignInWorld) -> None:
    browser = world.browser()
    await enrolled(browser, await invited(world, world.clinic.patients[0]))
    api = await with_api(world, browser)
    _, answer = await added(api)
    is_postgres = isinstance(world.clinic.database, OnPostgres)
    earlier = "created_at - interval '16 minutes'" if is_postgres else "created_at - 960000000"
    execute(world.clinic.database, f"UPDATE sessions SET created_at = {earlier}")  # noqa: S608  # ours
    assert (await api.post(f"{PASSKEYS}/options", None)).status == 403
    assert (await api.delete(f"{PASSKEYS}/{answer.body['id']}")).status == 403
    assert len((await api.get(PASSKEYS)).body["data"]) == 2


@pytest.mark.parametrize("template", ["sqlite"], indirect=True)
async def test_an_account_has_twenty_passkeys_at_most(world: SignInWorld) -> None:
    browser = world.browser()
    await enrolled(browser, await invited(world, world.clinic.patients[0]))
    api = await with_api(world, browser)
    answers = [(await added(api))[1].status for _ in range(20)]
    assert answers == [201] * 19 + [400]
    assert (await world.browser().post(OPTIONS, {})).status == 200
