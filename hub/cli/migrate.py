"""``chairside migrate``: creates the database, or updates its schema."""

import argparse

from hub.cli.common import add_config, configured_quietly, show
from store.migrations.migrate import Revision, plan, upgrade

SUMMARY = "create the database, or update its schema to this version"
EXAMPLE = "chairside migrate --config config.toml"
add_arguments = add_config


def run(args: argparse.Namespace) -> int:
    config = configured_quietly(args.config)
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
