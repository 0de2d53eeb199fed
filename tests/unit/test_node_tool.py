"""``tools/node.py`` finds a recent Node, and installs packages when their lock changed."""

import stat
from pathlib import Path

import pytest

from tools import node as tool


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder in the path; there is no virtual environment."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(tool, "VENV", tmp_path / "venv")
    return folder


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "package"
    folder.mkdir()
    (folder / "package-lock.json").write_text("{}")
    return folder


def script(path: Path, body: str) -> None:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def machine_with(programs: Path, version: str, npm: str = "exit 0") -> None:
    script(programs / "node", f"echo {version}")
    script(programs / "npm", npm)


def test_a_recent_node_in_the_path_is_used(programs: Path) -> None:
    machine_with(programs, "v20.19.0")
    found = tool.find_node()
    assert (found.node, found.version) == (programs / "node", (20, 19, 0))


@pytest.mark.parametrize("version", ["v18.20.1", "v20.18.3", "v21.7.0", "v22.11.0", "nonsense"])
def test_an_unsupported_node_is_refused_with_the_needed_version(
    programs: Path, version: str
) -> None:
    machine_with(programs, version)
    with pytest.raises(tool.NodeError, match=r"Node 20\.19 or newer"):
        tool.find_node()


def test_a_node_without_npm_is_refused(programs: Path) -> None:
    script(programs / "node", "echo v24.0.0")
    with pytest.raises(tool.NodeError):
        tool.find_node()


def test_the_node_of_the_wheel_is_used_if_it_is_installed(programs: Path) -> None:
    machine_with(programs, "v18.0.0")
    wheels = tool.VENV / "node"
    wheels.mkdir(parents=True)
    machine_with(wheels, "v24.19.0")
    found = tool.find_node()
    assert found.node == wheels / "node"
    assert found.environment()["PATH"].startswith(f"{wheels}:"), "scripts use it too"


def test_packages_are_installed_when_their_lock_has_changed(programs: Path, package: Path) -> None:
    machine_with(programs, "v24.0.0", 'echo "$1" >> calls')
    lock, calls = package / "package-lock.json", package / "calls"
    tool.install(package)
    tool.install(package)
    assert calls.read_text() == "ci\n"
    lock.write_text('{"changed": true}')
    tool.install(package)
    assert calls.read_text() == "ci\nci\n"


def test_a_failed_installation_is_repeated(programs: Path, package: Path) -> None:
    machine_with(programs, "v24.0.0", "exit 1")
    with pytest.raises(tool.NodeError, match="npm ci failed"):
        tool.install(package)
    machine_with(programs, "v24.0.0", "echo done > calls")
    tool.install(package)
    assert (package / "calls").exists()


def test_the_command_line_reports_errors_and_exit_codes(
    programs: Path, package: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tool.main(["install", str(package)]) == 1
    assert "Node 20.19 or newer is needed" in capsys.readouterr().err
    machine_with(programs, "v24.0.0", '[ "$1" = ci ] || exit 7')
    assert tool.main(["where"]) == 0
    assert capsys.readouterr().out == f"{programs / 'node'} 24.0.0\n"
    assert tool.main(["run", str(package), "test"]) == 7, "the exit code of the script"
    assert tool.main([]) == 2
    assert "install DIR" in capsys.readouterr().err
