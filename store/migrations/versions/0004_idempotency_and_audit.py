"""Idempotency keys and the audit log"""

import sqlalchemy as sa
from alembic import op

from store.sql.types import Instant, SerialKey

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "idempotency_keys",
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
        sa.PrimaryKeyConstraint("scope", "key"),
    )
    for columns in (["dentist_id", "created_at"], ["created_at"]):
        op.create_index(f"ix_idempotency_keys_{'_'.join(columns)}", "idempotency_keys", columns)
    _audit_log()


def _audit_log() -> None:
    op.create_table(
        "audit_log",
        sa.Column("id", SerialKey, primary_key=True, autoincrement=True),
        sa.Column("at", Instant, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("acting", sa.Text),
        sa.Column("on_behalf_of", sa.Text),
        sa.Column("resource_kind", sa.Text, nullable=False),
        sa.Column("resource_id", sa.Text),
        sa.Column("dentist_id", sa.Text),
        sa.Column("patient_id", sa.Text),
        sa.Column("old_status", sa.Text),
        sa.Column("new_status", sa.Text),
        sa.Column("old_starts_at", Instant),
        sa.Column("old_ends_at", Instant),
        sa.Column("new_starts_at", Instant),
        sa.Column("new_ends_at", Instant),
        sa.Column("version", sa.Integer),
        sa.Column("found", sa.Integer),
        sa.Column("request_id", sa.Text, nullable=False),
    )
    op.create_index("ix_audit_log_resource_id", "audit_log", ["resource_id"])
