"""The servers as processes on a core of their own, and what they cost."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

from tests.benchmarks.fanout.crowd import Crowd
from tests.support.process import ROOT
from tests.support.tokens import token
from tools.node import install

_NODE = Path(__file__).parent / "node"


@dataclass(frozen=True, slots=True)
class Contestant:
    name: str
    command: Callable[[], Sequence[str]]


def _python(module: str) -> Callable[[], Sequence[str]]:
    return lambda: (sys.executable, "-m", f"tests.benchmarks.fanout.{module}")


def _node() -> Sequence[str]:
    return (str(install(_NODE).node), str(_NODE / "server.mjs"))


HUB = Contestant("this hub", _python("hub_server"))
STOCK = Contestant("python-socketio", _python("stock_server"))
NODE = Contestant("Node socket.io", _node)
FLOOR = Contestant("bare writes", _python("floor_server"))
ALL = (HUB, NODE, STOCK, FLOOR)


class Ports(TypedDict):
    port: int
    control: int


class Server:
    """A contestant that runs; ``crowd`` are its clients."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], ports: Ports) -> None:
        self.name, self._process, self.ports = name, process, ports
        self.crowd = self.new_crowd()

    def new_crowd(self, **options: Any) -> Crowd:
        """Clients of their own; the caller closes them."""
        auth = {"token": token("patient", "a patient of the benchmark")}
        return Crowd(**self.ports, auth=auth, **options)

    def cpu_s(self) -> float:
        """Processor time so far, of all its threads, to the nanosecond."""
        threads = Path(f"/proc/{self._process.pid}/task").glob("*/schedstat")
        return sum(int(each.read_text().split()[0]) for each in threads) / 1e9

    def memory_bytes(self) -> int:
        pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def running(contestant: Contestant) -> Iterator[Server]:
    """Started on the first core this process may use; the crowd belongs on the last."""
    process, ready = _started(contestant.command())
    try:
        if not ready:
            raise RuntimeError(f"{contestant.name} did not start")
        server = Server(contestant.name, process, json.loads(ready))
        try:
            yield server
        finally:
            server.crowd.close()
    finally:
        process.kill()
        process.wait()


def _started(command: Sequence[str]) -> tuple[subprocess.Popen[bytes], str]:
    """The process, and its ready message: empty if it never starts."""
    mine = os.sched_getaffinity(0)
    reader, writer = os.pipe()
    os.sched_setaffinity(0, {min(mine)})
    try:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "READY_FD": str(writer)},
            pass_fds=(writer,),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    finally:
        os.sched_setaffinity(0, mine)
        os.close(writer)
    with os.fdopen(reader) as ready:
        return process, ready.readline()
