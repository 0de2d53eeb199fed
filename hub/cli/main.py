"""The parser of the command line, and the exit codes of commands."""

import argparse
import sys
from collections.abc import Sequence

import structlog

from actors.ports.commits import StoreUnavailable
from hub import __version__
from hub.cli import (
    backup,
    chat,
    check,
    demo,
    export,
    import_,
    mcp,
    migrate,
    restore,
    serve,
    token,
    traffic,
)
from hub.cli.common import CliError
from hub.config_reader import ConfigError
from store.migrations.migrate import SchemaMismatch
from store.migrations.seal import DatabaseSealed
from store.postgres.roles import RolesMissing
from store.sql.lockfile import DatabaseInUse
from store.transfer.backup import NotOnPostgresql, UnusableBackup
from store.transfer.dump import UnusableDump
from store.transfer.importing import DatabaseNotEmpty

log = structlog.get_logger(__name__)

_EXPECTED = (
    CliError,
    ConfigError,
    DatabaseInUse,
    RolesMissing,
    DatabaseSealed,
    DatabaseNotEmpty,
    NotOnPostgresql,
    SchemaMismatch,
    StoreUnavailable,
    UnusableBackup,
    UnusableDump,
)
"""Errors of daily use; the message of each is one sentence for the user."""

_COMMANDS = (
    serve,
    demo,
    token,
    migrate,
    check,
    backup,
    restore,
    export,
    import_,
    traffic,
    chat,
    mcp,
)

INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code is 0 only on success."""
    args = _parser().parse_args(argv)
    try:
        code: int = args.run(args)
    except _EXPECTED as error:
        print(f"chairside {args.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="chairside",
        description="A realtime appointment hub for dental clinics.",
        epilog="example:\n  chairside demo",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"chairside {__version__}")
    subparsers = parser.add_subparsers(
        dest="command", required=True, metavar="COMMAND", title="commands"
    )
    for command in _COMMANDS:
        command.add_parser(subparsers)
    return parser
