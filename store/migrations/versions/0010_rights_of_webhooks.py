"""The key and the expiry of webhooks, and who may see them"""

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from alembic import op

from store.sql.types import Instant

revision = "0010"
down_revision = "0009"

_LIFETIME = timedelta(days=90)

_SEEN = (
    "(SELECT hub_claim('role')) IN ('hub', 'admin')"
    " OR scope = ANY ((SELECT hub_claims('scopes'))::text[])"
    " OR patient_id = (SELECT hub_claim('concerned'))"
)
"""The hub delivers, an admin may disable; owners see their own, patients those about them."""


def upgrade() -> None:
    op.add_column("webhooks", sa.Column("key_id", sa.Text))
    op.add_column("webhooks", sa.Column("expires_at", Instant))
    op.create_index("ix_webhooks_patient_id", "webhooks", ["patient_id"])
    on_postgresql = op.get_context().dialect.name == "postgresql"
    if on_postgresql:
        op.execute("GRANT UPDATE (key_id, expires_at) ON webhooks TO hub_writer")
        op.execute(f"ALTER POLICY seen ON webhooks USING ({_SEEN})")
        op.execute("SET LOCAL hub.purpose = 'maintenance'")
    # The key of existing webhooks is not known: the hub suspends them when it starts.
    webhooks = sa.table("webhooks", sa.column("expires_at", Instant))
    op.execute(sa.update(webhooks).values(expires_at=datetime.now(UTC) + _LIFETIME))
    if on_postgresql:
        op.execute("SET LOCAL hub.purpose = ''")
