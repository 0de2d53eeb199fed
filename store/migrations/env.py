"""How alembic runs here: on the connection that ``store.migrations.migrate`` hands over."""

from alembic import context

from store.sql.schema import metadata

_tell = context.config.attributes["tell"]

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transaction_per_migration=True,
    transactional_ddl=True,
    on_version_apply=lambda *, step, **_: _tell(step.up_revision_id),
)
with context.begin_transaction():
    context.run_migrations()
