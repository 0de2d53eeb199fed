"""``chairside chat``: talk to the chatbot in the terminal, or from a script."""

import argparse
import os
import sys

from rich.console import Console

from chairside.client import ClientError
from chairside.patient_access import PatientAccess
from chairside.terminal.screen import JsonLines, Lines, Screen, Terminal
from chairside.terminal.session import ChatSession
from hub.chat import ChatSettings, model_of
from hub.cli.common import CliError, add_config, configured, run_async
from hub.cli.patient_access import add_patient_access, patient_access

SUMMARY = "talk to the chatbot: it books, moves and cancels appointments in plain English"
EXAMPLE = 'echo "when is my next appointment?" | chairside chat --patient 3'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_patient_access(parser)
    add_config(parser)


def run(args: argparse.Namespace) -> int:
    access = patient_access(args, os.environ)
    settings = configured(args.config).chat
    try:
        run_async(_talk(access, settings, _screen(args)))
    except ClientError as error:
        raise CliError(f"{access.url}: {error}") from None
    return 0


async def _talk(access: PatientAccess, settings: ChatSettings, screen: Screen) -> None:
    async with model_of(settings) as model:
        await ChatSession(access, model, screen).run()


def _screen(args: argparse.Namespace) -> Screen:
    if args.json:
        return JsonLines(sys.stdin, sys.stdout)
    if sys.stdin.isatty() and sys.stdout.isatty():
        return Terminal(Console(highlight=False))
    return Lines(sys.stdin, sys.stdout)
