"""References resolve: paths and links in the documentation, and class names in the code."""

import ast
import re
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PRODUCT = ("actors", "api", "chairside", "hub", "store")
PAGES = sorted([*ROOT.glob("docs/*.md"), ROOT / "README.md", ROOT / "CHANGELOG.md"])
FOLDERS = "|".join((*PRODUCT, "deploy", "tests", "tools", "web"))
PATH = re.compile(rf"`((?:{FOLDERS})/[\w./-]*)`")
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
GENERATED = {"web/openapi.json", "web/sdk/openapi.d.ts", "web/node_modules"}

SHARED_NAMES = {
    "Appointment": "the client's form of the resource, which keeps the resource's name",
    "AppointmentType": "the same",
    "Profile": "the same",
    "Slot": "the same",
    "Position": "the client cannot import the server's, and the concept is the same",
}
"""Class names that occur twice in the product, each with its reason; at most eight."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_path_and_link_of_a_page_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    paths = {ROOT / path for path in PATH.findall(text) if path not in GENERATED}
    links = {page.parent / link for link in LINK.findall(text)}
    assert [str(path) for path in sorted(paths | links) if not path.exists()] == []


def test_a_class_name_means_one_thing_in_the_product() -> None:
    found = defaultdict(list)
    for path in (path for package in PRODUCT for path in (ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and node.name != "Meta":  # marshmallow's own word
                found[node.name].append(path.relative_to(ROOT).as_posix())
    repeated = {name: files for name, files in found.items() if len(files) > 1}
    assert set(repeated) == set(SHARED_NAMES), repeated
    assert len(SHARED_NAMES) <= 8
