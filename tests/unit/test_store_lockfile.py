"""Only one hub may use a database file."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from store.sql.lockfile import DatabaseInUse, exclusive

HOLD = """
import sys
from pathlib import Path
from store.sql.lockfile import exclusive
with exclusive(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_hub_is_refused_with_the_name_of_the_first(tmp_path: Path) -> None:
    database = tmp_path / "clinic.db"
    with (
        exclusive(database),
        pytest.raises(DatabaseInUse, match=f"pid {os.getpid()} on ") as caught,
        exclusive(database),
    ):
        pass
    assert str(database) in str(caught.value)
    with exclusive(database):
        pass


def test_another_process_is_named_and_its_end_releases_the_lock(tmp_path: Path) -> None:
    database = tmp_path / "clinic.db"
    command = [sys.executable, "-c", HOLD, str(database)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(DatabaseInUse, match=f"pid {other.pid} on "), exclusive(database):
            pass
        other.kill()
    with exclusive(database):
        pass


def test_other_databases_are_not_locked(tmp_path: Path) -> None:
    with exclusive(tmp_path / "one.db"), exclusive(tmp_path / "two.db"):
        pass
