"""The PostgreSQL server of the tests ends with them and removes its files."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.eventually import eventually

_STARTED = """
import sys, time
from tests.support.postgres import PostgresServer
server = PostgresServer()
server.start()
print(server._process.pid, server._folder, flush=True)
time.sleep(60) if sys.argv[1] == "wait" else None
"""


def gone(pid: str, folder: str) -> bool:
    """Whether process and folder are gone; a zombie process counts as gone."""
    listed = subprocess.run(["ps", "-o", "stat=", "-p", pid], capture_output=True, check=False)
    return listed.stdout.strip()[:1] in (b"", b"Z") and not Path(folder).exists()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, None])
async def test_a_server_ends_with_the_tests_that_started_it(how: signal.Signals | None) -> None:
    with subprocess.Popen(  # noqa: ASYNC220  # blocks briefly, while no other task runs
        [sys.executable, "-c", _STARTED, "wait" if how else "end"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as tests:
        assert tests.stdout
        pid, folder = tests.stdout.readline().split()
        if how:
            assert not gone(pid, folder)
            tests.send_signal(how)
    assert await eventually(lambda: gone(pid, folder), 10.0)
