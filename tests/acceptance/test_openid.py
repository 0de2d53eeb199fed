"""OpenID Connect: people sign in at an identity provider, and attackers do not."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from actors.domain.refusals import Unavailable
from actors.services.sign_in_settings import SignInSettings
from api.auth import AuthSettings
from api.http.settings import ServerSettings
from api.sign_in.openid_metadata import Discovery
from api.sign_in.openid_settings import OpenIdSettings
from tests.support.api import Answer
from tests.support.clinic import Person
from tests.support.clock import FakeClock
from tests.support.database import Database, OnPostgres, execute, rows
from tests.support.identity_provider import (
    CLIENT,
    OTHER_KEY,
    SECRET,
    FakeProvider,
    callback,
    fake_provider,
)
from tests.support.logs import Logs
from tests.support.running import Template
from tests.support.sign_in import COOKIE, Browser, SignInWorld, sign_in_world
from tests.support.tokens import SECRET as AUTH_SECRET

_AT = "https://x.example/practice"
START = "/sign-in/oidc/start"


@dataclass
class Opened:
    world: SignInWorld
    provider: FakeProvider

    async def begun(self, browser: Browser, **body: Any) -> dict[str, str]:
        """The browser goes to the provider, where the person signs in: what it brings back."""
        answer = await browser.post(START, body)
        assert answer.status == 200, answer.body
        return self.provider.sign_in(answer.body["location"])

    async def signed_in(self, browser: Browser, **body: Any) -> Answer:
        return await browser.get(callback(await self.begun(browser, **body)))

    async def invitation(self, person: Person) -> str:
        made = await self.world.clinic.admin.post("/api/invitations", {"profile_id": person.id})
        return str(made.body["url"]).partition("#invitation=")[2]

    async def me(self, browser: Browser) -> Any:
        api = self.world.clinic.with_token(await browser.token())
        return (await api.get("/api/profiles/me")).body

    @property
    def database(self) -> Database:
        return self.world.clinic.database


def problem(answer: Answer) -> str:
    """What the sign-in page has to explain."""
    assert answer.status == 303
    page, _, found = answer.headers["Location"].partition("?problem=")
    assert page == "/sign-in"
    return str(found)


@pytest.fixture
async def provider() -> AsyncIterator[FakeProvider]:
    async with fake_provider() as provider:
        yield provider


@pytest.fixture
async def opened(
    template: Template,
    tmp_path: Path,
    provider: FakeProvider,
    request: pytest.FixtureRequest,
) -> AsyncIterator[Opened]:
    changed: dict[str, Any] = getattr(request, "param", {})
    sections = dict(changed.get("sections", {}))
    if changed.get("issues_tokens"):
        sections["auth"] = AuthSettings(secret=AUTH_SECRET, issuer=provider.issuer)
    openid: dict[str, Any] = {
        "issuer": provider.issuer,
        "client_id": CLIENT,
        "client_secret": SECRET,
    }
    sections["openid"] = OpenIdSettings(**openid, **changed.get("openid", {}))
    async with sign_in_world(template, tmp_path, **sections) as world:
        yield Opened(world, provider)


def with_openid(**settings: Any) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("opened", [{"openid": settings}], indirect=True)


on_sqlite = pytest.mark.parametrize("template", ["sqlite"], indirect=True)
"""For what no database decides."""


async def linked(opened: Opened, person: Person) -> Browser:
    """A browser in which the person has accepted an invitation by the provider."""
    browser = opened.world.browser()
    answer = await opened.signed_in(browser, invitation=await opened.invitation(person))
    assert answer.status == 303, answer.headers
    return browser


# --- the whole way -------------------------------------------------------------------


async def test_an_invitation_is_accepted_and_then_the_identity_signs_in(opened: Opened) -> None:
    patient = opened.world.clinic.patients[0]
    browser = await linked(opened, patient)
    assert (await opened.me(browser))["id"] == patient.id
    again = opened.world.browser()
    answer = await opened.signed_in(again)
    assert (answer.status, answer.headers["Location"]) == (303, "/patient")
    assert (await opened.me(again))["id"] == patient.id
    assert "chairside-openid" not in again.cookies
    audited = rows(opened.database, "SELECT action FROM audit_log ORDER BY id DESC LIMIT 4")
    assert [row["action"] for row in audited] == [
        "session.begun",
        "session.begun",
        "account.linked",
        "invitation.used",
    ]


@on_sqlite
async def test_the_page_offers_the_provider_by_name(opened: Opened) -> None:
    answer = await opened.world.browser().get("/sign-in/ways")
    assert answer.body["provider"] == "127.0.0.1"


@on_sqlite
async def test_a_link_to_the_start_leads_to_the_provider(opened: Opened) -> None:
    browser = opened.world.browser()
    answer = await browser.get(f"{START}?next=/chat")
    assert answer.status == 303
    assert answer.headers["Location"].startswith(f"{opened.provider.issuer}/auth?")
    returned = opened.provider.sign_in(answer.headers["Location"])
    assert problem(await browser.get(callback(returned))) == "unknown"
    cross = await browser.get(f"{START}?next=/chat", Sec_Fetch_Site="cross-site")
    assert cross.headers["Location"] == "/sign-in?next=%2Fchat"


@with_openid(replaces_passkey=True, role_claim="groups", practice_claim=_AT)
async def test_the_provider_says_who_works_where(opened: Opened) -> None:
    clinic, provider = opened.world.clinic, opened.provider
    person = clinic.dentists[0]
    provider.claims |= {
        "groups": ["all", "dentist"],
        "https://x.example/practice": clinic.practices[0],
    }
    await linked(opened, person)
    assert (await opened.signed_in(opened.world.browser())).headers["Location"] == "/dentist"
    provider.claims |= {"groups": ["staff"]}
    assert problem(await opened.signed_in(opened.world.browser())) == "unknown"
    provider.claims |= {"groups": ["dentist"], _AT: clinic.practices[1]}
    assert problem(await opened.signed_in(opened.world.browser())) == "unknown"


@with_openid(
    create_roles=("patient", "staff"),
    role_claim="role",
    practice_claim="practice",
    replaces_passkey=True,
)
async def test_people_are_created_by_setting_only(opened: Opened) -> None:
    clinic, provider, browser = opened.world.clinic, opened.provider, opened.world.browser()
    provider.claims |= {"role": "staff", "practice": clinic.practices[1]}
    assert (await opened.signed_in(browser)).headers["Location"] == "/desk"
    me = await opened.me(browser)
    assert (me["name"], me["role"], me["practice_id"]) == (
        "Ida Example",
        "staff",
        clinic.practices[1],
    )
    again = opened.world.browser()
    await opened.signed_in(again)
    assert (await opened.me(again))["id"] == me["id"]
    for changed in ({"role": "dentist"}, {"role": "admin"}, {"role": "system"}, {"practice": "x"}):
        provider.claims = {"sub": str(changed), "name": "X", "role": "staff", **changed}
        assert problem(await opened.signed_in(opened.world.browser())) == "unknown", changed


@on_sqlite
async def test_nobody_is_created_by_default(opened: Opened) -> None:
    before = rows(opened.database, "SELECT count(*) AS n FROM profiles")
    opened.provider.claims |= {"role": "admin", "email_verified": True}
    opened.provider.claims["email"] = "patient-0@example.org"
    assert problem(await opened.signed_in(opened.world.browser())) == "unknown"
    assert rows(opened.database, "SELECT count(*) AS n FROM profiles") == before
    assert rows(opened.database, "SELECT * FROM accounts") == []


@with_openid(trust_email=True)
async def test_a_verified_address_names_a_person(opened: Opened) -> None:
    address = "Patient-0@Example.org"
    for verified in (False, None, "true", 1):
        opened.provider.claims |= {"email": address, "email_verified": verified}
        assert problem(await opened.signed_in(opened.world.browser())) == "unknown"
    opened.provider.claims |= {"email_verified": True}
    browser = opened.world.browser()
    await opened.signed_in(browser)
    assert (await opened.me(browser))["id"] == opened.world.clinic.patients[0].id


@pytest.mark.parametrize("opened", [{"issues_tokens": True}], indirect=True)
async def test_an_issuer_of_tokens_has_the_same_people(opened: Opened) -> None:
    opened.provider.claims["sub"] = "patient-0"
    browser = opened.world.browser()
    await opened.signed_in(browser)
    assert (await opened.me(browser))["id"] == opened.world.clinic.patients[0].id


@on_sqlite
async def test_another_issuer_with_the_same_subject_is_another_person(opened: Opened) -> None:
    opened.provider.claims["sub"] = "patient-0"  # of [auth], which is somebody else
    assert problem(await opened.signed_in(opened.world.browser())) == "unknown"


# --- passkeys and invitations --------------------------------------------------------


async def test_a_role_that_needs_a_passkey_is_not_signed_in(opened: Opened) -> None:
    for person in (opened.world.clinic.staff[0], opened.world.clinic.dentists[0]):
        token = await opened.invitation(person)
        answer = await opened.signed_in(opened.world.browser(), invitation=token)
        assert problem(answer) == "passkey"
    open_ones = rows(opened.database, "SELECT ended_at FROM invitations")
    assert [row["ended_at"] for row in open_ones] == [None, None], "they can still be used"
    assert rows(opened.database, "SELECT * FROM provider_subjects") == []


async def test_an_identity_has_one_account(opened: Opened) -> None:
    clinic = opened.world.clinic
    await linked(opened, clinic.patients[0])
    token = await opened.invitation(clinic.patients[1])
    answer = await opened.signed_in(opened.world.browser(), invitation=token)
    assert problem(answer) == "invitation"


async def test_a_new_invitation_ends_the_identity_that_was_linked(opened: Opened) -> None:
    patient = opened.world.clinic.patients[0]
    first = await linked(opened, patient)
    opened.provider.claims["sub"] = "ext-2"
    await linked(opened, patient)
    assert (await first.post("/sign-in/token")).status == 401
    opened.provider.claims["sub"] = "ext-1"
    assert problem(await opened.signed_in(opened.world.browser())) == "unknown"


async def test_an_invitation_that_ended_meanwhile_is_refused(opened: Opened) -> None:
    browser, patient = opened.world.browser(), opened.world.clinic.patients[0]
    returned = await opened.begun(browser, invitation=await opened.invitation(patient))
    await opened.invitation(patient)  # replaces it
    assert problem(await browser.get(callback(returned))) == "invitation"
    assert (await browser.post(START, {"invitation": "x" * 43})).status == 401


async def test_a_person_who_left_is_not_signed_in(opened: Opened) -> None:
    patient = opened.world.clinic.patients[0]
    await linked(opened, patient)
    await opened.world.clinic.admin.put(f"/api/profiles/{patient.id}", {"active": False})
    assert problem(await opened.signed_in(opened.world.browser())) == "unknown"


# --- attacks -------------------------------------------------------------------------


async def test_a_return_counts_once(opened: Opened) -> None:
    browser = await linked(opened, opened.world.clinic.patients[0])
    returned = await opened.begun(browser)
    kept = dict(browser.cookies)
    assert (await browser.get(callback(returned))).headers["Location"] == "/patient"
    browser.cookies = kept
    asked = len(opened.provider.requests)
    assert problem(await browser.get(callback(returned))) == "ended"
    assert len(opened.provider.requests) == asked, "the code is not sent again"


@on_sqlite
async def test_a_return_counts_in_its_own_browser(opened: Opened) -> None:
    """Else a person could be signed in as the attacker (login CSRF)."""
    await linked(opened, opened.world.clinic.patients[0])
    victim, attacker = opened.world.browser(), opened.world.browser()
    of_attacker = await opened.begun(attacker)
    assert problem(await victim.get(callback(of_attacker))) == "ended", "without a cookie"
    of_victim = await opened.begun(victim)
    assert problem(await victim.get(callback(of_attacker))) == "ended"
    assert problem(await victim.get(callback({**of_victim, "state": ""}))) == "ended"
    assert COOKIE not in victim.cookies
    assert (await victim.get(callback(of_victim))).headers["Location"] == "/patient"


@on_sqlite
async def test_a_planted_cookie_is_refused(opened: Opened) -> None:
    """Another host of the domain can plant a cookie of the path, and none of the host."""
    attacker, victim = opened.world.browser(), opened.world.browser()
    of_attacker = await opened.begun(attacker)
    planted = attacker.cookies["chairside-openid"]
    victim.cookies["chairside-openid"] = planted
    assert problem(await victim.get(callback(of_attacker))) == "ended"
    await opened.begun(victim)
    victim.cookies["chairside-openid"] = planted
    assert problem(await victim.get(callback(of_attacker))) == "ended"
    twice = f"chairside-openid=x; {victim.header()}"
    assert problem(await victim.get(callback(of_attacker), Cookie=twice)) == "ended"


FALSE_TOKENS: tuple[dict[str, Any], ...] = (
    {"falsified": {"nonce": "of another sign-in"}},
    {"falsified": {"nonce": None}},
    {"falsified": {"aud": "another-client"}},
    {"falsified": {"aud": [CLIENT, "another"], "azp": "another"}},
    {"falsified": {"iss": "https://evil.example"}},
    {"falsified": {"exp": 1_000}},
    {"falsified": {"exp": None}},
    {"falsified": {"iat": 99_999_999_999}},
    {"falsified": {"sub": "somebody else"}},
    {"falsified": {"sub": ""}},
    {"falsified": {"sub": "chairside:x"}, "claims": {"sub": "chairside:x"}},
    {"falsified": {"at_hash": "of another token"}},
    {"algorithm": "none"},
    {"algorithm": "HS256", "key": SECRET},
    {"key": OTHER_KEY},
)


@on_sqlite
async def test_a_false_id_token_is_refused(opened: Opened) -> None:
    await linked(opened, opened.world.clinic.patients[0])
    right = FakeProvider()
    for changes in FALSE_TOKENS:
        browser = opened.world.browser()
        for name in ("falsified", "claims", "algorithm", "key"):
            setattr(opened.provider, name, changes.get(name, getattr(right, name)))
        assert problem(await opened.signed_in(browser)) == "refused", changes
        assert COOKIE not in browser.cookies


@on_sqlite
async def test_a_return_of_another_issuer_is_refused(opened: Opened) -> None:
    """A code of one provider is sent to no other one (mix-up, RFC 9207)."""
    for issuer in ("https://evil.example", ""):
        browser = opened.world.browser()
        returned = await opened.begun(browser)
        returned["iss"] = issuer
        if not issuer:
            del returned["iss"]
        assert problem(await browser.get(callback(returned))) == "refused"
    assert "token" not in opened.provider.requests


async def test_a_sign_in_that_took_too_long_is_refused(opened: Opened) -> None:
    browser = await linked(opened, opened.world.clinic.patients[0])
    returned = await opened.begun(browser)
    past = "to_timestamp(0)" if isinstance(opened.database, OnPostgres) else "0"
    execute(opened.database, f"UPDATE provider_sign_ins SET expires_at = {past}")  # noqa: S608  # ours
    assert problem(await browser.get(callback(returned))) == "ended"


@on_sqlite
async def test_nobody_is_led_elsewhere(opened: Opened) -> None:
    await linked(opened, opened.world.clinic.patients[0])
    for wanted in ("https://evil.example/", "//evil.example", "/sign-in", "/api"):
        answer = await opened.signed_in(opened.world.browser(), next=wanted)
        assert answer.headers["Location"] == "/patient"
    answer = await opened.signed_in(opened.world.browser(), next="/chat")
    assert answer.headers["Location"] == "/chat"


@on_sqlite
async def test_who_is_refused_by_the_provider_is_not_signed_in(opened: Opened) -> None:
    browser = await linked(opened, opened.world.clinic.patients[0])
    returned = await opened.begun(browser)
    refused = {"error": "access_denied", "state": returned["state"], "iss": returned["iss"]}
    assert problem(await browser.get(callback(refused))) == "refused"
    assert problem(await browser.get(callback(returned))) == "ended"


@on_sqlite
async def test_a_provider_that_is_down_is_explained(opened: Opened) -> None:
    opened.provider.is_down = True
    browser = opened.world.browser()
    assert problem(await browser.get(START)) == "unavailable"
    assert (await browser.post(START, {})).status == 503
    assert opened.provider.requests == ["discovery"], "a flood does not reach the provider"
    assert rows(opened.database, "SELECT * FROM provider_sign_ins") == []


@on_sqlite
async def test_a_provider_that_fails_later_is_explained(opened: Opened) -> None:
    browser = opened.world.browser()
    returned = await opened.begun(browser)
    opened.provider.is_down = True
    assert problem(await browser.get(callback(returned))) == "unavailable"


async def test_false_metadata_are_refused(provider: FakeProvider) -> None:
    falsified: tuple[dict[str, Any], ...] = (
        {"issuer": "https://evil.example"},
        {"token_endpoint": "http://evil.example/token"},
        {"jwks_uri": None},
        {"padding": "x" * 300_000},
    )
    for number, metadata in enumerate(falsified):
        provider.metadata = metadata
        discovery = Discovery(provider.issuer, FakeClock(), timeout_s=5.0)
        with pytest.raises(Unavailable):
            await discovery.metadata()
        assert len(provider.requests) == number + 1


@on_sqlite
async def test_other_pages_begin_nothing(opened: Opened) -> None:
    answer = await opened.world.browser().post(START, {}, origin="https://evil.example")
    assert answer.status == 403
    assert rows(opened.database, "SELECT * FROM provider_sign_ins") == []


async def test_logs_and_rows_contain_no_secret(opened: Opened, logs: Logs) -> None:
    browser = opened.world.browser()
    returned = await opened.begun(browser)
    stored = str(rows(opened.database, "SELECT * FROM provider_sign_ins"))
    secrets = (browser.cookies["chairside-openid"], returned["state"], returned["code"])
    await browser.get(callback(returned))
    for secret in secrets:
        assert secret not in str(logs.lines())
        assert secret not in stored


@on_sqlite
async def test_the_cookies_are_for_the_way_back_only(template: Template, tmp_path: Path) -> None:
    async with fake_provider() as provider:
        openid = OpenIdSettings(issuer=provider.issuer, client_id=CLIENT, client_secret=SECRET)
        public = "https://clinic.example"
        sections: dict[str, Any] = {"server": ServerSettings(public_url=public), "openid": openid}
        async with sign_in_world(template, tmp_path, **sections) as world:
            browser = world.browser()
            await browser.post(START, {}, origin=public)
            path, host = sorted(browser.set_cookies, key=len, reverse=True)
    for cookie in (path, host):
        assert {"HttpOnly", "Secure", "SameSite=Lax", "Max-Age=600"} <= set(cookie.split("; "))
    assert path.startswith("__Secure-chairside-openid=")
    assert "Path=/sign-in/oidc" in path.split("; ")
    assert host.startswith("__Host-chairside-openid-host=")
    assert "Path=/" in host.split("; ")


@on_sqlite
async def test_without_a_provider_there_are_no_such_routes(
    template: Template, tmp_path: Path
) -> None:
    async with sign_in_world(template, tmp_path, sign_in=SignInSettings(enabled=True)) as world:
        for path in (START, "/sign-in/oidc/callback?code=x&state=x"):
            assert (await world.browser().get(path)).status == 404
        assert (await world.browser().post(START, {})).status == 404
