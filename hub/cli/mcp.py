"""``chairside mcp``: offers an AI the tools to book for one patient."""

import argparse
import os

from chairside.client import ClientError
from hub import __version__
from hub.cli.common import CliError, port_number, run_async, show
from hub.cli.patient_access import DEFAULT_URL, URL, add_patient_access, patient_access
from hub.telemetry.logging import LoggingSettings, configure_logging

SUMMARY = "offer an AI the tools to book for a patient (Model Context Protocol)"
EXAMPLE = "chairside mcp --patient 1        # on standard input and output"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_patient_access(parser)
    parser.add_argument(
        "--http",
        type=port_number,
        metavar="PORT",
        help="serve streamable HTTP on /mcp instead; each request carries its patient's token",
    )
    parser.add_argument(
        "--host", default="127.0.0.1", metavar="ADDRESS", help="with --http; default: 127.0.0.1"
    )
    parser.add_argument(
        "--origin",
        action="append",
        default=[],
        metavar="ORIGIN",
        help="with --http: a web origin whose pages may send requests; repeatable",
    )


def run(args: argparse.Namespace) -> int:
    # imported here: it takes a third of the start-up time of every command
    from chairside.mcp import process as mcp_process

    configure_logging(LoggingSettings(level="warning", format="json"))  # to standard error
    try:
        if args.http is None:
            run_async(mcp_process.serve_stdio(patient_access(args, os.environ), __version__))
        else:
            url = args.url or os.environ.get(URL, DEFAULT_URL)
            address = f"http://{args.host}:{args.http}/mcp"
            show(args, {"url": address, "hub": url}, [f"MCP on {address}, for the hub {url}"])
            origins = tuple(args.origin)
            run_async(
                mcp_process.serve_http(
                    url, __version__, host=args.host, port=args.http, origins=origins
                )
            )
    except ClientError as error:
        raise CliError(str(error)) from None
    return 0
