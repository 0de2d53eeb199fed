"""The wheel contains the built pages and all their files."""

import fnmatch
import json
import tomllib
from pathlib import Path

import pytest

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
