"""Events are appended: one row for an event, one for each of its channels, none is updated

Previously each channel had a row with the whole event, which was updated when it was broadcast,
and a row for its head. Now ``event_log`` has the event, ``event_channels`` its offsets and
``deliveries`` its broadcasts; ``realtime_events`` is a view of the three. The head of a channel
is its largest offset, and the epoch of all channels is ``hub.first_epoch``.

The events that there are become an event for each channel, in an order in which the offsets of
each channel rise: retention deletes from the beginning of the log.
"""

import sqlalchemy as sa
from alembic import op

from store.sql.types import Instant, SerialKey

revision = "0015"
down_revision = "0014"

VIEW = (
    'SELECT c.channel, c."offset", e.epoch, e.event_id, e.type, e.payload, e.created_at,'
    " coalesce(d.status, 'pending') AS status, d.broadcast_at, d.latency_ms,"
    " coalesce(d.attempts, 0) AS attempts, d.recipients, d.error"
    " FROM {schema}.event_channels AS c JOIN {schema}.event_log AS e ON e.id = c.event"
    " LEFT JOIN {schema}.deliveries AS d ON d.event = c.event AND d.channel = c.channel"
)


def upgrade() -> None:
    on_postgresql = op.get_context().dialect.name == "postgresql"
    if on_postgresql:
        op.execute("SET LOCAL hub.purpose = 'maintenance'")
    _create_tables()
    _copy_events()
    op.drop_table("realtime_events")
    op.drop_table("channels")
    _number_replies(on_postgresql)
    if on_postgresql:
        _continue_ids()
        _restrict()
        _show()
        op.execute("SET LOCAL hub.purpose = ''")
    else:
        op.execute(f"CREATE VIEW realtime_events AS {VIEW.format(schema='main')}")


