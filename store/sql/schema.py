"""The tables, as statements use them. The migrations create them; a test compares the two."""

from collections.abc import Iterable

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)
from sqlalchemy.types import Float

from actors.domain.appointment import ATTENDING, LIVE, NEVER_BOOKED, Status
from store.sql.types import Instant, SerialKey, Sorted


def status_list(statuses: Iterable[Status]) -> str:
    """The statuses as SQL constants, always in the same order.

    SQLite uses a partial index only for a query that repeats its condition literally.
    """
    wanted = frozenset(statuses)
    return ", ".join(f"'{status}'" for status in Status if status in wanted)


IS_LIVE = text(f"status IN ({status_list(LIVE)})")
IS_ATTENDING = text(f"status IN ({status_list(ATTENDING)})")
IS_HELD = text("status = 'held'")
IS_COMPLETED = text("status = 'completed'")
WAS_BOOKED = text(f"status NOT IN ({status_list(NEVER_BOOKED)})")
IS_OVER_UNBOOKED = text(f"status IN ({status_list({Status.RELEASED, Status.EXPIRED})})")
IS_PENDING = text("status = 'pending'")

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

hub = Table(
    "hub",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("first_epoch", BigInteger, nullable=False),
    CheckConstraint("id = 1", name="one_row"),
)

profiles = Table(
    "profiles",
    metadata,
    Column("id", Text, primary_key=True),
    Column("subject", Text, unique=True),
    Column("role", Text, nullable=False),
    Column("name", Sorted, nullable=False),
    Column("email", Text),
    Column("phone", Text, index=True),
    Column("time_zone", Text),
    Column("created_by", Text, ForeignKey("profiles.id"), index=True),
    Column("version", Integer, nullable=False),
    # Folded copies: the engines' own lower() disagree outside ASCII.
    Column("email_key", Text, index=True),
    Column("search_text", Text, nullable=False),
    CheckConstraint("role IN ('dentist', 'patient')", name="role"),
    Index("ix_profiles_role_name_id", "role", "name", "id"),
)

calendars = Table(
    "calendars",
    metadata,
    Column("dentist_id", Text, ForeignKey("profiles.id"), primary_key=True),
    Column("fence", BigInteger, nullable=False),
    Column("owner", Text),
    Column("schedule", Text, nullable=False),
    Column("schedule_version", Integer, nullable=False),
    Index("ix_calendars_owner", "owner"),
)

appointment_types = Table(
    "appointment_types",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Sorted, nullable=False),
    Column("duration_minutes", Integer, nullable=False),
    Column("buffer_before_minutes", Integer, nullable=False),
    Column("buffer_after_minutes", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    CheckConstraint("duration_minutes > 0", name="duration"),
)

