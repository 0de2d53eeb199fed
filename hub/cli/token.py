"""``chairside token``: prints a token for development."""

import argparse
import re
from datetime import UTC, datetime, timedelta

from actors.domain.principal import Role
from api.auth import issue_token
from api.token_claims import ROLES
from hub.cli.common import CliError, add_config, configured, show

_LONGEST = timedelta(days=36_500)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


SUMMARY = "print a token for development, signed with auth.secret"
EXAMPLE = "chairside token --role patient --subject me --ttl 15m"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--role", choices=sorted(ROLES), required=True)
    parser.add_argument("--subject", required=True, metavar="ID", help="the claim sub")
    parser.add_argument(
        "--actor",
        metavar="NAME",
        help="the claim act: the chatbot that uses a patient's token",
    )
    parser.add_argument(
        "--ttl",
        type=duration,
        default=timedelta(hours=1),
        metavar="TIME",
        help="how long it is valid, e.g. 90s, 15m, 1h or 7d; default: 1h",
    )
    add_config(parser)


def duration(text: str) -> timedelta:
    """A positive duration such as ``90s`` or ``1h``."""
    found = re.fullmatch(r"([1-9]\d{0,6})([smhd])", text)
    if not found:
        raise argparse.ArgumentTypeError("a duration is a number and s, m, h or d, such as 15m")
    length = timedelta(**{_UNITS[found[2]]: int(found[1])})
    if length > _LONGEST:
        raise argparse.ArgumentTypeError(f"a duration has at most {_LONGEST.days} days")
    return length


def run(args: argparse.Namespace) -> int:
    auth = configured(args.config).auth
    if not auth.secret:
        raise CliError(
            "tokens are signed with auth.secret (CHAIRSIDE_AUTH_SECRET), which is not set;"
            " with auth.jwks alone, only the owner of the keys can make tokens"
        )
    if "HS256" not in auth.allowed_algorithms:
        raise CliError("auth.algorithms does not allow HS256, so no hub would accept the token")
    if not args.subject:
        raise CliError("--subject must not be empty")
    if args.actor is not None and (args.role != Role.PATIENT or not args.actor):
        raise CliError("--actor names the chatbot that acts for a patient: with --role patient")
    token = issue_token(
        auth.secret,
        subject=args.subject,
        role=Role(args.role),
        now=datetime.now(UTC),
        ttl=args.ttl,
        audience=auth.audience,
        issuer=auth.issuer,
        role_claim=auth.role_claim,
        actor=args.actor,
    )
    show(args, {"token": token}, [token])
    return 0
