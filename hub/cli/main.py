"""The parser of the command line, and the exit codes of commands."""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import structlog

from actors.ports.commits import StoreUnavailable
from hub import __version__
from hub.cli import (
    backup,
    chat,
    check,
    demo,
    export,
    export_patients,
    import_,
    import_appointments,
    import_patients,
    invite,
    mcp,
    migrate,
    restore,
    serve,
    setup,
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


class CommandModule(Protocol):
    """A module of this package that is one command."""

    SUMMARY: str
    EXAMPLE: str

    def add_arguments(self, parser: argparse.ArgumentParser, /) -> None: ...

    def run(self, args: argparse.Namespace, /) -> int:
        """Returns the exit code, which is 0 only on success."""
        ...


_COMMANDS: Mapping[str, CommandModule] = {
    "setup": setup,
    "serve": serve,
    "demo": demo,
    "invite": invite,
    "token": token,
    "migrate": migrate,
    "check": check,
    "backup": backup,
    "restore": restore,
    "export": export,
    "import": import_,
    "import-patients": import_patients,
    "export-patients": export_patients,
    "import-appointments": import_appointments,
    "traffic": traffic,
    "chat": chat,
    "mcp": mcp,
}

INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code is 0 only on success."""
    args = _parser().parse_args(argv)
    try:
        return _COMMANDS[args.command].run(args)
    except _EXPECTED as error:
        print(f"chairside {args.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED


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
    for name, command in _COMMANDS.items():
        _add_command(subparsers.add_parser, name, command)
    return parser


def _add_command(
    add_parser: Callable[..., argparse.ArgumentParser], name: str, command: CommandModule
) -> None:
    """A subcommand with ``--json`` and a ``--help`` that ends in an example."""
    summary = command.SUMMARY
    parser = add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=f"example:\n  {command.EXAMPLE}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="answer in JSON, for scripts")
    command.add_arguments(parser)
