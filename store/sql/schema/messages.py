"""Messages to people, and the links in them."""

import sqlalchemy as sa

from store.sql.schema.base import IS_QUEUED, metadata, partial_index
from store.sql.types import Instant

messages = sa.Table(
    "messages",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("channel", sa.Text, nullable=False),
    sa.Column("practice_id", sa.Text, sa.ForeignKey("practices.id")),
    sa.Column("dentist_id", sa.Text),
    sa.Column("patient_id", sa.Text, sa.ForeignKey("profiles.id")),
    sa.Column("appointment_id", sa.Text, sa.ForeignKey("appointments.id")),
    sa.Column("visit_start", Instant),
    sa.Column("lead_minutes", sa.Integer),
    # Of codes and invitations: to whom, and what it says until it was sent.
    sa.Column("address", sa.Text),
    sa.Column("content", sa.Text),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("error", sa.Text),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("expires_at", Instant, nullable=False),
    sa.Column("next_attempt_at", Instant),
    sa.Column("claimed_until", Instant),
    sa.Column("sent_at", Instant),
    sa.Column("version", sa.Integer, nullable=False),
    sa.CheckConstraint("state IN ('queued', 'sent', 'failed', 'expired')", name="state"),
    sa.CheckConstraint("(state = 'queued') = (next_attempt_at IS NOT NULL)", name="pending"),
    sa.CheckConstraint("state = 'queued' OR content IS NULL", name="erased"),
    sa.CheckConstraint("(appointment_id IS NULL) = (address IS NOT NULL)", name="addressed"),
    sa.CheckConstraint("appointment_id IS NULL OR content IS NULL", name="secret"),
    # A reminder is made once. Other kinds have no lead, and NULLs are distinct.
    sa.UniqueConstraint("appointment_id", "kind", "lead_minutes", "visit_start"),
    partial_index("ix_messages_queued", "next_attempt_at", where=IS_QUEUED),
    sa.Index("ix_messages_dentist_id_created_at_id", "dentist_id", "created_at", "id"),
    sa.Index("ix_messages_created_at_id", "created_at", "id"),
    sa.Index("ix_messages_patient_id_created_at", "patient_id", "created_at"),
    sa.Index("ix_messages_practice_id_sent_at", "practice_id", "sent_at"),
)

# Of messages about visits to come; tokens are stored as hashes.
visit_links = sa.Table(
    "visit_links",
    metadata,
    sa.Column("token_hash", sa.Text, primary_key=True),
    sa.Column("message_id", sa.Text, nullable=False),
    sa.Column(
        "appointment_id", sa.Text, sa.ForeignKey("appointments.id"), nullable=False, index=True
    ),
    sa.Column("patient_id", sa.Text, sa.ForeignKey("profiles.id"), nullable=False),
    sa.Column("practice_id", sa.Text, sa.ForeignKey("practices.id")),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("expires_at", Instant, nullable=False, index=True),
    sa.Column("revoked_at", Instant),
)
