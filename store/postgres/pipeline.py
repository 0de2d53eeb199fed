"""A connection that executes many statements in one round trip: libpq's pipeline mode.

psycopg opens the connection and decodes rows. Its own pipelines take a coroutine, a cursor and a
lock for each statement: 640 us of processor time for a small commit, which takes 240 us here
(``tests/benchmarks/bench_pipeline.py``).
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from struct import Struct
from typing import Any

import psycopg
from psycopg.adapt import Buffer, Loader, Transformer
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, ExecStatus, Format, PipelineStatus
from psycopg.pq.abc import PGresult

from store.postgres.parameters import encoder_of
from store.sql.prepared import Rows

Call = tuple[str, Sequence[object]]
"""A statement, and the values of its parameters."""

_SUCCEEDED = (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK)


class Pipeline:
    """Executes calls on one connection, in order; used by one task at a time.

    Raises ``psycopg.Error`` as the server reports it. When the connection is lost, silent, or
    a call is cancelled, it is closed.
    """

    def __init__(
        self, connection: psycopg.AsyncConnection[Any], *, silence_s: float, prepares: bool
    ) -> None:
        """``silence_s``: how long an answer may take before the connection is given up."""
        connection.adapters.register_loader("timestamptz", _InstantLoader)
        self._connection = connection
        self._raw = connection.pgconn
        self._socket = self._raw.socket
        self.is_closed = False
        self._silence_s = silence_s
        self._prepares = prepares
        self._names: dict[str, bytes] = {}
        """Of the statements that the server has prepared."""
        self._rows = Transformer(connection)
        self._results: list[PGresult] = []
        self._answered: asyncio.Future[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket, self._receive)

    async def execute(self, calls: Sequence[Call]) -> list[Rows]:
        """Execute all in one round trip, up to the first that fails."""
        encoded = [encoder_of(sql)(values) for sql, values in calls]
        self._raw.enter_pipeline_mode()
        fresh: dict[str, bytes] = {}
        expected: list[str | None] = []
        """For each result the statement that was prepared, or None for one that was executed."""
        for (sql, _), values in zip(calls, encoded, strict=True):
            if self._prepares and sql not in self._names and sql not in fresh:
                fresh[sql] = f"hub_{len(self._names) + len(fresh)}".encode()
                self._raw.send_prepare(fresh[sql], sql.encode())
                expected.append(sql)
            self._send(sql, fresh.get(sql) or self._names.get(sql), values)
            expected.append(None)
        self._raw.pipeline_sync()
        results = await self._exchange()
        self._raw.exit_pipeline_mode()
        return list(self._read(results, expected, fresh))

    def _send(self, sql: str, name: bytes | None, values: list[bytes | None]) -> None:
        formats = encoder_of(sql).formats
        if name is None:
            self._raw.send_query_params(
                sql.encode(), values, param_formats=formats, result_format=Format.BINARY
            )
        else:
            self._raw.send_query_prepared(
                name, values, param_formats=formats, result_format=Format.BINARY
            )

    def _read(
        self,
        results: Sequence[PGresult],
        expected: Sequence[str | None],
        fresh: Mapping[str, bytes],
    ) -> Iterator[Rows]:
        for result, prepared in zip(results, expected, strict=False):  # none follows an error
            if result.status not in _SUCCEEDED:
                raise error_from_result(result, encoding="utf-8")
            if prepared:
                self._names[prepared] = fresh[prepared]
            else:
                self._rows.set_pgresult(result)
                yield self._rows.load_rows(0, result.ntuples, tuple)

    async def command(self, sql: str) -> str:
        """Execute a statement without parameters, such as COMMIT; answers its status."""
        self._raw.send_query(sql.encode())
        (result,) = await self._exchange()
        if result.status not in _SUCCEEDED:
            raise error_from_result(result, encoding="utf-8")
        return (result.command_status or b"").decode()

    async def _exchange(self) -> list[PGresult]:
        """Send what was queued, and receive the results of all of it."""
        self._results, self._answered = [], self._loop.create_future()
        try:
            async with asyncio.timeout(self._silence_s):
                self._flush()
                await self._answered
        except BaseException:
            self.terminate()  # which answers are still to come is unknown
            raise
        finally:
            self._answered = None
        return self._results

    def _flush(self) -> None:
        self._loop.remove_writer(self._socket)
        try:
            if self._raw.flush():  # the socket's buffer is full
                self._loop.add_writer(self._socket, self._flush)
        except psycopg.Error as error:
            self._lose(error)

    def _receive(self) -> None:
        try:
            self._raw.consume_input()
            while self._answered and not self._answered.done() and not self._raw.is_busy():
                self._take(self._raw.get_result(), self._answered)
        except psycopg.Error as error:
            self._lose(error)

    def _take(self, result: PGresult | None, answered: asyncio.Future[None]) -> None:
        """A pipeline ends with its sync, another statement with None."""
        if result and result.status == ExecStatus.PIPELINE_SYNC:
            answered.set_result(None)
        elif result:
            self._results.append(result)
        elif self._raw.status == ConnStatus.BAD:
            raise psycopg.OperationalError("the connection was lost")
        elif self._raw.pipeline_status == PipelineStatus.OFF:
            answered.set_result(None)

    def _lose(self, error: psycopg.Error) -> None:
        self.terminate()
        if self._answered and not self._answered.done():
            self._answered.set_exception(self._reported() or error)

    def _reported(self) -> psycopg.Error | None:
        """What the server answered before it closed the connection."""
        failed = [each for each in self._results if each.status == ExecStatus.FATAL_ERROR]
        return error_from_result(failed[0], encoding="utf-8") if failed else None

    def terminate(self) -> None:
        """Close the connection at once; the server rolls back."""
        if not self.is_closed:
            self.is_closed = True
            self._loop.remove_writer(self._socket)  # before another connection has its number
            self._loop.remove_reader(self._socket)
            self._raw.finish()

    async def close(self) -> None:
        self.terminate()
        await self._connection.close()


class _InstantLoader(Loader):
    """Instants in UTC, whatever the time zone of the server."""

    format = Format.BINARY

    def load(self, data: Buffer) -> datetime:
        (microseconds,) = _INT8.unpack(data)
        return _EPOCH + timedelta(microseconds=microseconds)


_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
"""Of PostgreSQL's binary format."""
_INT8 = Struct("!q")
