"""``chairside serve``: run the hub."""

import argparse
from dataclasses import replace

from hub.bootstrap import Hub
from hub.cli.common import add_config, configured, port_number, run_async, show
from hub.server import bind, serve
from hub.telemetry.logging import configure_logging
from hub.telemetry.recent_errors import RecentErrors

SUMMARY = "run the hub"
EXAMPLE = "CHAIRSIDE_AUTH_SECRET=… chairside serve --config config.toml"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument("--port", type=port_number, metavar="N", help="instead of server.port")


def run(args: argparse.Namespace) -> int:
    config = configured(args.config)
    config.require_keys()
    if args.port is not None:
        config = replace(config, server=replace(config.server, port=args.port))
    errors = RecentErrors()
    configure_logging(config.logging, also=errors)

    async def ready(url: str, _hub: Hub) -> None:
        show(
            args,
            {"url": url},
            [
                f"Chairside listens on {url}",
                f"  API documentation  {url}/docs",
                f"  status             {url}/status",
                "Ctrl-C stops it.",
            ],
        )

    with bind(config.server.host, config.server.port) as listener:
        run_async(serve(config, listener, ready, errors=errors))
    return 0
