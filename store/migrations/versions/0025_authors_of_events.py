"""Who made the change that an event reports

``event_log`` keeps the person and the role. The view ``realtime_events`` names the person in the
channels of calendars; in others it shows the role, and in those that everyone reads not even that.
"""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"

_ADDED = ("by_role", "by_id", "by_name")
_VIEW = (
    'SELECT c.channel, c."offset", e.epoch, e.event_id, e.type, e.payload, e.created_at,'
    " coalesce(d.status, 'pending') AS status, d.broadcast_at, d.latency_ms,"
    " coalesce(d.attempts, 0) AS attempts, d.recipients, d.error,"
    " CASE WHEN substr(c.channel, 1, 13) <> 'availability:' THEN e.by_role END AS by_role,"
    " CASE WHEN substr(c.channel, 1, 21) = 'appointments:dentist:' THEN e.by_id END AS by_id,"
    " CASE WHEN substr(c.channel, 1, 21) = 'appointments:dentist:' THEN e.by_name END AS by_name"
    " FROM {schema}.event_channels AS c JOIN {schema}.event_log AS e ON e.id = c.event"
    " LEFT JOIN {schema}.deliveries AS d ON d.event = c.event AND d.channel = c.channel"
)


def upgrade() -> None:
    on_postgresql = op.get_context().dialect.name == "postgresql"
    if not on_postgresql:
        op.execute("DROP VIEW realtime_events")
    for name in _ADDED:
        op.add_column("event_log", sa.Column(name, sa.Text))
    if not on_postgresql:
        op.execute(f"CREATE VIEW realtime_events AS {_VIEW.format(schema='main')}")
        return
    view = _VIEW.format(schema="public")
    for name, option in (
        ("public", "security_invoker"),
        ("hub_shown", "security_barrier"),
    ):
        op.execute(
            f"CREATE OR REPLACE VIEW {name}.realtime_events WITH ({option} = true) AS {view}"
        )
