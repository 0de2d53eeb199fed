"""Invitations and passkeys: an invited person signs in, and others do not."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.authenticator import Authenticator
from tests.support.clinic import Person
from tests.support.database import rows
from tests.support.logs import Logs
from tests.support.running import Template
from tests.support.sign_in import COOKIE, ORIGIN, Browser, SignInWorld, sign_in_world

CEREMONY = "chairside-sign-in"
OPTIONS, VERIFY = "/sign-in/passkey/options", "/sign-in/passkey/verify"


@pytest.fixture
async def world(template: Template, tmp_path: Path) -> AsyncIterator[SignInWorld]:
    async with sign_in_world(template, tmp_path) as world:
        yield world


async def invited(world: SignInWorld, person: Person) -> str:
    """The token of a new invitation: of a patient by the front desk, else by an admin."""
    clinic = world.clinic
    by = clinic.api(clinic.staff[0]) if person.role == "patient" else clinic.admin
    made = await by.post("/api/invitations", {"profile_id": person.id})
    assert made.status == 201, made.body
    return token_of(made.body)


def token_of(invitation: dict[str, Any]) -> str:
    before, _, token = invitation["url"].partition("#invitation=")
    assert before == f"{ORIGIN}/sign-in"
    return str(token)


async def enrolled(browser: Browser, token: str) -> Authenticator:
    """Accept an invitation with a new passkey."""
    authenticator = Authenticator(ORIGIN)
    options = (await browser.post(OPTIONS, {"invitation": token})).body["create"]
    body = {"invitation": token, "credential": authenticator.create(options)}
    answer = await browser.post(VERIFY, body)
    assert answer.status == 200, answer.body
    return authenticator


async def used(browser: Browser, authenticator: Authenticator) -> Any:
    options = (await browser.post(OPTIONS, {})).body["get"]
    return await browser.post(VERIFY, {"credential": authenticator.get(options)})


@pytest.mark.parametrize("who", ["patients", "dentists", "staff"])
async def test_an_invited_person_signs_in_with_a_passkey(world: SignInWorld, who: str) -> None:
    clinic = world.clinic
    person: Person = getattr(clinic, who)[0]
    browser = world.browser()
    authenticator = await enrolled(browser, await invited(world, person))
    me = await clinic.with_token(await browser.token()).get("/api/profiles/me")
    assert me.body["id"] == person.id
    again = world.browser()
    answer = await used(again, authenticator)
    assert (answer.status, answer.body["role"]) == (200, person.role)
    assert CEREMONY not in again.cookies
    api = clinic.with_token(await again.token())
    assert (await api.get("/api/profiles/me")).body["id"] == person.id
    assert len((await api.get("/api/sessions")).body["data"]) == 2


async def test_an_admin_is_invited_by_name(world: SignInWorld) -> None:
    made = await world.clinic.admin.post("/api/invitations", {"name": "Özge"})
    browser = world.browser()
    await enrolled(browser, token_of(made.body))
    api = world.clinic.with_token(await browser.token())
    assert (await api.post("/api/practices", {"name": "New", "time_zone": "UTC"})).status == 201


async def test_a_used_invitation_is_used_up(world: SignInWorld) -> None:
    token = await invited(world, world.clinic.patients[0])
    await enrolled(world.browser(), token)
    answer = await world.browser().post(OPTIONS, {"invitation": token})
    assert (answer.status, answer.code) == (401, "UNAUTHORIZED")


async def test_one_of_two_who_accept_at_once_does(world: SignInWorld) -> None:
    token = await invited(world, world.clinic.patients[0])
    bodies = []
    browsers = [world.browser() for _ in range(4)]
    for browser in browsers:
        options = (await browser.post(OPTIONS, {"invitation": token})).body["create"]
        made = Authenticator(ORIGIN).create(options)
        bodies.append({"invitation": token, "credential": made})
    answers = await asyncio.gather(
        *(browser.post(VERIFY, body) for browser, body in zip(browsers, bodies, strict=True))
    )
    assert sorted(answer.status for answer in answers) == [200, 401, 401, 401]
    assert len(rows(world.clinic.database, "SELECT * FROM passkeys")) == 1


async def test_a_replaced_or_revoked_invitation_is_refused(world: SignInWorld) -> None:
    clinic, patient = world.clinic, world.clinic.patients[0]
    first = await invited(world, patient)
    second = await invited(world, patient)
    desk = clinic.api(clinic.staff[0])
    assert (await world.browser().post(OPTIONS, {"invitation": first})).status == 401
    (shown,) = (await desk.get("/api/invitations")).body["data"]
    assert "url" not in shown
    elsewhere = (await clinic.api(clinic.staff[1]).get("/api/invitations")).body
    assert (elsewhere["data"], elsewhere["pagination"]["total"]) == ([], 0)
    path = f"/api/invitations/{shown['id']}"
    assert (await clinic.api(clinic.staff[1]).delete(path)).status == 404
    assert (await desk.delete(path)).status == 204
    assert (await desk.delete(path)).status == 404
    assert (await world.browser().post(OPTIONS, {"invitation": second})).status == 401


async def test_open_invitations_are_listed_in_pages(world: SignInWorld) -> None:
    admin, names = world.clinic.admin, [f"Admin {n}" for n in range(5)]
    for name in names:
        await admin.post("/api/invitations", {"name": name})
    found, cursor = [], None
    while True:
        query = {"limit": 2, **({"cursor": cursor} if cursor else {})}
        page = (await admin.get("/api/invitations", **query)).body
        assert len(page["data"]) <= 2
        assert page["pagination"]["total"] == 5
        found += [each["name"] for each in page["data"]]
        if (cursor := page["pagination"]["next_cursor"]) is None:
            break
    assert found == names[::-1]
    assert (await admin.get("/api/invitations", cursor="x")).status == 400


async def test_a_new_invitation_ends_the_lost_passkey(world: SignInWorld) -> None:
    clinic, patient = world.clinic, world.clinic.patients[0]
    lost = world.browser()
    old = await enrolled(lost, await invited(world, patient))
    access = await lost.token()
    await enrolled(world.browser(), await invited(world, patient))
    assert (await used(world.browser(), old)).status == 401
    assert (await lost.post("/sign-in/token")).status == 401
    assert (await clinic.with_token(access).get("/api/profiles/me")).status == 401


async def test_an_admin_who_lost_a_passkey_is_locked_out_by_the_next_invitation(
    world: SignInWorld,
) -> None:
    clinic, lost = world.clinic, world.browser()

    async def admitted() -> str:
        made = await clinic.admin.post("/api/invitations", {"name": "Ada Example"})
        assert made.status == 201, made.body
        return token_of(made.body)

    old = await enrolled(lost, await admitted())
    access = await lost.token()
    new = await enrolled(world.browser(), await admitted())
    assert (await used(world.browser(), old)).status == 401
    assert (await lost.post("/sign-in/token")).status == 401
    assert (await clinic.with_token(access).get("/api/practices")).status == 401
    assert (await used(world.browser(), new)).status == 200
    other = await clinic.admin.post("/api/invitations", {"name": "Bea Example"})
    await enrolled(world.browser(), token_of(other.body))
    assert (await used(world.browser(), new)).status == 200, "another name is another admin"


async def test_two_invitations_of_one_new_admin_make_one_account(world: SignInWorld) -> None:
    tokens, bodies, browsers = [], [], [world.browser(), world.browser()]
    for browser in browsers:
        made = await world.clinic.admin.post("/api/invitations", {"name": "Ada Example"})
        tokens.append(token_of(made.body))
        options = (await browser.post(OPTIONS, {"invitation": tokens[-1]})).body["create"]
        credential = Authenticator(ORIGIN).create(options)
        bodies.append({"invitation": tokens[-1], "credential": credential})
    answers = await asyncio.gather(
        *(browser.post(VERIFY, body) for browser, body in zip(browsers, bodies, strict=True))
    )
    assert sorted(answer.status for answer in answers) == [200, 401]
    (refused,) = [n for n, answer in enumerate(answers) if answer.status == 401]
    await enrolled(browsers[refused], tokens[refused])  # is not used up
    assert len(rows(world.clinic.database, "SELECT * FROM accounts")) == 1
    assert (await browsers[1 - refused].post("/sign-in/token")).status == 401


async def test_who_may_invite_whom(world: SignInWorld) -> None:
    clinic = world.clinic
    desk, other = (clinic.api(each) for each in clinic.staff)
    patient, dentist = clinic.patients[0], clinic.dentists[0]
    for api, body, status in (
        (other, {"profile_id": patient.id}, 404),
        (desk, {"profile_id": dentist.id}, 404),
        (desk, {"name": "Me as an admin"}, 400),
        (desk, {}, 400),
        (clinic.admin, {}, 400),
        (clinic.admin, {"profile_id": dentist.id, "name": "x"}, 400),
        (clinic.api(dentist), {"profile_id": patient.id}, 403),
        (clinic.api(patient), {"profile_id": patient.id}, 403),
        (clinic.chatbot(patient), {"profile_id": patient.id}, 403),
    ):
        assert (await api.post("/api/invitations", body)).status == status, body
    assert rows(clinic.database, "SELECT * FROM invitations") == []


async def test_a_front_desk_invites_no_patient_of_another_practice(world: SignInWorld) -> None:
    """Whoever had the invitation would see the visits at the other practice."""
    clinic, patient = world.clinic, world.clinic.patients[0]
    token = await invited(world, patient)
    elsewhere, body = clinic.api(clinic.staff[1]), {"patient_id": patient.id}
    await clinic.looked_up(elsewhere, patient.id)
    linked = await elsewhere.post(f"/api/practices/{clinic.practices[1]}/patients", body)
    assert linked.status == 200, linked.body
    for desk in map(clinic.api, clinic.staff):
        assert (await desk.post("/api/invitations", {"profile_id": patient.id})).status == 403
    assert (await world.browser().post(OPTIONS, {"invitation": token})).status == 401
    made = await clinic.admin.post("/api/invitations", {"profile_id": patient.id})
    await enrolled(world.browser(), token_of(made.body))


async def test_a_person_who_left_is_not_signed_in(world: SignInWorld) -> None:
    clinic, dentist = world.clinic, world.clinic.dentists[0]
    authenticator = await enrolled(world.browser(), await invited(world, dentist))
    token = await invited(world, dentist)
    await clinic.admin.put(f"/api/profiles/{dentist.id}", {"active": False})
    assert (await used(world.browser(), authenticator)).status == 401
    assert (await world.browser().post(OPTIONS, {"invitation": token})).status == 401


# --- attacks -------------------------------------------------------------------------


async def test_an_answer_counts_once_and_in_its_own_browser(world: SignInWorld) -> None:
    browser = world.browser()
    authenticator = await enrolled(browser, await invited(world, world.clinic.patients[0]))
    victim, thief = world.browser(), world.browser()
    options = (await victim.post(OPTIONS, {})).body["get"]
    kept = dict(victim.cookies)
    body = {"credential": authenticator.get(options)}
    await thief.post(OPTIONS, {})
    assert (await thief.post(VERIFY, body)).status == 401, "the challenge of another browser"
    assert (await victim.post(VERIFY, body)).status == 200
    victim.cookies = kept
    assert (await victim.post(VERIFY, body)).status == 401, "it was answered before"
    assert (await world.browser().post(VERIFY, body)).status == 401, "without a cookie"


@pytest.mark.parametrize(
    "changes",
    [
        {"origin": "https://evil.example"},
        {"host": "evil.example"},
        {"verifies_user": False},
    ],
    ids=str,
)
async def test_an_authenticator_of_elsewhere_is_refused(
    world: SignInWorld, changes: dict[str, Any]
) -> None:
    authenticator = await enrolled(world.browser(), await invited(world, world.clinic.patients[0]))
    for name, value in changes.items():
        setattr(authenticator, name, value)
    assert (await used(world.browser(), authenticator)).status == 401
    token = await invited(world, world.clinic.patients[1])
    browser, bad = world.browser(), Authenticator(**{"origin": ORIGIN, **changes})
    options = (await browser.post(OPTIONS, {"invitation": token})).body["create"]
    body = {"invitation": token, "credential": bad.create(options)}
    assert (await browser.post(VERIFY, body)).status == 401
    assert len(rows(world.clinic.database, "SELECT * FROM passkeys")) == 1


async def test_a_copied_authenticator_is_noticed(world: SignInWorld) -> None:
    authenticator = await enrolled(world.browser(), await invited(world, world.clinic.patients[0]))
    assert (await used(world.browser(), authenticator)).status == 200
    assert (await used(world.browser(), authenticator)).status == 200
    authenticator.count -= 1
    assert (await used(world.browser(), authenticator)).status == 401


async def test_another_key_does_not_sign_for_a_passkey(world: SignInWorld) -> None:
    authenticator = await enrolled(world.browser(), await invited(world, world.clinic.patients[0]))
    forged = Authenticator(ORIGIN, id=authenticator.id, user=authenticator.user, count=9)
    answer = await used(world.browser(), forged)
    unknown = await used(world.browser(), Authenticator(ORIGIN))
    assert answer.status == unknown.status == 401
    assert answer.error["message"] == unknown.error["message"], "no answer tells that it exists"


async def test_a_challenge_is_of_one_invitation(world: SignInWorld) -> None:
    mine = await invited(world, world.clinic.patients[0])
    theirs = await invited(world, world.clinic.patients[1])
    browser = world.browser()
    options = (await browser.post(OPTIONS, {"invitation": mine})).body["create"]
    made = Authenticator(ORIGIN).create(options)
    answer = await browser.post(VERIFY, {"invitation": theirs, "credential": made})
    assert answer.status == 401
    assert await enrolled(world.browser(), theirs)


async def test_a_passkey_cannot_be_registered_twice(world: SignInWorld) -> None:
    first = await enrolled(world.browser(), await invited(world, world.clinic.patients[0]))
    token, browser = await invited(world, world.clinic.patients[1]), world.browser()
    options = (await browser.post(OPTIONS, {"invitation": token})).body["create"]
    body = {"invitation": token, "credential": first.create(options)}
    assert (await browser.post(VERIFY, body)).status == 401


async def test_signing_in_begins_another_session(world: SignInWorld) -> None:
    """What an attacker planted, or knew before, is worth nothing afterwards (fixation)."""
    victim = await enrolled(world.browser(), await invited(world, world.clinic.patients[0]))
    attacker = await world.signed_in(world.clinic.patients[1])
    planted = attacker.cookies[COOKIE]
    browser = world.browser()
    browser.cookies[COOKIE] = planted
    assert (await used(browser, victim)).status == 200
    assert browser.cookies[COOKIE].split(".")[0] != planted.split(".")[0]
    assert (await attacker.post("/sign-in/token")).status == 401, "the planted one has ended"


@pytest.mark.parametrize("path", [OPTIONS, VERIFY])
async def test_other_pages_begin_nothing(world: SignInWorld, path: str) -> None:
    answer = await world.browser().post(path, {}, origin="https://evil.example")
    assert answer.status == 403
    assert rows(world.clinic.database, "SELECT * FROM ceremonies") == []


@pytest.mark.parametrize(
    "credential",
    [
        {},
        {"id": 7},
        {"id": "x" * 2_000},
        {"id": "AAAA", "rawId": "AAAA", "type": "public-key", "response": {}},
        {"id": "AAAA", "rawId": [], "type": {}, "response": "x"},
    ],
)
async def test_a_broken_answer_is_refused(world: SignInWorld, credential: dict[str, Any]) -> None:
    browser = world.browser()
    await browser.post(OPTIONS, {})
    assert (await browser.post(VERIFY, {"credential": credential})).status == 401
    token = await invited(world, world.clinic.patients[0])
    await browser.post(OPTIONS, {"invitation": token})
    body = {"credential": credential, "invitation": token}
    assert (await browser.post(VERIFY, body)).status == 401


async def test_logs_contain_no_invitation(world: SignInWorld, logs: Logs) -> None:
    token = await invited(world, world.clinic.patients[0])
    await enrolled(world.browser(), token)
    assert token not in str(logs.lines())
    stored = str(rows(world.clinic.database, "SELECT * FROM invitations"))
    assert token not in stored


async def test_what_happens_is_audited(world: SignInWorld) -> None:
    authenticator = await enrolled(world.browser(), await invited(world, world.clinic.patients[0]))
    await used(world.browser(), authenticator)
    kinds = "resource_kind IN ('invitation', 'passkey', 'session')"
    found = rows(world.clinic.database, f"SELECT action FROM audit_log WHERE {kinds} ORDER BY id")  # noqa: S608  # ours
    assert [row["action"] for row in found] == [
        "invitation.created",
        "invitation.used",
        "passkey.added",
        "session.begun",
        "session.begun",
    ]
