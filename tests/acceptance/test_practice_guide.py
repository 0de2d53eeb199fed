"""Runs docs/practice.md from its first to its last example, on an empty database."""

from pathlib import Path

import pytest

from tests.support.database import url_of
from tests.support.guide import agrees, run_guide
from tests.support.postgres import ADMIN
from tests.support.running import migrated


@pytest.mark.parametrize("engine", ["sqlite", pytest.param("postgres", marks=pytest.mark.long)])
@pytest.mark.timeout(300)  # a dozen processes
async def test_the_guide_founds_and_runs_a_practice(tmp_path: Path, engine: str) -> None:
    database = migrated(tmp_path, engine)
    variables = {"CHAIRSIDE_DATABASE_URL": url_of(database)}
    if not isinstance(database, Path):
        variables["CHAIRSIDE_DATABASE_MIGRATE_URL"] = database.server.url(database.name, ADMIN)
    assert await run_guide("docs/practice.md", tmp_path, **variables) >= 9


@pytest.mark.parametrize(
    ("expected", "found", "same"),
    [
        ({"id": "…", "n": 1}, {"id": "a", "n": 1}, True),
        ({"id": "…", "n": 1}, {"id": "a", "n": 2}, False),
        ({"id": "…"}, {"id": "a", "n": 1}, False),
        ({"id": "…", "…": "…"}, {"id": "a", "n": 1}, True),
        ({"n": 1, "…": "…"}, {"id": "a"}, False),
        ([1, "…"], [1, 2, 3], True),
        ([1, "…"], [2, 2, 3], False),
        ([1], [1, 2], False),
        ("staff  …", "staff  01a2", True),
        ("staff  …", "dentist  01a2", False),
        (None, "", False),
    ],
)
def test_what_a_guide_leaves_out_may_be_anything(
    expected: object, found: object, same: bool
) -> None:
    assert agrees(expected, found) is same
