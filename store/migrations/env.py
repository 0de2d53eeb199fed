"""Runs alembic on the connection that ``store.migrations.migrate`` passes."""

from alembic import context

from store.sql.schema import metadata

_applied = context.config.attributes["applied"]

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transaction_per_migration=True,
    transactional_ddl=True,
    on_version_apply=lambda *, step, **_: _applied(step.up_revision_id),
)
with context.begin_transaction():
    context.run_migrations()
