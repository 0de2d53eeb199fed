"""Waits until a process listens on a port, without an event loop."""

import socket
import time
from collections.abc import Callable
from pathlib import Path

START_S = 15.0


def wait_for_port(port: int, lives: Callable[[], bool], log: Path) -> None:
    """Raises RuntimeError with the log if the process ended, or does not listen in time."""
    deadline = time.monotonic() + START_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1.0).close()
        except OSError:
            if not lives() or time.monotonic() > deadline:
                raise RuntimeError(log.read_text()[-3000:]) from None
            time.sleep(0.02)
        else:
            return
