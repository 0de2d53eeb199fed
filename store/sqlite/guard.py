"""Row security of a SQLite connection: views in place of the tables, and an authorizer.

SQLite has no row policies, so they are built from two things. In place of each table stands a
TEMP view. It reads from an inner view, which has an unguessable name and the rule of the table
as its condition. The authorizer, called while a statement is compiled, allows a base table to
be read only inside an inner view. (The authorizer gets the name of the innermost FROM term, and
a common table expression may have any name: a name that can be guessed would deceive it.)

Conditions of the caller's statement may be evaluated before those of the rule. Therefore
callers may only use functions that never fail, so that errors reveal nothing; what else may
fail is refused in ``store/sqlite/total.py``.
"""

import secrets
import sqlite3
import time
from collections.abc import Mapping

from actors.domain.principal import Principal
from store.sql.schema import metadata, realtime_events
from store.sqlite.rules import CURRENT_PRINCIPAL, RULES, Rule, facts
from store.sqlite.total import limit_sizes

_FUNCTIONS = frozenset(
    {"avg", "coalesce", "count", "ifnull", "instr", "length", "lower", "max", "min"}
    | {"nullif", "substr", "total", "trim", "typeof", "upper"}
)
"""With no arguments do they fail, read a file or show the schema (``sum`` can overflow)."""
_MAIN = 'main."{}"'
_STEPS_BETWEEN_CHECKS = 100_000
"""Instructions of SQLite between two looks at the clock: a few milliseconds."""


class Guard:
    """Restricts a connection for good, and knows the principal that it reads for now."""

    def __init__(self, timeout_ms: int) -> None:
        self._facts: Mapping[str, str] = {}
        self._timeout_s = timeout_ms / 1_000
        self._deadline = 0.0
        self._token = secrets.token_hex(16)
        self._views = {table: f"{table}_{self._token}" for table in RULES}
        self._inner = {inner: table for table, inner in self._views.items()}
        self._shown = {*self._views, *self._inner}

    def bind(self, principal: Principal | None) -> None:
        """Show the rows of ``principal``; none without a principal."""
        self._facts = facts(principal)
        self._deadline = time.monotonic() + self._timeout_s

    def install(self, raw: sqlite3.Connection) -> None:
        """Restrict the connection, irrevocably. Runs in the connection's thread."""
        raw.create_function(CURRENT_PRINCIPAL, 1, self._current_principal, deterministic=False)
        raw.execute("PRAGMA temp_store = MEMORY").close()  # first: it drops all TEMP things
        for table, rule in RULES.items():
            for view in _views(table, self._views[table], rule):
                raw.execute(view).close()
        made = raw.execute("SELECT name FROM sqlite_temp_master WHERE type = 'view'")
        assert {name for (name,) in made} == self._shown, "every table has its views"
        raw.execute("PRAGMA query_only = ON").close()
        limit_sizes(raw)
        raw.set_progress_handler(self._is_overdue, _STEPS_BETWEEN_CHECKS)
        raw.set_authorizer(self._authorize)

    def _is_overdue(self) -> bool:
        """Whether the transaction has taken too long; SQLite then interrupts the statement."""
        return time.monotonic() > self._deadline

    def _current_principal(self, name: object) -> str | None:
        return self._facts.get(name) if isinstance(name, str) else None

    def _authorize(
        self,
        action: int,
        first: str | None,
        second: str | None,
        database: str | None,
        within: str | None,
    ) -> int:
        allowed = False
        match action:
            case sqlite3.SQLITE_SELECT | sqlite3.SQLITE_TRANSACTION:
                allowed = True
            case sqlite3.SQLITE_READ:
                allowed = self._may_read(first or "", database, within)
            case sqlite3.SQLITE_FUNCTION:
                name = (second or "").lower()
                own = name == CURRENT_PRINCIPAL and within in self._inner
                allowed = own or name in _FUNCTIONS
        return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY

    def _may_read(self, table: str, database: str | None, within: str | None) -> bool:
        """Views may always be read, base tables only inside inner views.

        ``database`` is ``None`` for a FROM term of which no column is read. Its name means the
        TEMP view, which precedes a table of the same name.
        """
        if database in (None, "temp"):
            return table.lower() in self._shown
        return database == "main" and within in self._inner and table in RULES


def _views(table: str, inner: str, rule: Rule) -> tuple[str, str]:
    """Names are qualified, so a common table expression cannot replace them."""
    columns = _columns(table)
    shown = ", ".join(_shown(column, rule) for column in columns)
    named = ", ".join(f'"{column}"' for column in columns)
    head = f'CREATE TEMP VIEW "{inner}" ({named}) AS'
    source = f'{rule.source or _MAIN.format(table)} AS "{table}"'
    return (
        f"{head} SELECT {shown} FROM {source} WHERE {rule.rows}",  # noqa: S608  # our own names
        f'CREATE TEMP VIEW "{table}" AS SELECT * FROM temp."{inner}"',  # noqa: S608  # ours
    )


def _columns(table: str) -> list[str]:
    if table == "alembic_version":
        return ["version_num"]
    found = realtime_events if table == realtime_events.name else metadata.tables[table]
    return [column.name for column in found.columns]


def _shown(column: str, rule: Rule) -> str:
    condition = rule.columns.get(column)
    return f'CASE WHEN {condition} THEN "{column}" END' if condition else f'"{column}"'
