"""``chairside setup``: asks what a practice needs, and writes it."""

import argparse
import os
import shlex
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from actors.domain.practice import Practice
from actors.domain.principal import Principal, Role
from actors.domain.profile import Profile
from actors.domain.refusals import Refusal, ValidationFailed
from actors.relay.committed_events import CommittedEvents
from actors.services.caller import Caller
from actors.services.founding import Founded, Founding
from actors.services.records import Records
from actors.services.requests import NewInvitation
from actors.services.stored_bytes import StoredBytes
from api.schemas import render
from hub.cli.common import DEFAULT_CONFIG, CliError, configured, log_only_warnings, run_async, show
from hub.cli.invite import invited
from hub.clock import SystemClock, new_id
from hub.config import Config
from hub.setup.answers import (
    QUESTIONS,
    Answers,
    InvalidAnswer,
    MissingAnswer,
    SetupQuestion,
    asked,
    complete,
    new_clinic,
)
from hub.setup.config_file import first_config, missing_lines, write_config
from store.engine import Store, open_store
from store.migrations.migrate import plan, upgrade

SUMMARY = "set up a practice: its people, what can be booked, and the configuration"
EXAMPLE = (
    'chairside setup\n  chairside setup --yes --practice "Dental practice on the square"'
    ' --region AT --dentist "Dr. Ada Example"'
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    for question in QUESTIONS:
        parser.add_argument(question.flag, metavar=question.example, help=question.text)
    parser.add_argument(
        "--database",
        metavar="URL",
        help="sqlite:///FILE or postgresql://…, for a new configuration; default: as configured",
    )
    parser.add_argument(
        "--another", action="store_true", help="a further practice, on a hub that is set up"
    )
    parser.add_argument(
        "--yes", action="store_true", help="ask nothing: flags, and a default for what they lack"
    )
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help=f"settings; written if it is not there; default: {DEFAULT_CONFIG}",
    )


def run(args: argparse.Namespace) -> int:
    path: Path = args.config or DEFAULT_CONFIG
    base = configured(path if path.exists() else None)
    if args.database and path.exists() and args.database != base.database.url:
        raise CliError(f"{path} is there already, so --database is not written: change it there")
    if args.database:
        base = replace(base, database=replace(base.database, url=args.database))
    log_only_warnings(base)
    known = run_async(_practices(base))
    if known and not args.another:
        names = ", ".join(each.name for each in known)
        show(
            args,
            {"new": False, "practices": [_named(each) for each in known]},
            [f"This hub is set up already, for {names}. Nothing was changed."],
        )
        return 0
    answers = _answers(args)
    database = base.database
    upgrade(database.url, migrate_url=database.migrate_url or None)
    text = None
    if not path.exists():
        text = first_config(base, database=args.database, region=answers["region"])
    founded = run_async(_found(args, base, path, text, answers))
    to_add = [] if text else missing_lines(base, answers["region"])
    links = _links(path, founded, answers["admin"])
    show(
        args,
        _as_json(founded, path, to_add) | {"invitations": links},
        [*_lines(founded, answers["admin"], path, to_add), *_link_lines(links)],
    )
    return 0


def _links(path: Path, founded: Founded, admin: str) -> dict[str, str]:
    """By name, the links with which people begin to sign in; none where nobody signs in."""
    config = configured(path if path.exists() else None)
    if not founded.is_new or not config.sign_in.enabled:
        return {}
    people = [NewInvitation(profile_id=each.id) for each in founded.people]
    made = run_async(invited(config, [NewInvitation(name=admin), *people]))
    names = (f"admin {admin}", *(f"{each.role} {each.name}" for each in founded.people))
    return {name: url for name, (_, url) in zip(names, made, strict=True)}


def _link_lines(links: Mapping[str, str]) -> Iterator[str]:
    if links:
        yield "Each of these links is for one person, and works once, for 72 hours:"
        yield from (f"  {name}\n    {url}" for name, url in links.items())


