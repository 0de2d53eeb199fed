"""Calendars, appointment types and appointments."""

import sqlalchemy as sa

from actors.domain.appointment import Status
from store.sql.schema.base import IS_HELD, IS_OVER_UNBOOKED, metadata, partial_index, status_list
from store.sql.types import Instant, Sorted

_BY_ALL = '["patient", "staff"]'

calendars = sa.Table(
    "calendars",
    metadata,
    sa.Column("dentist_id", sa.Text, sa.ForeignKey("profiles.id"), primary_key=True),
    sa.Column("fence", sa.BigInteger, nullable=False),
    sa.Column("owner", sa.Text),
    sa.Column("schedule", sa.Text, nullable=False),
    sa.Column("schedule_version", sa.Integer, nullable=False),
    sa.Index("ix_calendars_owner", "owner"),
)

appointment_types = sa.Table(
    "appointment_types",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("name", Sorted, nullable=False),
    sa.Column("duration_minutes", sa.Integer, nullable=False),
    sa.Column("buffer_before_minutes", sa.Integer, nullable=False),
    sa.Column("buffer_after_minutes", sa.Integer, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("description", sa.Text),
    sa.Column("sort_order", sa.Integer, nullable=False, server_default="0"),
    sa.Column("color", sa.Text),
    # JSON; who may book it.
    sa.Column("bookable_by", sa.Text, nullable=False, server_default=_BY_ALL),
    sa.Column("active", sa.Boolean, nullable=False, server_default=sa.true()),
    sa.Column("practice_id", sa.Text, sa.ForeignKey("practices.id")),
    # JSON; NULL: as set for the hub.
    sa.Column("reminder_hours", sa.Text),
    sa.CheckConstraint("duration_minutes > 0", name="duration"),
)

appointments = sa.Table(
    "appointments",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("dentist_id", sa.Text, sa.ForeignKey("calendars.dentist_id"), nullable=False),
    sa.Column("patient_id", sa.Text, sa.ForeignKey("profiles.id"), nullable=False),
    sa.Column(
        "appointment_type_id", sa.Text, sa.ForeignKey("appointment_types.id"), nullable=False
    ),
    sa.Column("starts_at", Instant, nullable=False),
    sa.Column("ends_at", Instant, nullable=False),
    sa.Column("buffer_before_minutes", sa.Integer, nullable=False),
    sa.Column("buffer_after_minutes", sa.Integer, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("expires_at", Instant),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("overbooked", sa.Boolean, nullable=False),
    sa.Column("created_via", sa.Text, nullable=False),
    sa.Column("notes", sa.Text),
    sa.Column("cancel_reason", sa.Text),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("updated_at", Instant, nullable=False),
    # Of the last change: the authenticated party, and the person it acted for (or 'system').
    sa.Column("changed_by", sa.Text, nullable=False),
    sa.Column("on_behalf_of", sa.Text, nullable=False),
    sa.Column("patient_confirmed_at", Instant),
    sa.CheckConstraint("starts_at < ends_at", name="length"),
    sa.CheckConstraint(f"status IN ({status_list(Status)})", name="status"),
    sa.CheckConstraint("status <> 'held' OR expires_at IS NOT NULL", name="hold_ends"),
    sa.Index("ix_appointments_dentist_id_starts_at_id", "dentist_id", "starts_at", "id"),
    sa.Index("ix_appointments_patient_id_starts_at_id", "patient_id", "starts_at", "id"),
    partial_index("ix_appointments_held", "expires_at", where=IS_HELD),
    sa.Index("ix_appointments_own_patients", "dentist_id", "patient_id", "status"),
    partial_index("ix_appointments_over", "updated_at", where=IS_OVER_UNBOOKED),
)
