"""``chairside migrate``: bring the database to this version's schema."""

import argparse

from hub.cli.common import add_command, add_config, configured, log_only_warnings, show
from store.migrations.migrate import Revision, plan, upgrade


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = add_command(
        subparsers,
        "migrate",
        _run,
        summary="create the database, or bring it to this version's schema",
        example="chairside migrate --config config.toml",
    )
    add_config(parser)


def _run(args: argparse.Namespace) -> int:
    config = configured(args.config)
    log_only_warnings(config)

    database = config.database
    todo = plan(database.migrate_url or database.url)
    if todo.pending and not args.json:
        print(
            f"The database is at schema {todo.current or 'nothing yet'};"
            f" {len(todo.pending)} steps lead to {todo.head}:",
            flush=True,
        )

    def progress(revision: Revision, number: int, total: int) -> None:
        if not args.json:
            print(f"  {number}/{total}  {revision.id}  {revision.title}", flush=True)

    done = upgrade(database.url, progress, migrate_url=database.migrate_url or None)
    show(
        args,
        {"from": done.current, "to": done.head, "applied": [step.id for step in done.pending]},
        [
            f"The database is at schema {done.head}"
            + ("." if done.pending else ", as before; there was nothing to do.")
        ],
    )
    return 0
