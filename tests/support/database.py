"""Looking into the hub's database from outside, and disturbing it."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any


def rows(database: Path, sql: str, *parameters: Any) -> list[dict[str, Any]]:
    """What is committed, read by a connection of our own."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(sql, parameters)]


def execute(database: Path, *statements: str) -> None:
    """Change the file behind the hub's back, in one transaction."""
    with closing(sqlite3.connect(database, timeout=10, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        for statement in statements:
            connection.execute(statement)
        connection.execute("COMMIT")
