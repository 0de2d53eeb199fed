"""SQLite's guards against overlaps refuse exactly what a search of all rows finds."""

import random
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from actors.domain.appointment import ATTENDING, LIVE, Status
from store.migrations.migrate import upgrade

STATUSES = [*Status]
QUARTER = 15 * 60 * 1_000_000
SPAN = 200
"""Quarters of an hour in which rows start: two days, so that few are free in the end."""
Row = dict[str, object]


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Without foreign keys, which do not matter here."""
    path = tmp_path / "clinic.db"
    upgrade(f"sqlite:///{path}")
    with closing(sqlite3.connect(path, isolation_level=None)) as opened:
        yield opened


@pytest.mark.parametrize("seed", range(5))
def test_guards_refuse_what_overlaps_and_nothing_else(
    seed: int, connection: sqlite3.Connection
) -> None:
    chance = random.Random(seed)
    kept: dict[object, Row] = {}
    outcomes = {True: 0, False: 0}
    for number in range(400):
        row = _row(chance, number)
        if kept and number % 3 == 0:  # changes a row that there is
            row["id"] = chance.choice([*kept])
        expected = _is_free(row, kept)
        assert _write(connection, row, is_new=row["id"] not in kept) == expected
        outcomes[expected] += 1
        if expected:
            kept[row["id"]] = row
    assert min(outcomes.values()) > 30, "both outcomes are frequent"


def _row(chance: random.Random, number: int) -> Row:
    start = chance.randrange(SPAN) * QUARTER
    return {
        "id": f"a{number}",
        "dentist_id": f"d{chance.randrange(3)}",
        "patient_id": f"p{chance.randrange(6)}",
        "starts_at": start,
        "ends_at": start + chance.choice((1, 2, 4, 96)) * QUARTER,
        "status": str(chance.choice(STATUSES)),
        "overbooked": int(chance.random() < 0.2),
    }


def _is_free(row: Row, kept: Mapping[object, Row]) -> bool:
    others = [
        each
        for each in kept.values()
        if each["id"] != row["id"]
        and int(str(each["starts_at"])) < int(str(row["ends_at"]))
        and int(str(row["starts_at"])) < int(str(each["ends_at"]))
    ]
    at_dentist = _claims_dentist(row) and any(
        _claims_dentist(each) and each["dentist_id"] == row["dentist_id"] for each in others
    )
    at_patient = row["status"] in ATTENDING and any(
        each["status"] in ATTENDING and each["patient_id"] == row["patient_id"] for each in others
    )
    return not (at_dentist or at_patient)


def _claims_dentist(row: Row) -> bool:
    return row["status"] in LIVE and not row["overbooked"]


def _write(connection: sqlite3.Connection, row: Row, *, is_new: bool) -> bool:
    """Whether the guards let it pass."""
    constants = {
        "appointment_type_id": "t",
        "buffer_before_minutes": 0,
        "buffer_after_minutes": 0,
        "expires_at": 0,
        "version": 1,
        "created_via": "patient",
        "created_at": 0,
        "updated_at": 0,
        "changed_by": "p",
        "on_behalf_of": "p",
    }
    if is_new:
        values = row | constants
        names, places = ", ".join(values), ", ".join(f":{name}" for name in values)
        sql = f"INSERT INTO appointments ({names}) VALUES ({places})"  # noqa: S608  # columns
    else:
        values = row
        changes = ", ".join(f"{name} = :{name}" for name in row)
        sql = f"UPDATE appointments SET {changes} WHERE id = :id"  # noqa: S608  # columns
    try:
        connection.execute(sql, values)
    except sqlite3.IntegrityError as error:
        if "_overlap" not in str(error):
            raise
        return False
    return True
