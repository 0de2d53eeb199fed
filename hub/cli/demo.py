"""``chairside demo``: runs a demo clinic with its own database, and tokens for a day."""

import argparse
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from actors.domain.principal import Role
from api.auth import issue_token
from hub.bootstrap import Hub, open_hub
from hub.cli.common import (
    configured,
    log_only_warnings,
    port_number,
    run_async,
    show,
)
from hub.clock import SystemClock
from hub.config import Config
from hub.demo import demo
from hub.demo.folder import DemoFolder, refuse_real_clinic
from hub.demo.plan import plan
from hub.server import bind, serve
from hub.telemetry.logging import configure_logging
from hub.telemetry.recent_errors import RecentErrors
from store.migrations.migrate import upgrade

SUMMARY = "run a demo clinic"
EXAMPLE = "chairside demo --data ./var --port 8080"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data",
        type=Path,
        default=Path("var"),
        metavar="DIR",
        help="folder of its data; default: ./var",
    )
    parser.add_argument(
        "--port", type=port_number, metavar="N", help="default: server.port, which is 8080"
    )
    parser.add_argument("--fresh", action="store_true", help="delete its data and create it again")


def run(args: argparse.Namespace) -> int:
    base = configured(None)
    refuse_real_clinic(base)
    if args.port is not None:
        base = replace(base, server=replace(base.server, port=args.port))
    log_only_warnings(base)
    with ExitStack() as stack:
        listener = stack.enter_context(bind(base.server.host, base.server.port))
        base = _with_public_url(base, listener.getsockname()[1])
        folder = stack.enter_context(DemoFolder.open(args.data, fresh=args.fresh))
        if not folder.is_seeded:
            run_async(_seed(folder, base))
        config = folder.config(base)
        upgrade(config.database.url)
        errors = RecentErrors()
        configure_logging(base.logging, also=errors)
        run_async(_serve(args, folder, config, listener, errors))
    return 0


def _with_public_url(config: Config, port: int) -> Config:
    """Where people sign in, and links in mails lead: this machine, unless it is set."""
    public_url = config.server.public_url or f"http://localhost:{port}"
    return replace(config, server=replace(config.server, public_url=public_url))


async def _seed(folder: DemoFolder, base: Config) -> None:
    """Fill a temporary database, and rename it when it is complete."""
    config = folder.seeding_config(base)
    upgrade(config.database.url)
    async with open_hub(config) as hub:
        await demo.seed(hub, plan(date.today()))
    folder.seeded()


async def _serve(
    args: argparse.Namespace,
    folder: DemoFolder,
    config: Config,
    listener: socket.socket,
    errors: RecentErrors,
) -> None:
    async def ready(_: str, hub: Hub) -> None:
        url = config.server.public_url
        await demo.add_desk(hub)
        await demo.add_accounts(hub)
        links = await demo.links(hub, url, _issuer(config))
        folder.write_links(links)
        show(args, {"url": url, "links": str(folder.links)}, _table(links, folder))

    await serve(config, listener, ready, errors=errors)


def _issuer(config: Config) -> demo.IssueToken:
    now = SystemClock().now()

    def issue(subject: str, role: Role) -> str:
        return issue_token(
            config.auth.secret, subject=subject, role=role, now=now, ttl=demo.TOKEN_LIFE
        )

    return issue


def _table(links: dict[str, Any], folder: DemoFolder) -> Iterator[str]:
    url = links["url"]
    yield f"Chairside’s demo clinic is open on {url}"
    yield ""
    yield "Open two of these side by side, signed in, and book:"
    yield f"  a patient          {url}/patient#token={links['patients'][0]['token']}"
    yield f"  a dentist          {url}/dentist#token={links['dentists'][0]['token']}"
    yield f"  the front desk     {url}/desk#token={links['staff'][0]['token']}"
    yield f"  the chatbot        {url}/chat#token={links['patients'][0]['token']}"
    yield f"  the hub’s status   {url}/status#token={links['admin']['token']}"
    yield ""
    yield f"Or sign in at {url}/sign-in, with a code that {url}/mail shows:"
    yield f"  a patient          {links['patients'][0]['email']}"
    yield f"  a dentist          {links['dentists'][0]['email']}"
    yield f"  the front desk     {links['staff'][0]['email']}"
    yield ""
    yield f"  mails to patients  {url}/mail"
    yield f"  API documentation  {url}/docs"
    yield f"  all tokens         {folder.links} (valid for a day; each start makes new ones)"
    yield ""
    for dentist in links["dentists"]:
        yield f"  {dentist['name']:<20} {dentist['time_zone']:<18} {dentist['id']}"
    patients, types = len(links["patients"]), len(links["appointment_types"])
    yield f"  {patients} patients, {types} appointment types, at {links['practice']['name']}"
    yield ""
    yield "As a patient, as a dentist, or as the front desk:"
    yield f"  PATIENT={links['patients'][0]['token']}"
    yield f"  DENTIST={links['dentists'][0]['token']}"
    yield f"  DESK={links['staff'][0]['token']}"
    yield f'  curl -H "Authorization: Bearer $PATIENT" {url}/api/profiles/me'
    yield f'  curl -H "Authorization: Bearer $DENTIST" {url}/api/appointments'
    yield f'  curl -H "Authorization: Bearer $DESK" {url}/api/practices'
    yield ""
    yield f"Ctrl-C stops it. {folder.path} keeps the data; --fresh starts with new data."
