"""The simulated database: SQLite in memory, with the real statements, rules and safeguards.

What a transaction does is real: the plans of ``store/commit``, the SQL, the constraints, row
security for reading and for writing. Simulated is what surrounds it: how long a request and its
answer travel, whether they arrive, whether the disk is full, and that several nodes share it. A
transaction and a read are one moment of virtual time, as if PostgreSQL had serialised them.

The table of nodes and its statements, which only PostgreSQL has, run with the few functions that
they need translated.
"""

import asyncio
import re
import sqlite3
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import cache
from itertools import count
from typing import Any, Final, Protocol, TypeVar

import sqlalchemy as sa
from sqlalchemy.pool import StaticPool

from actors.domain.principal import Principal
from actors.ports.commits import CommitFailure, StoreUnavailable
from store.postgres.nodes import Nodes, _NodeStatements
from store.sql.prepared import Statement
from store.sql.readers import NO_LOOKUP, Lookup, Readers
from store.sql.writer import Input, Job, QueuedJob, WriterContext
from store.sqlite.errors import is_temporary
from store.sqlite.file import SqliteConnection
from store.sqlite.guard import Guard
from store.sqlite.total import refuse_what_may_fail
from store.sqlite.writer import SqliteWriter, _JobResult

T = TypeVar("T")

_TIMEOUT_MS: Final = 3_600_000
_names = count(1)


class DatabaseLink(Protocol):
    """How a process reaches the database."""

    @property
    def name(self) -> str: ...

    async def request(self) -> None:
        """The time that a request takes; raises StoreUnavailable if it does not arrive."""
        ...

    async def answered(self) -> None:
        """The time that its answer takes; raises StoreUnavailable if that is lost."""
        ...

    def transact(self, run: Callable[[], T], answer: Callable[[T | CommitFailure], None]) -> None:
        """Have ``run`` called at the database, then ``answer`` with its result.

        Or with OutcomeUnknown if the answer is lost, or StoreUnavailable if nothing was sent.
        """
        ...

    def disk_is_full(self) -> bool: ...


class Watcher(Protocol):
    def committed(self, link: DatabaseLink) -> None:
        """Called in the moment of each COMMIT of that process."""
        ...


class MemoryConnection(SqliteConnection):
    """The writer's connection, whose COMMIT may fail."""

    def __init__(self, raw: sqlite3.Connection) -> None:
        self._raw = raw
        self.disk_is_full = False
        self.commits = 0

    @property
    def is_current(self) -> bool:
        return True

    def execute(self, sql: str) -> None:
        if sql == "COMMIT" and self.disk_is_full:
            super().execute("ROLLBACK")
            raise sqlite3.OperationalError("database or disk is full")
        super().execute(sql)
        self.commits += sql == "COMMIT"


class MemoryDatabase:
    """Three connections to one database: the writer's, the hub's and the callers'.

    Opened once for many runs: :meth:`reset` gives it the content of the template.
    """

    def __init__(self, template: sqlite3.Connection) -> None:
        address = f"file:simulated-{next(_names)}?mode=memory&cache=shared"
        self._template = template
        self._raws = [self._connect(address) for _ in range(3)]
        writer, hub, callers = self._raws
        template.backup(writer)
        self.writer = MemoryConnection(writer)
        self.writer.guard()
        self._hub, self._callers = _reading(hub), _reading(callers, checked=True)
        self._guard = Guard(_TIMEOUT_MS)
        self._guard.install(callers)
        self.clock: Callable[[], float] = lambda: 0.0
        """The time of the database, in seconds."""
        self.lock_is_free: Callable[[str], bool] = lambda _node: False
        """Whether no session holds the lock of a node's process; it may lie."""

    def reset(self) -> None:
        self._template.backup(self._raws[0])
        self.writer.disk_is_full = False

    def query(self, sql: str, *params: object) -> list[tuple[Any, ...]]:
        """With all rights, for the invariants."""
        return self._raws[1].execute(sql, params).fetchall()

    def script(self, sql: str) -> None:
        self._raws[0].execute(sql).close()

    def refuses_copy(self, row_id: str, column: str, value: str) -> bool:
        """Whether a second row at the same time is refused, and not for want of a right to it."""
        columns = [name for _, name, *_ in self.query("PRAGMA table_info(appointments)")]
        values = [{"id": "'copy'", column: "?"}.get(name, name) for name in columns]
        self.writer.execute("BEGIN IMMEDIATE")
        try:
            self.writer.declare([row[0] for row in self.query("SELECT id FROM profiles")])
            self._raws[0].execute(
                f"INSERT INTO appointments SELECT {', '.join(values)} FROM appointments"  # noqa: S608  # names of columns
                " WHERE id = ?",
                (value, row_id),
            ).close()
        except sqlite3.IntegrityError:
            return True
        finally:
            self.writer.execute("ROLLBACK")
        return False

    def read(self, principal: Principal | None) -> "MemoryRead":
        if principal is None:
            return MemoryRead(self._hub)
        self._guard.bind(principal)
        return MemoryRead(self._callers)

    def _connect(self, address: str) -> sqlite3.Connection:
        raw = sqlite3.connect(address, uri=True, isolation_level=None, cached_statements=1_024)
        raw.execute("PRAGMA foreign_keys = ON").close()
        raw.execute("PRAGMA temp_store = MEMORY").close()
        raw.create_function("clock_timestamp", 0, lambda: self.clock())
        raw.create_function("make_interval", 7, lambda *parts: parts[-1])
        raw.create_function("lock_is_free", 1, lambda node: self.lock_is_free(node))
        return raw


