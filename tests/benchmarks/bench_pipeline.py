"""Processor time of one small commit on PostgreSQL, by how its statements are sent.

``python -m tests.benchmarks.bench_pipeline [--commits 1000] [--rounds 3]``

A commit is BEGIN with six SELECTs, four INSERTs, and COMMIT: one statement at a time with
asyncpg, with psycopg's own pipelines, and with ours (``store/postgres/pipeline.py``). Also how
long it takes to encode an array of 64 texts (``store/postgres/parameters.py``).
"""

import argparse
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

import asyncpg
import psycopg
import uvloop
from psycopg.adapt import PyFormat, Transformer

from store.postgres.connect import writing
from store.postgres.parameters import encoder_of
from store.postgres.pipeline import Call
from store.settings import DatabaseSettings
from tests.benchmarks.booking.measures import children, process_s
from tests.support.postgres import ADMIN, PostgresServer, postgres_server

_BEGIN = "BEGIN"
_CHECKS: Sequence[Call] = [
    ("SELECT n FROM seen WHERE id = $1::VARCHAR", (f"id-{n}",)) for n in range(6)
]
_WRITES: Sequence[Call] = [
    ("INSERT INTO written VALUES ($1::VARCHAR, $2::BYTEA, $3::BIGINT)", (f"id-{n}", b"x" * 300, n))
    for n in range(4)
]
Commit = Callable[[], Awaitable[object]]


async def ways(url: str) -> Mapping[str, Commit]:
    alone = await asyncpg.connect(url)
    await alone.execute("CREATE TABLE seen (id text PRIMARY KEY, n int)")
    await alone.execute("CREATE TABLE written (id text, body bytea, n bigint)")
    theirs = await psycopg.AsyncConnection.connect(
        url, autocommit=True, cursor_factory=psycopg.AsyncRawCursor
    )
    theirs.prepare_threshold = 0
    ours = await writing(DatabaseSettings(url=url))()

    async def one_at_a_time() -> None:
        await alone.execute(_BEGIN)
        for sql, values in (*_CHECKS, *_WRITES):
            await alone.fetch(sql, *values)
        await alone.execute("COMMIT")

    async def by_psycopg() -> None:
        for group in ((("BEGIN", ()), *_CHECKS), _WRITES, (("COMMIT", ()),)):
            async with theirs.pipeline():
                cursors = [await theirs.execute(sql, values) for sql, values in group]
            for cursor in cursors:
                if cursor.description:
                    await cursor.fetchall()

    async def by_ours() -> None:
        await ours.execute(((_BEGIN, ()), *_CHECKS))
        await ours.execute(_WRITES)
        await ours.command("COMMIT")

    return {"asyncpg": one_at_a_time, "psycopg": by_psycopg, "ours": by_ours}


def _server_s(server: PostgresServer) -> float:
    return sum(map(process_s, (server.pid, *children(server.pid))))


async def measured(server: PostgresServer, commit: Commit, commits: int) -> tuple[float, float]:
    """Microseconds of one commit: in this process, and of the server."""
    here, there = time.process_time(), _server_s(server)
    for _ in range(commits):
        await commit()
    scale = 1e6 / commits
    return (time.process_time() - here) * scale, (_server_s(server) - there) * scale


def encoding_us(repeats: int) -> Mapping[str, float]:
    texts = [f"appointments:dentist:{n:036d}" for n in range(64)]
    ours, theirs = encoder_of("SELECT $1::VARCHAR[]"), Transformer()

    def timed(encode: Callable[[], object]) -> float:
        started = time.process_time()
        for _ in range(repeats):
            encode()
        return (time.process_time() - started) / repeats * 1e6

    return {
        "psycopg": timed(lambda: theirs.dump_sequence([texts], [PyFormat.TEXT])),
        "ours": timed(lambda: ours([texts])),
    }


async def main(commits: int, rounds: int) -> None:
    server = postgres_server()
    contestants = await ways(server.url(server.create(), ADMIN))
    figures: dict[str, list[tuple[float, float]]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, commit in contestants.items():
            await measured(server, commit, 20)
            figures[name].append(await measured(server, commit, commits))
    for name, found in figures.items():
        here, there = (statistics.median(column) for column in zip(*found, strict=True))
        print(f"a commit by {name:8} {here:5.0f} us here, {there:5.0f} us at the server")
    for name, us in encoding_us(1_000).items():
        print(f"64 texts by {name:8} {us:5.0f} us")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--commits", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    uvloop.run(main(arguments.commits, arguments.rounds))
