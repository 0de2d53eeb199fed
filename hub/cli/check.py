"""``chairside check``: checks whether a hub can run with this configuration and database."""

import argparse
import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy.exc import DatabaseError

from actors.ports.commits import StoreUnavailable
from hub.cli.check_connections import check_connections
from hub.cli.check_result import CheckResult
from hub.cli.check_tokens import check_tokens
from hub.cli.common import DEFAULT_CONFIG, add_config, configured, show
from hub.config_reader import ConfigError
from store.migrations.migrate import SchemaMismatch, check_schema
from store.migrations.seal import DatabaseSealed
from store.postgres.roles import lacking
from store.settings import DatabaseSettings
from store.sql.url import is_postgresql, parse_url, sqlite_path
from store.transfer.verify import verify

SUMMARY = "check the configuration and the database"
EXAMPLE = "chairside check --config config.toml"
add_arguments = add_config


def run(args: argparse.Namespace) -> int:
    lines = list(_lines(args.config))
    ok = all(line.ok for line in lines)
    show(
        args,
        {"ok": ok, "checks": [asdict(line) for line in lines]},
        [
            *(f"{line.sign} {line.what}" for line in lines),
            "A hub can run with this." if ok else "A hub cannot run with this.",
        ],
    )
    return 0 if ok else 1


def _lines(path: Path | None) -> Iterator[CheckResult]:
    try:
        config = configured(path)
    except ConfigError as error:
        yield CheckResult(False, f"configuration: {error}")
        return
    file = path or (DEFAULT_CONFIG if DEFAULT_CONFIG.exists() else None)
    overrides = sum(name.startswith("CHAIRSIDE_") for name in os.environ)
    variables = f", {overrides} variables CHAIRSIDE_* are set" if overrides else ""
    yield CheckResult(True, f"configuration: {file or 'defaults, no file'}{variables}")
    yield from check_tokens(config)
    yield from check_connections(config)
    yield from _database(config.database)
    if config.is_clustered:
        yield _redis(config.redis.url)


def _database(database: DatabaseSettings) -> Iterator[CheckResult]:
    url = parse_url(database.url)
    name = url.render_as_string() if is_postgresql(url) else str(sqlite_path(url))
    if not is_postgresql(url) and not sqlite_path(url).exists():
        yield CheckResult(False, f"database: {name} is not there; run `chairside migrate`")
        return
    try:
        yield CheckResult(True, f"schema: {check_schema(database.url)}")
        if is_postgresql(url):
            yield from (CheckResult(False, f"database: {problem}") for problem in lacking(url))
        found = verify(database.migrate_url or database.url)
    except (SchemaMismatch, DatabaseSealed) as error:
        yield CheckResult(False, f"schema: {error}")
        return
    except StoreUnavailable as error:
        yield CheckResult(False, f"database: {name}: {error}")
        return
    except DatabaseError as error:
        hint = "; set database.migrate_url" if is_postgresql(url) else ""
        yield CheckResult(False, f"database: {name} cannot be read: {error.orig}{hint}")
        return
    yield from (CheckResult(False, f"database: {problem}") for problem in found.problems)
    if not found.problems:
        people = f"{found.dentists} dentists, {found.patients} patients"
        yield CheckResult(
            True, f"database: {name} is sound; {people}, {found.appointments} appointments"
        )


def _redis(url: str) -> CheckResult:
    """Never a failure: a hub runs without Redis, and remote events are then a little late."""
    try:
        with Redis.from_url(url, socket_connect_timeout=2.0, socket_timeout=2.0) as redis:
            redis.ping()
    except (RedisError, OSError) as error:
        return CheckResult(True, f"redis: not reachable now ({error}); remote events will be late")
    return CheckResult(True, "redis: answers")
