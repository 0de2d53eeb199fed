"""Webhooks and their deliveries."""

import sqlalchemy as sa

from store.sql.schema.base import metadata
from store.sql.types import Instant

webhooks = sa.Table(
    "webhooks",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    # The principal that created it: deliveries are decided with exactly these rights.
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
    # The key that verified the owner's token. Versions before revision 0010 set neither.
    sa.Column("key_id", sa.Text),
    sa.Column("expires_at", Instant),
    sa.CheckConstraint("status IN ('active', 'disabled')", name="status"),
    sa.CheckConstraint("(status = 'disabled') = (disabled_at IS NOT NULL)", name="disabled"),
    sa.Index("ix_webhooks_patient_id", "patient_id"),
    sa.Index("ix_webhooks_scope_id", "scope", "id"),
    sa.Index("ix_webhooks_owner", "owner"),
)

webhook_secrets = sa.Table(
    "webhook_secrets",
    metadata,
    sa.Column("webhook_id", sa.Text, sa.ForeignKey("webhooks.id"), nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("secret", sa.Text, nullable=False),
    sa.Column("expires_at", Instant),
    sa.PrimaryKeyConstraint("webhook_id", "number"),
)

webhook_cursors = sa.Table(
    "webhook_cursors",
    metadata,
    sa.Column("webhook_id", sa.Text, sa.ForeignKey("webhooks.id"), nullable=False),
    sa.Column("channel", sa.Text, nullable=False),
    sa.Column("epoch", sa.BigInteger, nullable=False),
    sa.Column("offset", sa.BigInteger, nullable=False),
    # Counts every change, so that a delivery in progress notices that the cursor was moved.
    sa.Column("moves", sa.BigInteger, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("failing_since", Instant),
    sa.Column("next_attempt_at", Instant),
    sa.PrimaryKeyConstraint("webhook_id", "channel"),
)

webhook_deliveries = sa.Table(
    "webhook_deliveries",
    metadata,
    sa.Column("webhook_id", sa.Text, sa.ForeignKey("webhooks.id"), nullable=False),
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
    sa.Index("ix_webhook_deliveries_last_at", "last_at"),
)