def _create_tables() -> None:
    op.create_table(
        "event_log",
        sa.Column("id", SerialKey, primary_key=True, autoincrement=True),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("event_id", sa.Text, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.Column("created_at", Instant, nullable=False),
    )
    op.create_table(
        "event_channels",
        sa.Column("event", sa.BigInteger, nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("offset", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("event", "channel"),
        sa.UniqueConstraint("channel", "offset"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "deliveries",
        sa.Column("event", sa.BigInteger, nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("broadcast_at", Instant),
        sa.Column("latency_ms", sa.Float),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("recipients", sa.Integer),
        sa.Column("error", sa.Text),
        sa.PrimaryKeyConstraint("event", "channel"),
        sa.CheckConstraint("status IN ('sent', 'failed')", name="status"),
        sqlite_with_rowid=False,
    )


def _copy_events() -> None:
    """In the order of time; where a clock went back, an event follows those before it."""
    numbered = (
        "CREATE TABLE numbered_events AS SELECT"
        ' row_number() OVER (ORDER BY last_at, "offset", channel) AS id, channel, "offset"'
        ' FROM (SELECT channel, "offset", max(created_at) OVER'
        ' (PARTITION BY channel ORDER BY "offset") AS last_at FROM realtime_events) AS placed'
    )
    joined = (
        "FROM numbered_events AS n JOIN realtime_events AS r"
        ' ON r.channel = n.channel AND r."offset" = n."offset"'
    )
    for statement in (
        numbered,
        (
            "INSERT INTO event_log (id, epoch, event_id, type, payload, created_at)"
            f" SELECT n.id, r.epoch, r.event_id, r.type, r.payload, r.created_at {joined}"
            " ORDER BY n.id"
        ),
        (
            'INSERT INTO event_channels (event, channel, "offset")'
            ' SELECT id, channel, "offset" FROM numbered_events ORDER BY id'
        ),
        (
            "INSERT INTO deliveries (event, channel, status, broadcast_at, latency_ms, attempts,"
            " recipients, error) SELECT n.id, r.channel, r.status, r.broadcast_at, r.latency_ms,"
            f" r.attempts, r.recipients, r.error {joined} WHERE r.status <> 'pending' ORDER BY n.id"
        ),
        "DROP TABLE numbered_events",
        (  # the heads of channels whose last event is forgotten
            'INSERT INTO event_channels (event, channel, "offset")'
            ' SELECT 0, c.channel, c."offset" FROM channels AS c'
            ' WHERE c."offset" > 0 AND NOT EXISTS (SELECT 1 FROM realtime_events AS r'
            ' WHERE r.channel = c.channel AND r."offset" = c."offset")'
        ),
        (
            "UPDATE hub SET first_epoch = (SELECT max(epoch) FROM channels)"
            " WHERE first_epoch < (SELECT max(epoch) FROM channels)"
        ),
    ):
        op.execute(statement)


def _number_replies(on_postgresql: bool) -> None:
    """A serial key, by which retention deletes: the index by time was written for nothing else."""
    op.drop_index("ix_idempotency_keys_created_at", "idempotency_keys")
    if on_postgresql:
        for statement in (
            "ALTER TABLE idempotency_keys DROP CONSTRAINT pk_idempotency_keys",
            "ALTER TABLE idempotency_keys ADD COLUMN id BIGSERIAL",
            "ALTER TABLE idempotency_keys ADD CONSTRAINT pk_idempotency_keys PRIMARY KEY (id)",
            (
                "ALTER TABLE idempotency_keys ADD CONSTRAINT uq_idempotency_keys_scope_key"
                " UNIQUE (scope, key)"
            ),
            "GRANT USAGE ON SEQUENCE idempotency_keys_id_seq TO hub_writer",
        ):
            op.execute(statement)
        return
    op.drop_index("ix_idempotency_keys_dentist_id_created_at", "idempotency_keys")
    op.rename_table("idempotency_keys", "old_replies")
    columns = (
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("internal", sa.Boolean, nullable=False),
        sa.Column("dentist_id", sa.Text),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("resource_id", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("created_at", Instant, nullable=False),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("id", SerialKey, primary_key=True, autoincrement=True),
        *columns,
        sa.UniqueConstraint("scope", "key"),
    )
    names = ", ".join(column.name for column in columns)
    op.execute(
        f"INSERT INTO idempotency_keys ({names}) SELECT {names} FROM old_replies"  # noqa: S608  # as above
        " ORDER BY created_at, rowid"
    )
    op.drop_table("old_replies")
    op.create_index(
        "ix_idempotency_keys_dentist_id_created_at",
        "idempotency_keys",
        ["dentist_id", "created_at"],
    )


# --- PostgreSQL ----------------------------------------------------------------------------

# Scalar subqueries, so that each is evaluated once a statement and not once a row.
_HUB = "(SELECT hub_claim('role')) = 'hub'"
_LOOKED_UP = "ANY ((SELECT hub_named('channels'))::text[])"
_DECLARED = "ANY ((SELECT hub_claims('declared'))::text[])"
_OWN_CHANNEL = (
    "channel = ANY ((SELECT hub_channels())::text[])"
    " OR ((SELECT hub_claim('role')) IS NOT NULL AND starts_with(channel, 'availability:'))"
)
_DELIVERED = (
    "EXISTS (SELECT 1 FROM public.deliveries AS d"
    " WHERE d.event = event_channels.event AND d.channel = event_channels.channel)"
)
_HAS_CHANNELS = "EXISTS (SELECT 1 FROM public.event_channels AS c WHERE c.event = {event})"
_OF_CHANNEL = (
    "EXISTS (SELECT 1 FROM public.event_channels AS c"
    " WHERE c.event = deliveries.event AND c.channel = deliveries.channel)"
)

_POLICIES = {
    "event_log": {
        # The hub reads the channels that it looks up, and what is pending.
        "seen": (
            f"FOR SELECT TO hub_reader USING ({_HUB} AND EXISTS ("  # noqa: S608  # constants
            "SELECT 1 FROM public.event_channels AS c WHERE c.event = event_log.id"
            f" AND (c.channel = {_LOOKED_UP} OR NOT EXISTS (SELECT 1 FROM public.deliveries AS d"
            " WHERE d.event = c.event AND d.channel = c.channel))))"
        ),
        # By the channels that are shown: a join would let conditions see the event before it.
        "shown": f"FOR SELECT TO hub_owner USING ({_HAS_CHANNELS.format(event='event_log.id')})",
        "written": "FOR INSERT TO hub_writer WITH CHECK (true)",
        "forgotten": (
            f"FOR DELETE TO hub_writer USING (NOT {_HAS_CHANNELS.format(event='event_log.id')})"
        ),
    },
    "event_channels": {
        "seen": f"FOR SELECT TO hub_reader USING ({_HUB})",
        "shown": f"FOR SELECT TO hub_owner USING ({_OWN_CHANNEL})",
        "written": (
            "FOR INSERT TO hub_writer WITH CHECK (event > 0"
            " AND (channel !~ '^(appointments|availability):dentist:'"
            f" OR split_part(channel, ':', 3) = {_DECLARED}))"
        ),
        "changed": (
            f"FOR UPDATE TO hub_writer USING (event > 0 AND {_DELIVERED}) WITH CHECK (event = 0)"
        ),
        "forgotten": f"FOR DELETE TO hub_writer USING (event = 0 OR {_DELIVERED})",
    },
    "deliveries": {
        "seen": f"FOR SELECT TO hub_reader USING ({_HUB})",
        "shown": f"FOR SELECT TO hub_owner USING ({_OF_CHANNEL})",
        "written": "FOR INSERT TO hub_writer WITH CHECK (true)",
        "changed": "FOR UPDATE TO hub_writer USING (true) WITH CHECK (true)",
        "forgotten": f"FOR DELETE TO hub_writer USING (NOT {_OF_CHANNEL})",
    },
}
_UPDATED_COLUMNS = {
    "event_channels": "event",
    "deliveries": "status, broadcast_at, latency_ms, attempts, recipients, error",
}


def _continue_ids() -> None:
    op.execute(
        "SELECT setval('event_log_id_seq', (SELECT coalesce(max(id), 0) + 1 FROM event_log), false)"
    )


def _restrict() -> None:
    """Row security as of revision 0006: closed first, then opened policy by policy."""
    for table, policies in _POLICIES.items():
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        maintained = "(SELECT current_setting('hub.purpose', true)) = 'maintenance'"
        op.execute(f"CREATE POLICY maintained ON {table} FOR ALL TO hub_owner USING ({maintained})")
        op.execute(f"CREATE POLICY checked ON {table} FOR SELECT TO hub_writer USING (true)")
        for name, policy in policies.items():
            op.execute(f"CREATE POLICY {name} ON {table} {policy}")
        op.execute(f"GRANT SELECT ON {table} TO hub_reader")
        op.execute(f"GRANT SELECT, INSERT, DELETE ON {table} TO hub_writer")
        if columns := _UPDATED_COLUMNS.get(table):
            op.execute(f"GRANT UPDATE ({columns}) ON {table} TO hub_writer")
    op.execute("GRANT USAGE ON SEQUENCE event_log_id_seq TO hub_writer")


def _show() -> None:
    """Callers read views, which hide the ids of events: they tell how much was written between.

    The barrier keeps conditions of the caller from events of other channels.
    """
    view = VIEW.format(schema="public")
    for statement in (
        f"CREATE VIEW public.realtime_events WITH (security_invoker = true) AS {view}",
        "GRANT SELECT ON public.realtime_events TO hub_reader",
        f"CREATE VIEW hub_shown.realtime_events WITH (security_barrier = true) AS {view}",
        "GRANT SELECT ON hub_shown.realtime_events TO hub_reader",
        (
            "CREATE VIEW hub_shown.event_channels AS"
            ' SELECT channel, "offset" FROM public.event_channels'
        ),
        "GRANT SELECT ON hub_shown.event_channels TO hub_reader",
    ):
        op.execute(statement)