async def _practices(config: Config) -> Sequence[Practice]:
    """Those that the hub has; none without a database. One of an older version is migrated."""
    database = config.database
    found = plan(database.migrate_url or database.url)
    if found.current is None:
        return ()
    if found.pending:
        upgrade(database.url, migrate_url=database.migrate_url or None)
    async with _store(config) as store:
        return await store.practices.every()


def _answers(args: argparse.Namespace) -> Answers:
    given = {each.name: getattr(args, each.name) or "" for each in QUESTIONS}
    try:
        if args.yes or args.json or not sys.stdin.isatty():
            return complete(given, os.environ)
        return asked(given, os.environ, _ask, lambda text: print(f"  {text}", file=sys.stderr))
    except (MissingAnswer, InvalidAnswer) as error:
        raise CliError(str(error)) from None
    except EOFError:
        raise CliError("the questions were not answered; nothing was changed") from None


def _ask(question: SetupQuestion, usual: str) -> str:
    hint = f" [{usual}]" if usual else " (optional)" if question.optional else ""
    return input(f"{question.text}{hint}: ")


async def _found(
    args: argparse.Namespace, config: Config, path: Path, text: str | None, answers: Answers
) -> Founded:
    """Write the configuration, then all else in one commit: a repetition goes on from there."""
    clock = SystemClock()
    admin = Principal(role=Role.ADMIN, subject=answers["admin"])
    async with _store(config) as store:
        records = Records(store.records, clock, new_id, StoredBytes(0, clock.monotonic))
        number = len(await store.practices.every()) + 1
        if text:
            _write(path, text)
        try:
            return await Founding(store.practices, records).found(
                Caller(principal=admin, request_id=new_id()),
                new_clinic(answers, number),
                another=args.another,
            )
        except ValidationFailed as error:
            raise CliError(error.details[0].message) from None
        except Refusal as error:
            raise CliError(str(error)) from None


@asynccontextmanager
async def _store(config: Config) -> AsyncIterator[Store]:
    async with open_store(
        config.database,
        render=render,
        publisher=CommittedEvents(),
        new_id=new_id,
        clock=SystemClock(),
    ) as store:
        yield store


def _write(path: Path, text: str) -> None:
    try:
        write_config(path, text)
    except OSError as error:
        raise CliError(f"cannot write {path}: {error.strerror}") from None


def _named(one: Practice | Profile) -> dict[str, str]:
    return {"id": one.id, "name": one.name}


def _as_json(founded: Founded, path: Path, to_add: Sequence[str]) -> dict[str, Any]:
    return {
        "new": founded.is_new,
        "practices": [_named(founded.practice)],
        "people": [
            {**_named(each), "role": str(each.role), "subject": each.subject}
            for each in founded.people
        ],
        "config": str(path),
        "settings_to_add": list(to_add),
    }


def _lines(founded: Founded, admin: str, path: Path, to_add: Sequence[str]) -> Iterator[str]:
    if not founded.is_new:
        yield f"This hub is set up already, for {founded.practice.name}. Nothing was changed."
        return
    practice = founded.practice
    config = "" if path == DEFAULT_CONFIG else f" --config {shlex.quote(str(path))}"
    yield f"{practice.name} is set up ({practice.region}, {practice.time_zone})."
    for each in founded.people:
        yield f"  {each.role:<8} {each.name}  {each.id}"
    if to_add:
        yield f"Add these settings to {path}, below their [section] where it has one:"
        yield from (f"  {line}" for line in to_add)
    else:
        yield f"The settings are in {path}."
    yield ""
    yield "What to do next:"
    yield f"  chairside check{config}"
    yield f"  chairside serve{config}"
    yield "A token signs someone in for as long as --ttl says:"
    yield f"  chairside token{config} --role admin --subject {shlex.quote(admin)} --ttl 1d"
    for each in founded.people:
        subject = shlex.quote(each.subject or "")
        yield f"  chairside token{config} --role {each.role} --subject {subject} --ttl 1d"
    yield "The dentist opens /dentist and enters the opening hours; nothing can be booked before."
    yield "Patients of another program: chairside import-patients --help"
