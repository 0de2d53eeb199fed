"""Webhooks: receivers, positions in channels, and deliveries"""

import sqlalchemy as sa
from alembic import op

from store.sql.types import Instant

revision = "0008"
down_revision = "0007"

_HUB = "(SELECT hub_claim('role')) = 'hub'"
_OWN = "scope = ANY ((SELECT hub_claims('scopes'))::text[])"
_OF_OWN = f"webhook_id IN (SELECT w.id FROM webhooks AS w WHERE w.{_OWN})"  # noqa: S608  # constants of this file
_DECLARED = "(patient_id IS NULL OR patient_id = ANY ((SELECT hub_claims('declared'))::text[]))"

_SEEN = {
    "webhooks": f"{_HUB} OR {_OWN}",
    "webhook_secrets": _HUB,  # shown once, when they are made
    "webhook_cursors": f"{_HUB} OR {_OF_OWN}",
    "webhook_deliveries": f"{_HUB} OR {_OF_OWN}",
}
"""What ``hub_reader`` sees: the hub delivers, owners see their own."""

_CHANGED_COLUMNS = {
    "webhooks": (
        "url, description, channels, status, disabled_reason, disabled_at, rights_until,"
        " version, updated_at"
    ),
    "webhook_secrets": "expires_at",
    "webhook_cursors": 'epoch, "offset", moves, attempts, failing_since, next_attempt_at',
    "webhook_deliveries": "delivered, attempts, last_at, response_status, duration_ms, error",
}
"""Whose a webhook is never changes, nor which event a delivery was of."""


def upgrade() -> None:
    _webhooks()
    _secrets()
    _cursors()
    _deliveries()
    if op.get_context().dialect.name == "postgresql":
        for table in _SEEN:
            _guard(table)


def _webhooks() -> None:
    op.create_table(
        "webhooks",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("acting", sa.Text),
        sa.Column("patient_id", sa.Text, sa.ForeignKey("profiles.id")),
        sa.Column("rights_until", Instant),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("description", sa.Text),
        sa.Column("channels", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("disabled_reason", sa.Text),
        sa.Column("disabled_at", Instant),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("updated_at", Instant, nullable=False),
        sa.CheckConstraint("status IN ('active', 'disabled')", name="status"),
        sa.CheckConstraint("(status = 'disabled') = (disabled_at IS NOT NULL)", name="disabled"),
    )
    op.create_index("ix_webhooks_scope_id", "webhooks", ["scope", "id"])
    op.create_index("ix_webhooks_owner", "webhooks", ["owner"])


def _of_webhook() -> sa.Column[str]:
    return sa.Column("webhook_id", sa.Text, sa.ForeignKey("webhooks.id"), nullable=False)


def _secrets() -> None:
    op.create_table(
        "webhook_secrets",
        _of_webhook(),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("secret", sa.Text, nullable=False),
        sa.Column("expires_at", Instant),
        sa.PrimaryKeyConstraint("webhook_id", "number"),
    )


def _cursors() -> None:
    op.create_table(
        "webhook_cursors",
        _of_webhook(),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("offset", sa.BigInteger, nullable=False),
        sa.Column("moves", sa.BigInteger, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("failing_since", Instant),
        sa.Column("next_attempt_at", Instant),
        sa.PrimaryKeyConstraint("webhook_id", "channel"),
    )


def _deliveries() -> None:
    op.create_table(
        "webhook_deliveries",
        _of_webhook(),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("offset", sa.BigInteger, nullable=False),
        sa.Column("event_id", sa.Text, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("delivered", sa.Boolean, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("first_at", Instant, nullable=False),
        sa.Column("last_at", Instant, nullable=False),
        sa.Column("response_status", sa.Integer),
        sa.Column("duration_ms", sa.Float),
        sa.Column("error", sa.Text),
        sa.PrimaryKeyConstraint("webhook_id", "channel", "epoch", "offset"),
    )
    op.create_index("ix_webhook_deliveries_last_at", "webhook_deliveries", ["last_at"])


def _guard(table: str) -> None:
    """Row security as of revision 0006: closed first, then opened policy by policy."""
    written = _DECLARED if table == "webhooks" else "true"
    for statement in (
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
        (
            f"CREATE POLICY maintained ON {table} FOR ALL TO hub_owner"
            " USING ((SELECT current_setting('hub.purpose', true)) = 'maintenance')"
        ),
        f"GRANT SELECT ON {table} TO hub_reader",
        f"CREATE POLICY seen ON {table} FOR SELECT TO hub_reader USING ({_SEEN[table]})",
        f"GRANT SELECT, INSERT, DELETE ON {table} TO hub_writer",
        f"GRANT UPDATE ({_CHANGED_COLUMNS[table]}) ON {table} TO hub_writer",
        f"CREATE POLICY checked ON {table} FOR SELECT TO hub_writer USING (true)",
        f"CREATE POLICY written ON {table} FOR INSERT TO hub_writer WITH CHECK ({written})",
        (
            f"CREATE POLICY changed ON {table} FOR UPDATE TO hub_writer"
            f" USING ({written}) WITH CHECK ({written})"
        ),
        f"CREATE POLICY forgotten ON {table} FOR DELETE TO hub_writer USING ({written})",
    ):
        op.execute(statement)
