"""Replies to repeat, and the audit log."""

import sqlalchemy as sa

from store.sql.schema.base import metadata
from store.sql.types import Instant, SerialKey

idempotency_keys = sa.Table(
    "idempotency_keys",
    metadata,
    sa.Column("id", SerialKey, primary_key=True, autoincrement=True),
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
    sa.UniqueConstraint("scope", "key"),
    sa.Index("ix_idempotency_keys_dentist_id_created_at", "dentist_id", "created_at"),
)

audit_log = sa.Table(
    "audit_log",
    metadata,
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
    sa.Index("ix_audit_log_resource_id", "resource_id"),
)
