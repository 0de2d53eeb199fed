"""Row-level security of one SQLite connection: views in the tables' places, and a guard.

SQLite has no row policies. What it has, put together, is one: the TEMP view that stands in
a table's place reads from a second view, whose name nobody can guess and whose condition is
the table's rule; the authorizer, asked while a statement is compiled, lets a base table be
read from inside that second view only. (It is told the innermost FROM term it stands in,
and a common table expression may be called anything: a known name would fool it.)

Conditions of the statement itself may run before those of the rule. Nothing that callers
may call can fail depending on a row's content, so nothing can be learned from errors.
"""

import secrets
import sqlite3
from collections.abc import Mapping

from actors.domain.principal import Principal
from store.sql.read_only import only_reads
from store.sql.schema import metadata
from store.sqlite.rules import CURRENT_PRINCIPAL, RULES, Rule, facts

_FUNCTIONS = frozenset(
    {"avg", "coalesce", "count", "ifnull", "instr", "length", "lower", "max", "min"}
    | {"nullif", "substr", "sum", "total", "trim", "typeof", "upper"}
)
"""None of them fails, reads a file or knows the schema, whatever its arguments hold."""


class Guard:
    """Restricts one connection for good, and knows on whose behalf it reads now."""

    def __init__(self) -> None:
        self._facts: Mapping[str, str] = {}
        self._token = secrets.token_hex(16)
        self._views = {table: f"{table}_{self._token}" for table in RULES}
        self._inner = {inner: table for table, inner in self._views.items()}
        self._shown = {*self._views, *self._inner}

    def bind(self, principal: Principal | None, exact: str | None = None) -> None:
        """From now on the rows of ``principal``; of nobody if there is none.

        ``exact`` is an e-mail or a phone that they know, see :func:`facts`.
        """
        self._facts = facts(principal, exact)

    def install(self, raw: sqlite3.Connection) -> None:
        """Shut the connection; nothing opens it again. Runs in the connection's thread."""
        raw.create_function(CURRENT_PRINCIPAL, 1, self._current_principal, deterministic=False)
        raw.execute("PRAGMA temp_store = MEMORY").close()  # first: it drops what is TEMP
        for table, rule in RULES.items():
            for view in _views(table, self._views[table], rule):
                raw.execute(view).close()
        made = raw.execute("SELECT name FROM sqlite_temp_master WHERE type = 'view'")
        assert {name for (name,) in made} == self._shown, "every table has its views"
        raw.execute("PRAGMA query_only = ON").close()
        raw.set_authorizer(self._authorize)

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
                mine = name == CURRENT_PRINCIPAL and within in self._inner
                allowed = mine or name in _FUNCTIONS
        return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY

    def _may_read(self, table: str, database: str | None, within: str | None) -> bool:
        """Views by anybody, base tables by the unguessable ones.

        Without a database it is the name of a FROM term of which no column is read; such a
        name means the TEMP view, which comes before a table of the same name.
        """
        if database in (None, "temp"):
            return table.lower() in self._shown
        return database == "main" and within in self._inner and table in RULES


def refuse_other_than_reading(sql: str) -> None:
    """EXPLAIN is nothing that an authorizer is asked about, and it shows names of views.

    Raises ``sqlite3.DatabaseError``, as the authorizer's refusals do.
    """
    if not only_reads(sql):
        raise sqlite3.DatabaseError("not authorized: callers may only SELECT")


def _views(table: str, inner: str, rule: Rule) -> tuple[str, str]:
    """Names are qualified: a common table expression cannot take their place."""
    columns = _columns(table)
    shown = ", ".join(_shown(column, rule) for column in columns)
    named = ", ".join(f'"{column}"' for column in columns)
    head = f'CREATE TEMP VIEW "{inner}" ({named}) AS'
    source = f'main."{table}" AS "{table}"'
    return (
        f"{head} SELECT {shown} FROM {source} WHERE {rule.rows}",  # noqa: S608  # our own names
        f'CREATE TEMP VIEW "{table}" AS SELECT * FROM temp."{inner}"',  # noqa: S608  # ours
    )


def _columns(table: str) -> list[str]:
    if table == "alembic_version":
        return ["version_num"]
    return [column.name for column in metadata.tables[table].columns]


def _shown(column: str, rule: Rule) -> str:
    condition = rule.columns.get(column)
    return f'CASE WHEN {condition} THEN "{column}" END' if condition else f'"{column}"'
