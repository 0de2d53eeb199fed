"""Sessions of people who sign in at the hub, and what other pages and issuers cannot do."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jwt
import pytest

from api.http.settings import ServerSettings
from tests.acceptance.conftest import OpenClinic
from tests.support.logs import Logs
from tests.support.running import Template
from tests.support.sign_in import COOKIE, ORIGIN, SignInWorld, sign_in_world
from tests.support.tokens import SECRET, token


@pytest.fixture
async def world(template: Template, tmp_path: Path) -> AsyncIterator[SignInWorld]:
    async with sign_in_world(template, tmp_path) as world:
        yield world


async def test_a_session_gives_tokens_for_every_interface(world: SignInWorld) -> None:
    clinic = world.clinic
    patient = clinic.patients[0]
    browser = await world.signed_in(patient)
    answer = await browser.post("/sign-in/token")
    assert (answer.body["token_type"], answer.body["expires_in"]) == ("Bearer", 600)
    assert answer.body["role"] == "patient"
    assert answer.headers["Cache-Control"] == "no-store"
    access = answer.body["access_token"]
    me = await clinic.with_token(access).get("/api/profiles/me")
    assert me.body["id"] == patient.id
    assert await clinic.connect("/patient", {"token": access})


async def test_published_keys_verify_its_tokens(world: SignInWorld) -> None:
    access = await (await world.signed_in(None)).token()
    async with world.clinic.session.get(f"{world.clinic.url}/.well-known/jwks.json") as response:
        keys = jwt.PyJWKSet.from_dict(await response.json())
    (key,) = keys.keys
    claims = jwt.decode(access, key.key, algorithms=["ES256"], audience=ORIGIN, issuer=ORIGIN)
    assert claims["exp"] - claims["iat"] == 600
    assert claims["role"] == "admin"
    assert key.key_id == jwt.get_unverified_header(access)["kid"]


async def test_no_page_reads_the_cookie_and_only_sign_in_does(world: SignInWorld) -> None:
    browser = await world.signed_in(world.clinic.patients[0])
    await browser.token()
    (header,) = browser.set_cookies
    assert "HttpOnly" in header
    assert "SameSite=Strict" in header
    assert "Path=/" in header
    assert "Domain" not in header
    sent = {"Cookie": f"{COOKIE}={browser.cookies[COOKIE]}"}
    answer = await world.clinic.with_token(None).send("GET", "/api/profiles/me", headers=sent)
    assert answer.status == 401


async def test_over_tls_the_cookie_is_of_this_host_alone(
    template: Template, tmp_path: Path
) -> None:
    public = ServerSettings(public_url="https://clinic.example")
    async with sign_in_world(template, tmp_path, server=public) as world:
        browser = await world.signed_in(world.clinic.patients[0])
        browser.cookies = {f"__Host-{COOKIE}": browser.cookies[COOKIE]}
        answer = await browser.post("/sign-in/token", origin="https://clinic.example")
        assert answer.status == 200
        (header,) = browser.set_cookies
        assert header.startswith("__Host-")
        assert "Secure" in header


@pytest.mark.parametrize(
    ("origin", "headers"),
    [
        (None, {}),
        ("null", {}),
        ("https://evil.example", {}),
        ("http://localhost:8081", {}),
        ("http://localhost:8080.evil.example", {}),
        (ORIGIN, {"Sec_Fetch_Site": "cross-site"}),
        (ORIGIN, {"Sec_Fetch_Site": "same-site"}),
    ],
)
@pytest.mark.parametrize("path", ["/sign-in/token", "/sign-in/sign-out"])
async def test_pages_of_others_use_no_session(
    world: SignInWorld, path: str, origin: str | None, headers: dict[str, str]
) -> None:
    browser = await world.signed_in(world.clinic.patients[0])
    answer = await browser.post(path, origin=origin, **headers)
    assert (answer.status, answer.code) == (403, "FORBIDDEN")
    assert browser.set_cookies == []
    assert await browser.token()


async def test_nothing_changes_by_get(world: SignInWorld) -> None:
    browser = await world.signed_in(world.clinic.patients[0])
    for path in ("/sign-in/token", "/sign-in/sign-out"):
        headers = {"Cookie": f"{COOKIE}={browser.cookies[COOKIE]}", "Origin": ORIGIN}
        async with world.clinic.session.get(world.clinic.url + path, headers=headers) as response:
            assert response.status == 405
    assert await browser.token()


async def test_a_planted_cookie_beside_its_own_is_refused(world: SignInWorld) -> None:
    """A page of another port of localhost, or a proxy, may add a cookie of the same name."""
    victim = await world.signed_in(world.clinic.patients[0])
    attacker = await world.signed_in(world.clinic.patients[1])
    mine, theirs = victim.cookies[COOKIE], attacker.cookies[COOKIE]
    for both in (f"{COOKIE}={mine}; {COOKIE}={theirs}", f"{COOKIE}={theirs};{COOKIE}={mine}"):
        answer = await victim.post("/sign-in/token", Cookie=both)
        assert answer.status == 401
    assert await victim.token()


async def test_signing_out_ends_tokens_and_sockets(world: SignInWorld) -> None:
    clinic = world.clinic
    browser = await world.signed_in(clinic.patients[0])
    other = await world.signed_in(clinic.patients[0])
    access, kept = await browser.token(), await other.token()
    screen = await clinic.connect("/patient", {"token": access})
    stays = await clinic.connect("/patient", {"token": kept})
    assert (await browser.post("/sign-in/sign-out")).status == 204
    assert browser.cookies == {}
    await asyncio.wait_for(screen.disconnected.wait(), 2)
    assert not stays.disconnected.is_set()
    assert (await clinic.with_token(access).get("/api/profiles/me")).status == 401
    assert (await clinic.with_token(kept).get("/api/profiles/me")).status == 200
    assert (await browser.post("/sign-in/sign-out")).status == 204, "without a session, too"


async def test_a_stolen_cookie_ends_the_session_of_both(world: SignInWorld) -> None:
    clinic = world.clinic
    browser = await world.signed_in(clinic.patients[0])
    thief = world.browser()
    thief.cookies = dict(browser.cookies)
    await browser.token()
    access = await browser.token()
    screen = await clinic.connect("/patient", {"token": access})
    assert (await thief.post("/sign-in/token")).status == 401
    await asyncio.wait_for(screen.disconnected.wait(), 2)
    assert (await browser.post("/sign-in/token")).status == 401
    assert (await clinic.with_token(access).get("/api/profiles/me")).status == 401


async def test_two_tabs_at_once_stay_signed_in(world: SignInWorld) -> None:
    browser = await world.signed_in(world.clinic.patients[0])
    tabs = [world.browser() for _ in range(5)]
    for tab in tabs:
        tab.cookies = dict(browser.cookies)
    await asyncio.gather(*(tab.token() for tab in tabs))
    assert len({tab.cookies[COOKIE] for tab in tabs}) == 1


async def test_people_see_and_end_their_own_sessions(world: SignInWorld) -> None:
    clinic = world.clinic
    browser, other = [await world.signed_in(who) for who in clinic.patients[:2]]
    mine = clinic.with_token(await browser.token())
    theirs = clinic.with_token(await other.token())
    (shown,) = (await mine.get("/api/sessions")).body["data"]
    assert shown["current"]
    assert (shown["device"], shown["method"]) == ("Test", "passkey")
    assert (await theirs.delete(f"/api/sessions/{shown['id']}")).status == 404
    assert (await clinic.api(clinic.patients[0]).get("/api/sessions")).body == {"data": []}
    assert (await mine.delete(f"/api/sessions/{shown['id']}")).status == 204
    assert (await mine.get("/api/sessions")).status == 401
    assert (await theirs.get("/api/sessions")).status == 200


async def test_admins_end_all_sessions_of_a_person(world: SignInWorld) -> None:
    clinic, patient = world.clinic, world.clinic.patients[0]
    browser = await world.signed_in(patient)
    access = await browser.token()
    screen = await clinic.connect("/patient", {"token": access})
    found = (await clinic.admin.get("/api/sessions", profile_id=patient.id)).body["data"]
    assert len(found) == 1
    assert not found[0]["current"]
    path = f"/api/profiles/{patient.id}/sessions"
    assert (await clinic.with_token(access).delete(path)).status == 403
    assert (await clinic.admin.delete(path)).status == 204
    await asyncio.wait_for(screen.disconnected.wait(), 2)
    assert (await browser.post("/sign-in/token")).status == 401
    assert (await clinic.with_token(access).get("/api/profiles/me")).status == 401


async def test_a_person_who_leaves_is_signed_out(world: SignInWorld) -> None:
    clinic, dentist = world.clinic, world.clinic.dentists[0]
    browser = await world.signed_in(dentist)
    access = await browser.token()
    await clinic.admin.put(f"/api/profiles/{dentist.id}", {"active": False})
    assert (await clinic.with_token(access).get("/api/profiles/me")).status == 403
    assert (await browser.post("/sign-in/token")).status == 401


# --- tokens --------------------------------------------------------------------------


async def test_no_other_key_makes_tokens_of_the_hub(world: SignInWorld) -> None:
    clinic = world.clinic
    access = await (await world.signed_in(clinic.patients[0])).token()
    claims = jwt.decode(access, options={"verify_signature": False})
    async with clinic.session.get(f"{clinic.url}/.well-known/jwks.json") as response:
        public = (await response.json())["keys"][0]
    kid = {"kid": public["kid"]}
    raised: dict[str, Any] = {**claims, "role": "admin"}
    forged = (
        jwt.encode(claims, SECRET, "HS256"),
        jwt.encode(claims, SECRET, "HS256", headers=kid),
        jwt.encode(claims, public["x"] + public["y"], "HS256", headers=kid),
        ".".join((access.split(".")[0], jwt.encode(raised, SECRET, "HS256").split(".")[1], "x")),
    )
    for each in forged:
        assert (await clinic.with_token(each).get("/api/profiles/me")).status == 401


async def test_a_subject_of_two_issuers_is_two_people(world: SignInWorld) -> None:
    clinic = world.clinic
    access = await (await world.signed_in(clinic.patients[0])).token()
    subject = jwt.decode(access, options={"verify_signature": False})["sub"]
    assert (
        await clinic.with_token(token("patient", subject)).get("/api/profiles/me")
    ).status == 401
    bare = subject.removeprefix("chairside:")
    stranger = (await clinic.with_token(token("patient", bare)).get("/api/profiles/me")).body
    assert stranger["id"] != clinic.patients[0].id


async def test_external_tokens_keep_working_beside(world: SignInWorld) -> None:
    me = await world.clinic.api(world.clinic.patients[0]).get("/api/profiles/me")
    assert me.body["id"] == world.clinic.patients[0].id


async def test_without_sign_in_no_session_begins(open_clinic: OpenClinic) -> None:
    async with open_clinic() as clinic:
        async with clinic.session.post(f"{clinic.url}/sign-in/token") as response:
            assert response.status == 204
        for path in ("/sign-in/sign-out", "/sign-in/passkey/options"):
            async with clinic.session.post(clinic.url + path) as response:
                assert response.status == 404


async def test_logs_contain_no_secret_of_a_session(world: SignInWorld, logs: Logs) -> None:
    browser = await world.signed_in(world.clinic.patients[0])
    first = browser.cookies[COOKIE]
    access = await browser.token()
    await browser.post("/sign-in/token", Cookie=f"{COOKIE}={first}x")
    text = str(logs.lines())
    for secret in (*first.split("."), *browser.cookies[COOKIE].split("."), access):
        assert secret not in text