def _reading(raw: sqlite3.Connection, *, checked: bool = False) -> sa.Connection:
    engine = sa.create_engine("sqlite://", creator=lambda: raw, poolclass=StaticPool)
    if checked:

        @sa.event.listens_for(engine, "before_cursor_execute")
        def check(
            _c: object, _cursor: object, sql: str, params: Sequence[object], *_: object
        ) -> None:
            refuse_what_may_fail(sql, params)

    return engine.connect()


class MemoryRead:
    """What repositories use of SQLAlchemy's AsyncConnection; never waits."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self.dialect, self.info = connection.dialect, connection.info

    async def execute(self, statement: Any, params: Any = None) -> sa.CursorResult[Any]:
        return self._connection.execute(statement, params, execution_options=_BUFFERED)

    async def exec_driver_sql(self, sql: str, params: Any = None) -> sa.CursorResult[Any]:
        return self._connection.exec_driver_sql(sql, params, execution_options=_BUFFERED)

    def end(self) -> None:
        self._connection.rollback()


_BUFFERED: Final = {"prebuffer_rows": True}


class SimulatedReaders(Readers):
    """Reads of one process: each is one moment, some time after it was requested."""

    def __init__(self, database: MemoryDatabase, link: DatabaseLink) -> None:
        self._database, self._link = database, link

    def caller(self, principal: Principal) -> Any:
        return self._read(principal)

    def hub(self, lookup: Lookup = NO_LOOKUP) -> Any:
        return self._read(None)

    @asynccontextmanager
    async def _read(self, principal: Principal | None) -> AsyncIterator[MemoryRead]:
        await self._link.request()
        reading = self._database.read(principal)
        try:
            yield reading
        except sa.exc.DBAPIError as error:
            if is_temporary(error.orig):
                raise StoreUnavailable(str(error.orig)) from error
            raise
        finally:
            reading.end()
        await self._link.answered()


class SimulatedWriter(SqliteWriter):
    """The writer of SQLite without its thread: the same batches, savepoints and failures.

    One transaction of a process is under way at a time; others wait, as they do for the thread.
    """

    def __init__(
        self,
        database: MemoryDatabase,
        link: DatabaseLink,
        context: WriterContext,
        watcher: Watcher,
    ) -> None:
        self._database, self._link, self._watcher = database, link, watcher
        self._context = context
        self._loop = asyncio.get_running_loop()
        self._queue = deque()
        self._changed = _NoLock()  # type: ignore[assignment]  # there is no thread
        self._closing = self._busy = False
        self._idle = asyncio.Event()
        self._idle.set()

    async def run(self, job: Job[Input, T]) -> T:
        self._context.admit(len(self._queue), closing=self._closing)
        future: asyncio.Future[T] = self._loop.create_future()
        self._queue.append(QueuedJob(job, future))
        self._idle.clear()
        if not self._busy:
            self._busy = True
            # As for a thread, others may queue their jobs before it takes them.
            self._loop.call_soon(self._next)
        return await future

    async def close(self) -> None:
        self._closing = True
        await self._idle.wait()

    def _next(self) -> None:
        if not self._queue:
            self._busy = False
            self._idle.set()
            return
        groups = self._take()
        batch = [queued for group in groups for queued in group]
        began_s = self._context.clock.monotonic()

        def run() -> Any:
            return self._at_database([[queued.job for queued in group] for group in groups])

        def answer(results: Any) -> None:
            if isinstance(results, CommitFailure):
                failure = type(results)
                results = [_JobResult(failure=failure(str(results))) for _ in batch]
            self._finish(batch, results, self._context.clock.monotonic() - began_s)
            self._loop.call_soon(self._next)

        self._link.transact(run, answer)

    def _at_database(self, groups: Any) -> Any:
        connection = self._database.writer
        connection.disk_is_full = self._link.disk_is_full()
        commits = connection.commits
        results = self._transact(groups)
        if connection.commits > commits:
            self._watcher.committed(self._link)
        return results

    def _connected(self) -> SqliteConnection:
        return self._database.writer

    def _drop_connection(self) -> None:
        if self._database.writer.in_transaction:
            self._database.writer.execute("ROLLBACK")


class _NoLock:
    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


# --- the table of nodes ---------------------------------------------------------------


def simulated_nodes(writer: SimulatedWriter) -> Nodes:
    nodes = Nodes.__new__(Nodes)
    nodes._writer, nodes._sql = writer, _node_statements()
    return nodes


@cache
def _node_statements() -> _NodeStatements:
    statements = _NodeStatements()
    for each in vars(statements).values():
        if isinstance(each, Statement):
            for pattern, replacement in _TRANSLATIONS:
                each.sql = re.sub(pattern, replacement, each.sql)
    return statements


_TRANSLATIONS: Final = (
    (
        r"extract\(epoch FROM lease_until - clock_timestamp\(\)\)::float8",
        "lease_until - clock_timestamp()",
    ),
    (r"pg_try_advisory_xact_lock_shared\(\d+, hashtext\((nodes\.id)\)\)", r"lock_is_free(\1)"),
    (r"\$(\d+)::[A-Z]+", r"?\1"),
    (r" FOR UPDATE( SKIP LOCKED)?", ""),
)
