"""The wheel contains the built pages and all their files."""

import fnmatch
import json
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from api.rest.pages import SCREENS
from hub import __version__

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "name", ["dentist.html", "dentist.html.br", "dentist-x.js", "dentist-x.js.gz", "dentist-x.css"]
)
def test_every_kind_of_file_of_the_built_pages_is_package_data(name: str) -> None:
    """To setuptools, folders without Python files are (namespace) packages too."""
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    tool = pyproject["tool"]["setuptools"]
    assert any(fnmatch.fnmatch(name, pattern) for pattern in tool["package-data"]["*"])
    assert any(
        fnmatch.fnmatch("api.pages.built.assets", pattern)
        for pattern in tool["packages"]["find"]["include"]
    )


def test_the_browser_sdk_has_the_version_of_the_hub() -> None:
    package = json.loads((ROOT / "web/sdk/package.json").read_text(encoding="utf-8"))
    assert package["version"] == __version__


# --- the screens in the wheel ------------------------------------------------------------


def build(folder: Path, *, screens: bool) -> "subprocess.CompletedProcess[str]":
    """Collect what a wheel contains, from a copy of the project, as setuptools does it."""
    pytest.importorskip("setuptools", minversion="77")
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    for name in ("hub", "api"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("built"))
    if screens:
        (folder / "api/pages/built/assets").mkdir(parents=True)
        (folder / "api/pages/built/assets/a.js").write_text("1")
        for name in SCREENS:
            (folder / f"api/pages/built/{name}.html").write_text("<!doctype html>")
    return subprocess.run(
        [sys.executable, "setup.py", "--quiet", "build_py", "--build-lib", "out"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_wheel_without_screens_is_refused_with_the_remedy(tmp_path: Path) -> None:
    done = build(tmp_path, screens=False)
    assert done.returncode != 0
    assert "make web" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_wheel_contains_the_built_screens(tmp_path: Path) -> None:
    done = build(tmp_path, screens=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out/api/pages/built/status.html").is_file()
    assert (tmp_path / "out/api/pages/built/assets/a.js").is_file()