appointments = Table(
    "appointments",
    metadata,
    Column("id", Text, primary_key=True),
    Column("dentist_id", Text, ForeignKey("calendars.dentist_id"), nullable=False),
    Column("patient_id", Text, ForeignKey("profiles.id"), nullable=False),
    Column("appointment_type_id", Text, ForeignKey("appointment_types.id"), nullable=False),
    Column("starts_at", Instant, nullable=False),
    Column("ends_at", Instant, nullable=False),
    Column("buffer_before_minutes", Integer, nullable=False),
    Column("buffer_after_minutes", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("expires_at", Instant),
    Column("version", Integer, nullable=False),
    Column("overbooked", Boolean, nullable=False),
    Column("created_via", Text, nullable=False),
    Column("notes", Text),
    Column("cancel_reason", Text),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    # Of the last change: the authenticated party, and the person it acted for (or 'system').
    Column("changed_by", Text, nullable=False),
    Column("on_behalf_of", Text, nullable=False),
    CheckConstraint("starts_at < ends_at", name="length"),
    CheckConstraint(f"status IN ({status_list(Status)})", name="status"),
    CheckConstraint("status <> 'held' OR expires_at IS NOT NULL", name="hold_ends"),
    Index("ix_appointments_dentist_id_starts_at_id", "dentist_id", "starts_at", "id"),
    Index("ix_appointments_patient_id_starts_at_id", "patient_id", "starts_at", "id"),
    Index(
        "ix_appointments_live",
        "dentist_id",
        "ends_at",
        sqlite_where=IS_LIVE,
        postgresql_where=IS_LIVE,
    ),
    Index(
        "ix_appointments_attending",
        "patient_id",
        "ends_at",
        sqlite_where=IS_ATTENDING,
        postgresql_where=IS_ATTENDING,
    ),
    Index("ix_appointments_held", "expires_at", sqlite_where=IS_HELD, postgresql_where=IS_HELD),
    Index("ix_appointments_own_patients", "dentist_id", "patient_id", "status"),
    Index(
        "ix_appointments_over",
        "updated_at",
        sqlite_where=IS_OVER_UNBOOKED,
        postgresql_where=IS_OVER_UNBOOKED,
    ),
)

channels = Table(
    "channels",
    metadata,
    Column("channel", Text, primary_key=True),
    Column("epoch", BigInteger, nullable=False),
    Column("offset", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

realtime_events = Table(
    "realtime_events",
    metadata,
    Column("channel", Text, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("status", Text, nullable=False),
    Column("broadcast_at", Instant),
    Column("latency_ms", Float),
    Column("attempts", Integer, nullable=False),
    Column("recipients", Integer),
    Column("error", Text),
    PrimaryKeyConstraint("channel", "offset"),
    CheckConstraint("status IN ('pending', 'sent', 'failed')", name="status"),
    Index(
        "ix_realtime_events_pending",
        "channel",
        "offset",
        sqlite_where=IS_PENDING,
        postgresql_where=IS_PENDING,
    ),
    Index("ix_realtime_events_created_at", "created_at"),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("scope", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("internal", Boolean, nullable=False),
    Column("dentist_id", Text),
    Column("outcome", Text, nullable=False),
    Column("resource_id", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("created_at", Instant, nullable=False),
    PrimaryKeyConstraint("scope", "key"),
    Index("ix_idempotency_keys_dentist_id_created_at", "dentist_id", "created_at"),
    Index("ix_idempotency_keys_created_at", "created_at"),
)

audit_log = Table(
    "audit_log",
    metadata,
    Column("id", SerialKey, primary_key=True, autoincrement=True),
    Column("at", Instant, nullable=False),
    Column("action", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("acting", Text),
    Column("on_behalf_of", Text),
    Column("resource_kind", Text, nullable=False),
    Column("resource_id", Text),
    Column("dentist_id", Text),
    Column("patient_id", Text),
    Column("old_status", Text),
    Column("new_status", Text),
    Column("old_starts_at", Instant),
    Column("old_ends_at", Instant),
    Column("new_starts_at", Instant),
    Column("new_ends_at", Instant),
    Column("version", Integer),
    Column("found", Integer),
    Column("request_id", Text, nullable=False),
    Index("ix_audit_log_resource_id", "resource_id"),
)

webhooks = Table(
    "webhooks",
    metadata,
    Column("id", Text, primary_key=True),
    # The principal that created it: deliveries are decided with exactly these rights.
    Column("owner", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("acting", Text),
    Column("patient_id", Text, ForeignKey("profiles.id")),
    Column("rights_until", Instant),
    Column("url", Text, nullable=False),
    Column("description", Text),
    Column("channels", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("disabled_reason", Text),
    Column("disabled_at", Instant),
    Column("version", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    CheckConstraint("status IN ('active', 'disabled')", name="status"),
    CheckConstraint("(status = 'disabled') = (disabled_at IS NOT NULL)", name="disabled"),
    Index("ix_webhooks_scope_id", "scope", "id"),
    Index("ix_webhooks_owner", "owner"),
)

webhook_secrets = Table(
    "webhook_secrets",
    metadata,
    Column("webhook_id", Text, ForeignKey("webhooks.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("secret", Text, nullable=False),
    Column("expires_at", Instant),
    PrimaryKeyConstraint("webhook_id", "number"),
)

webhook_cursors = Table(
    "webhook_cursors",
    metadata,
    Column("webhook_id", Text, ForeignKey("webhooks.id"), nullable=False),
    Column("channel", Text, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("offset", BigInteger, nullable=False),
    # Counts every change, so that a delivery in progress notices that the cursor was moved.
    Column("moves", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("failing_since", Instant),
    Column("next_attempt_at", Instant),
    PrimaryKeyConstraint("webhook_id", "channel"),
)

webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("webhook_id", Text, ForeignKey("webhooks.id"), nullable=False),
    Column("channel", Text, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("delivered", Boolean, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("first_at", Instant, nullable=False),
    Column("last_at", Instant, nullable=False),
    Column("response_status", Integer),
    Column("duration_ms", Float),
    Column("error", Text),
    PrimaryKeyConstraint("webhook_id", "channel", "epoch", "offset"),
    Index("ix_webhook_deliveries_last_at", "last_at"),
)

# About this database only, so they are not dumped.
OF_THIS_DATABASE = {"dumped": False}

nodes = Table(
    "nodes",
    metadata,
    # Of one run of a process: a node that was buried joins again under a new id.
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("joined_at", Instant, nullable=False),
    Column("lease_until", Instant, nullable=False),
    CheckConstraint("state IN ('live', 'leaving')", name="state"),
    info=OF_THIS_DATABASE,
)

cluster = Table(
    "cluster",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    # Raised whenever a node comes, goes, or begins to leave.
    Column("epoch", BigInteger, nullable=False),
    # The key that nodes sign with, unless the configuration sets one; the first node makes it.
    Column("key", Text, nullable=False),
    CheckConstraint("id = 1", name="one_row"),
    info=OF_THIS_DATABASE,
)
