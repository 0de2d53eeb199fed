"""One hub for a database file: an exclusive lock on ``<database>.lock``.

The kernel holds the lock, and releases it when the process ends. The content of the file only
names the holder.
"""

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_OWNER_ONLY = 0o600


class DatabaseInUse(Exception):
    """Another process has the database open as its hub; the message names it."""


@contextmanager
def exclusive(database: Path) -> Iterator[None]:
    """Hold the lock inside the block. Raises :class:`DatabaseInUse` at once, never waits."""
    lock = database.with_name(database.name + ".lock")
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _OWNER_ONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(descriptor, 256, 0).decode(errors="replace").strip()
            raise DatabaseInUse(
                f"{database} is in use by another hub: {holder or 'unknown process'}"
            ) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"pid {os.getpid()} on {socket.gethostname()}\n".encode(), 0)
        try:
            yield
        finally:
            os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)
