"""``docs/requirements.md`` lists all 49 criteria, each with its test files."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/requirements.md"
ROW = re.compile(r"^\| (\d+\.\d+) \|.*\| (.*) \|$", re.MULTILINE)
CRITERIA = {1: 5, 2: 5, 3: 3, 4: 7, 5: 5, 6: 4, 7: 5, 8: 4, 9: 6, 10: 5}


def linked_files() -> dict[str, list[str]]:
    """The test files that the page links for each criterion."""
    rows = ROW.findall(PAGE.read_text(encoding="utf-8"))
    return {number: re.findall(r"\]\(\.\./([^)]+)\)", links) for number, links in rows}


def files_by_criterion() -> dict[str, set[str]]:
    """The files whose test names contain each criterion's number."""
    found: dict[str, set[str]] = {}
    for folder in ("acceptance", "browser", "contract"):
        for path in (ROOT / "tests" / folder).glob("test_*.py"):
            for name in re.findall(r"def (test_\w+)", path.read_text(encoding="utf-8")):
                for group, row in re.findall(r"(?<![a-z0-9])r(\d+)_(\d+)", name):
                    file = path.relative_to(ROOT).as_posix()
                    found.setdefault(f"{group}.{row}", set()).add(file)
    return found


def test_all_49_criteria_are_listed() -> None:
    expected = [f"{group}.{row}" for group, last in CRITERIA.items() for row in range(1, last + 1)]
    assert list(linked_files()) == expected
    assert len(expected) == 49


def test_every_criterion_links_exactly_its_test_files() -> None:
    assert {number: set(files) for number, files in linked_files().items()} == files_by_criterion()
