"""Filters of postgres_changes give the answers of PostgreSQL, or are refused at the join.

PostgreSQL evaluates each condition as Supabase Realtime has it evaluated: value and operand are
cast to the type of the column (``realtime.check_equality_op``).
"""

import random
from collections.abc import Callable, Iterator
from typing import Any

import asyncpg
import pytest

from api.realtime.supabase.columns import InvalidFilter
from api.realtime.supabase.filters import parse_filter
from tests.support.postgres import ADMIN, postgres_server

COLUMNS = {"text": "notes", "int4": "version", "bool": "overbooked", "timestamptz": "start"}
OPERATORS = {
    "eq": "=",
    "neq": "!=",
    "lt": "<",
    "gte": ">=",
    "like": "LIKE",
    "ilike": "ILIKE",
    "match": "~",
    "imatch": "~*",
    "isdistinct": "IS DISTINCT FROM",
}
REFUSED = "refused"
Sql = Callable[[str], Any]

TEXTS = ["", "a", "aB", "aä", "Ä ß", "a.b\nc", "1_2", "a-b", "{1,2}", "_", " \t", "%", "\\", "]^"]
ATOMS = [
    *"abAB01_-.,;äÄß \n%*+?|^$.(){}[]",
    *(r"\d", r"\w", r"\s", r"\D", r"\W", r"\S", r"\.", r"\\", r"\x41", r"\u00e4", r"\A", r"\Z"),
    *("[a-b]", "[^a]", "[]a]", "[a-]", "[[:alpha:]]", "[^[:upper:]]", r"[\w-]", "[[.a.]]"),
    *("(a|b)", "(?:ab)+", "{1,2}", "{2}", "{,3}", "*?", "(?i)", "(?=a)", r"\1", r"\y", r"\b"),
]


@pytest.fixture(scope="module")
def sql() -> Iterator[Sql]:
    """Evaluates one expression; what PostgreSQL refuses is :data:`REFUSED`."""
    server = postgres_server()
    connection = server.loop.run(asyncpg.connect(server.url("postgres", ADMIN), timeout=10))
    server.loop.run(connection.execute("SET TIME ZONE 'UTC'"))

    def evaluate(expression: str) -> Any:
        try:
            return server.loop.run(connection.fetchval(f"SELECT {expression}"))
        except asyncpg.PostgresError:
            return REFUSED

    yield evaluate
    server.loop.run(connection.close())


def quoted(text: str | None) -> str:
    if text is None:
        return "NULL"
    return "E'" + text.replace("\\", "\\\\").replace("'", "''").replace("\n", "\\n") + "'"


def of_postgres(sql: Sql, type: str, value: str | None, operator: str, operand: str) -> Any:
    left = f"{quoted(value)}::{type}"
    if type == "text":
        left += ' COLLATE "pg_unicode_fast"'
    if operator == "in":
        return sql(f"{left} = ANY({quoted('{' + operand + '}')}::{type}[])")
    return sql(f"{left} {OPERATORS[operator]} {quoted(operand)}::{type}")


def of_filter(type: str, value: object, operator: str, operand: str) -> Any:
    """True, False, ``None`` for unknown, or :data:`REFUSED`."""
    column = COLUMNS[type]
    sent = f"({operand})" if operator == "in" else _in_quotes(operand)
    try:
        plain = parse_filter(f"{column}={operator}.{sent}")
        negated = parse_filter(f"{column}=not.{operator}.{sent}")
    except InvalidFilter:
        return REFUSED
    row = {column: value}
    assert not (plain(row) and negated(row))
    return True if plain(row) else False if negated(row) else None


def _in_quotes(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def test_patterns_match_what_postgresql_matches(sql: Sql) -> None:
    choose, compared = random.Random(7), 0
    for _ in range(400):
        pattern = "".join(choose.choices(ATOMS, k=choose.randint(1, 5)))
        text, operator = choose.choice(TEXTS), choose.choice(("match", "imatch", "like", "ilike"))
        ours = of_filter("text", text, operator, pattern)
        if ours != REFUSED:
            assert ours == of_postgres(sql, "text", text, operator, pattern), (pattern, text)
            compared += 1
    assert compared > 250


@pytest.mark.parametrize(
    ("type", "values", "operands"),
    [
        ("text", ("a", "B", "", "null", None), ("a", "B", "", "null", " a")),
        ("int4", (3, -1, None), ("3", " +3 ", "-1", "003", "3.0", "x", "", "2147483648")),
        ("bool", (True, False, None), ("t", "TRUE", "of", "on", " y ", "0", "o", "2", "yess")),
        (
            "timestamptz",
            ("2027-03-08T09:00:00Z", None),
            (
                "2027-03-08",
                "2027-03-08T10:00:00+01:00",
                "2027-03-08 09:00",
                "2027-03-08t09:00z",
                "2027-03-08 09:00:00.5+00",
                "2027-03-08 10:30:00 +0130",
                "2027-02-30",
                "many",
            ),
        ),
    ],
)
def test_values_compare_as_in_postgresql(
    sql: Sql, type: str, values: tuple[Any, ...], operands: tuple[str, ...]
) -> None:
    for value in values:
        shown = value if value is None else str(value)
        for operator in ("eq", "neq", "lt", "gte", "isdistinct"):
            for operand in operands:
                expected = of_postgres(sql, type, shown, operator, operand)
                assert of_filter(type, value, operator, operand) == expected, (operator, operand)


@pytest.mark.parametrize(
    "operand",
    [
        "a,b",
        " a , b ",
        '"a",b',
        'a b,"c"',
        '"a,b"',
        "a\\,b",
        "a\\ ",
        '"a\\"b"',
        "null,b",
        "NULL,a",
        '"null"',
        "n\\ull",
        'x,""',
        "a,,b",
        "a,",
        'a"b"',
        '"a"b',
        '"a',
        "a}",
        "a\\",
    ],
)
def test_lists_are_read_as_arrays_of_postgresql(sql: Sql, operand: str) -> None:
    for value in ("a", "b", "a,b", "a ", 'a"b', "null", "", "a b", None):
        expected = of_postgres(sql, "text", value, "in", operand)
        assert of_filter("text", value, "in", operand) == expected, (value, operand)
