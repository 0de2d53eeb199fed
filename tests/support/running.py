"""A hub in this process, on a free loopback port and a database of its own."""

import asyncio
import shutil
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from actors.services.chatbot_settings import ChatbotSettings
from api.auth import AuthSettings
from hub.bootstrap import Hub, open_hub
from hub.config import Config
from hub.server import bind, serving_hub
from hub.server import url_of as url_of_listener
from store.migrations.migrate import upgrade
from store.settings import DatabaseSettings
from tests.support.clinic import Clinic, People, found_clinic
from tests.support.database import Database, OnPostgres, url_of
from tests.support.postgres import ADMIN, postgres_server
from tests.support.tokens import SECRET


def config_for(database: Database, **sections: Any) -> Config:
    """The defaults, with the tests' secret and this database."""
    return Config(
        database=sections.pop("database", None) or DatabaseSettings(url=url_of(database)),
        auth=sections.pop("auth", None) or AuthSettings(secret=SECRET),
        chatbot=sections.pop("chatbot", None) or ChatbotSettings(consent="assumed"),
        **sections,
    )


@dataclass(frozen=True, kw_only=True)
class Running:
    url: str
    hub: Hub


@asynccontextmanager
async def running_hub(config: Config, *, port: int = 0, **overrides: Any) -> AsyncIterator[Running]:
    """``overrides`` replace parts of the hub (see :func:`open_hub`)."""
    async with open_hub(config, **overrides) as hub:
        with bind("127.0.0.1", port) as listener:
            url = url_of_listener(listener)
            try:
                async with serving_hub(hub, listener, 2.0):
                    hub.edge.health.accepting(accepts=True)
                    yield Running(url=url, hub=hub)
            finally:
                hub.edge.health.accepting(accepts=False)


@dataclass(frozen=True, kw_only=True)
class Template:
    """A prepared clinic; every test works on its own copy."""

    database: Database
    people: People

    @contextmanager
    def copied_to(self, folder: Path) -> Iterator[Database]:
        """A copy: a file in ``folder``, or a server's database that the block's end drops."""
        if isinstance(self.database, Path):
            yield self.copy_to(folder)
            return
        server = self.database.server
        copy = OnPostgres(server=server, name=server.create(self.database.name))
        try:
            yield copy
        finally:
            server.drop(copy.name)

    def copy_to(self, folder: Path) -> Path:
        assert isinstance(self.database, Path), "copies on a server must be dropped"
        folder.mkdir(exist_ok=True)
        target = folder / "chairside.db"
        shutil.copyfile(self.database, target)
        return target


def make_template(folder: Path, engine: str = "sqlite") -> Template:
    """Migrate a database and create the clinic in it, once for many tests."""
    database = migrated(folder, engine)

    async def found() -> People:
        async with (
            running_hub(config_for(database)) as running,
            aiohttp.ClientSession() as session,
        ):
            return await found_clinic(session, running.url)

    people = _in_thread(found)
    if isinstance(database, Path):
        wal = database.with_name(database.name + "-wal")
        assert not wal.exists(), "closing the hub checkpoints the WAL"
    return Template(database=database, people=people)


def migrated(folder: Path, engine: str) -> Database:
    """A new database of this version's schema, without any rows."""
    if engine == "sqlite":
        database = folder / "template.db"
        upgrade(url_of(database))
        return database
    server = postgres_server()
    name = server.create()
    upgrade(server.url(name), migrate_url=server.url(name, ADMIN))
    return OnPostgres(server=server, name=name)


def _in_thread(work: Callable[[], Any]) -> Any:
    """Run a coroutine function to its end in a thread without an event loop."""
    result: list[Any] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            result.append(asyncio.run(work()))
        except BaseException as error:  # raised again in the thread that waits
            failure.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return result[0]


@asynccontextmanager
async def clinic_on(
    template: Template, folder: Path, *, overrides: dict[str, Any] | None = None, **sections: Any
) -> AsyncIterator[Clinic]:
    """A copy of the template's clinic, running; ``sections`` replace those of the config."""
    with template.copied_to(folder) as database:
        async with (
            running_hub(config_for(database, **sections), **(overrides or {})) as running,
            aiohttp.ClientSession() as session,
            AsyncExitStack() as opened,
        ):
            yield Clinic(running.url, template.people, session, opened, database)
