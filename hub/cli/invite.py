"""``chairside invite``: prints a link with which a person begins to sign in."""

import argparse
from collections.abc import Sequence

from actors.domain.ids import ProfileId, parse_id
from actors.domain.principal import Principal, Role
from actors.domain.refusals import Refusal
from actors.domain.sign_in import Invitation
from actors.relay.committed_events import CommittedEvents
from actors.services.caller import Caller
from actors.services.directory import Directory
from actors.services.invitations import Invitations
from actors.services.practices import Practices
from actors.services.records import Records
from actors.services.requests import NewInvitation
from actors.services.stored_bytes import StoredBytes
from api.schemas import render
from hub.cli.common import (
    CliError,
    add_config,
    configured,
    log_only_warnings,
    run_async,
    show,
)
from hub.clock import SystemClock, new_id
from hub.config import Config
from store.engine import open_store

SUMMARY = "print a link with which an admin, a dentist or staff begin to sign in"
EXAMPLE = 'chairside invite --admin "Ada Example"\n  chairside invite --profile ID'

_BY = Principal(role=Role.ADMIN, subject="chairside invite")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    whom = parser.add_mutually_exclusive_group(required=True)
    whom.add_argument("--admin", metavar="NAME", help="a new admin, or one who lost a passkey")
    whom.add_argument("--profile", metavar="ID", help="a dentist or member of the staff")
    add_config(parser)


def run(args: argparse.Namespace) -> int:
    config = configured(args.config)
    if not config.sign_in.enabled:
        raise CliError("nobody signs in at this hub: set sign_in.enabled and server.public_url")
    log_only_warnings(config)
    (made,) = run_async(invited(config, [_wanted(args)]))
    invitation, url = made
    result = {"id": invitation.id, "role": str(invitation.role), "url": url}
    show(args, result, [url, "It works once, for 72 hours. Give it to nobody else."])
    return 0


def _wanted(args: argparse.Namespace) -> NewInvitation:
    if args.admin is not None:
        return NewInvitation(name=args.admin.strip() or None)
    if (profile := parse_id(args.profile)) is None:
        raise CliError(f"--profile: {args.profile} is no id")
    return NewInvitation(profile_id=ProfileId(profile))


async def invited(
    config: Config, people: Sequence[NewInvitation]
) -> Sequence[tuple[Invitation, str]]:
    """Invitations and their links.

    Raises DatabaseInUse while a hub runs on a SQLite file: it invites people itself.
    """
    clock = SystemClock()
    async with open_store(
        config.database, render=render, publisher=CommittedEvents(), new_id=new_id, clock=clock
    ) as store:
        directory = Directory(store.profiles)
        records = Records(store.records, clock, new_id, StoredBytes(0, clock.monotonic))
        practices = Practices(
            store.practices, directory, records, dentists_see=config.practice.dentists_see
        )
        invitations = Invitations(store.invitations, directory, practices, clock, new_id)
        try:
            made = [
                await invitations.create(Caller(principal=_BY, request_id=new_id()), each)
                for each in people
            ]
        except Refusal as error:
            details = "; ".join(f"{each.field} {each.message}" for each in error.details)
            raise CliError(details or str(error)) from None
    address = f"{config.server.public_url}/sign-in#invitation="
    return [(invitation, address + token) for invitation, token in made]
