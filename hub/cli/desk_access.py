"""Chooses the hub and the token of commands that work as the front desk, and sends requests."""

import argparse
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp

from chairside.client import HubError
from hub.cli.common import CliError
from hub.cli.patient_access import DEFAULT_LINKS, DEFAULT_URL, TOKEN, URL

_CONNECT_S: Final = 10.0
_SILENCE_S: Final = 120.0
"""A hub that is silent for longer is gone: a running import reports its progress."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DeskAccess:
    """A hub, and a token of staff of the practice."""

    url: str
    token: str = field(repr=False)

    @asynccontextmanager
    async def request(
        self, method: str, path: str, **options: Any
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The response. Raises CliError for one that is no success, and without a connection."""
        timeout = aiohttp.ClientTimeout(sock_connect=_CONNECT_S, sock_read=_SILENCE_S)
        headers = {"Authorization": f"Bearer {self.token}", **options.pop("headers", {})}
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.request(
                    method, f"{self.url}{path}", headers=headers, **options
                ) as response,
            ):
                if response.status != 200:
                    raise refused(json_or_none(await response.read()))
                yield response
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise CliError(f"{self.url}: {error or 'the hub does not answer'}") from None


def refused(body: object) -> CliError:
    return CliError(str(HubError.from_json(body)))


def json_or_none(text: bytes) -> object:
    try:
        found: object = json.loads(text)
    except ValueError:
        return None
    return found


def add_desk_access(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--url", metavar="URL", help=f"the hub; default: {URL}, else {DEFAULT_URL}")
    parser.add_argument(
        "--links",
        type=Path,
        default=DEFAULT_LINKS,
        metavar="FILE",
        help=f"source of the token unless {TOKEN} is set, as `chairside demo` writes it;"
        f" default: {DEFAULT_LINKS}",
    )


def desk_access(args: argparse.Namespace, environ: Mapping[str, str]) -> DeskAccess:
    """From arguments and variables. Raises CliError that names what is missing."""
    url, token = args.url or environ.get(URL), environ.get(TOKEN)
    if token is None:
        try:
            links = json.loads(args.links.read_text(encoding="utf-8"))
            token, url = links["staff"][0]["token"], url or links["url"]
        except OSError:
            raise CliError(
                f"no token: set {TOKEN} to that of someone at the front desk, as `chairside token"
                " --role staff --subject desk` prints it"
            ) from None
        except (ValueError, KeyError, TypeError, IndexError):
            raise CliError(f"{args.links} is not a file of `chairside demo`") from None
    return DeskAccess(url=(url or DEFAULT_URL).rstrip("/"), token=token)
