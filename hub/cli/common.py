"""What the commands share: reading the configuration, showing results, reporting errors."""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Coroutine, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from hub.config import Config, load_config
from hub.telemetry.logging import configure_logging

DEFAULT_CONFIG = Path("config.toml")

Result = TypeVar("Result")


class CliError(Exception):
    """A failure; its message is one sentence that also names the remedy."""


def add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help=f"settings; default: {DEFAULT_CONFIG}, if the current folder has it",
    )


def port_number(text: str) -> int:
    """A TCP port; argparse reports the ValueError of other texts."""
    port = int(text)
    if not 0 <= port <= 65_535:
        raise argparse.ArgumentTypeError("a port is a number from 0 to 65535; 0 picks a free one")
    return port


def configured(path: Path | None) -> Config:
    """The settings of ``path``, or of ``config.toml`` in this folder, or the defaults; variables
    of the environment override them. Raises ConfigError."""
    if path is None and DEFAULT_CONFIG.exists():
        path = DEFAULT_CONFIG
    return load_config(path, os.environ)


def configured_quietly(path: Path | None) -> Config:
    """As :func:`configured`, for a command that reports by itself: it logs only warnings."""
    config = configured(path)
    log_only_warnings(config)
    return config


def log_only_warnings(config: Config) -> None:
    quiet = config.logging.level in ("debug", "info")
    configure_logging(replace(config.logging, level="warning") if quiet else config.logging)


def show(args: argparse.Namespace, data: object, lines: Iterable[str]) -> None:
    """Print ``data`` as JSON if ``--json`` is given, else ``lines``."""
    if args.json:
        print(json.dumps(data, indent=2, ensure_ascii=False), flush=True)
    else:
        print("\n".join(lines), flush=True)


def run_async(work: Coroutine[Any, Any, Result]) -> Result:
    """Run ``work`` on uvloop, where there is one."""
    if sys.platform == "win32":
        return asyncio.run(work)
    import uvloop  # not there on Windows

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)
