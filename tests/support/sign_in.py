"""A hub at which people sign in, and browsers that do."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any, Final

import aiohttp
from yarl import URL

from actors.domain.ids import ProfileId
from actors.domain.principal import Role
from actors.domain.sign_in import Account, AccountId, SignInMethod
from actors.services.sign_in_settings import SignInSettings
from api.http.settings import ServerSettings
from hub.bootstrap import Hub
from tests.support.api import Answer
from tests.support.clinic import Clinic, Person
from tests.support.running import Running, Template, config_for, running_hub

ORIGIN: Final = "http://localhost:8080"
"""Of the hub, as its browsers have it: they are not at the port at which a test's hub listens."""
COOKIE: Final = "chairside-session"


@dataclass
class Browser:
    """Sends requests as a page of the hub does, and keeps the cookies."""

    session: aiohttp.ClientSession
    url: str
    cookies: dict[str, str] = field(default_factory=dict)
    set_cookies: list[str] = field(default_factory=list)
    """The headers of the last response."""

    async def post(
        self, path: str, body: Any = None, *, origin: str | None = ORIGIN, **headers: str
    ) -> Answer:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        sent.setdefault("Cookie", self.header())
        if origin is not None:
            sent["Origin"] = origin
        async with self.session.post(f"{self.url}{path}", json=body, headers=sent) as response:
            self._keep(response.headers.getall("Set-Cookie", []))
            found = await response.json() if response.content_type == "application/json" else None
            return Answer(response.status, response.headers, found)

    async def get(self, path: str, **headers: str) -> Answer:
        """Follow a link; the redirects are the test's to follow."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        sent.setdefault("Cookie", self.header())
        options: dict[str, Any] = {"headers": sent, "allow_redirects": False}
        async with self.session.get(URL(f"{self.url}{path}", encoded=True), **options) as response:
            self._keep(response.headers.getall("Set-Cookie", []))
            found = await response.json() if response.content_type == "application/json" else None
            return Answer(response.status, response.headers, found)

    def header(self) -> str:
        """Its cookies, as it sends them."""
        return "; ".join(f"{k}={v}" for k, v in self.cookies.items())

    async def token(self) -> str:
        answer = await self.post("/sign-in/token")
        assert answer.status == 200, answer.body
        return str(answer.body["access_token"])

    def _keep(self, headers: list[str]) -> None:
        self.set_cookies = headers
        for header in headers:
            for name, morsel in SimpleCookie(header).items():
                self.cookies.pop(name, None)
                if morsel["max-age"] != "0":
                    self.cookies[name] = morsel.value


@dataclass(frozen=True)
class SignInWorld:
    clinic: Clinic
    running: Running

    def browser(self) -> Browser:
        return Browser(self.clinic.session, self.clinic.url)

    async def signed_in(self, person: Person | None) -> Browser:
        """A browser with a session of a new account of the person; ``None``: of an admin."""
        browser = self.browser()
        browser.cookies[COOKIE] = await begun(self.running.hub, person)
        return browser


async def begun(hub: Hub, person: Person | None) -> str:
    """The cookie of a new session."""
    role = Role(person.role) if person else Role.ADMIN
    base = hub.core.base
    account = Account(id=AccountId(base.new_id()), role=role, created_at=base.clock.now())
    await base.store.accounts.add(account, ProfileId(person.id) if person else None)
    signed_in = await hub.services.sign_ins.begin(
        account, SignInMethod.PASSKEY, device="Test", request_id="r"
    )
    return signed_in.cookie


@asynccontextmanager
async def sign_in_world(
    template: Template, folder: Path, *, port: int = 0, **sections: Any
) -> AsyncIterator[SignInWorld]:
    """A copy of the template's clinic, at which people sign in."""
    sections.setdefault("server", ServerSettings(public_url=ORIGIN))
    sections.setdefault("sign_in", SignInSettings(enabled=True))
    with template.copied_to(folder) as database:
        async with (
            running_hub(config_for(database, **sections), port=port) as running,
            aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
            AsyncExitStack() as opened,
        ):
            clinic = Clinic(running.url, template.people, session, opened, database)
            yield SignInWorld(clinic, running)
