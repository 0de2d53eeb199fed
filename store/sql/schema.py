"""The tables, as statements use them. The migrations create them; a test compares the two."""

from collections.abc import Iterable

import sqlalchemy as sa

from actors.domain.appointment import ATTENDING, LIVE, NEVER_BOOKED, UNBOOKED, Status
from store.sql.types import Instant, SerialKey, Sorted


def status_list(statuses: Iterable[Status]) -> str:
    """The statuses as SQL constants, always in the same order.

    SQLite uses a partial index only for a query that repeats its condition literally.
    """
    wanted = frozenset(statuses)
    return ", ".join(f"'{status}'" for status in Status if status in wanted)


IS_LIVE = sa.text(f"status IN ({status_list(LIVE)})")
IS_HELD = sa.text("status = 'held'")
IS_ATTENDING = sa.text(f"status IN ({status_list(ATTENDING)})")
IS_COMPLETED = sa.text("status = 'completed'")
WAS_BOOKED = sa.text(f"status NOT IN ({status_list(NEVER_BOOKED)})")
IS_OVER_UNBOOKED = sa.text(f"status IN ({status_list(UNBOOKED)})")
IS_QUEUED = sa.text("state = 'queued'")
IS_NOT_QUEUED = sa.text("state <> 'queued'")
_VIA_PATIENT = "created_via IN ('patient', 'chatbot')"
BOOKED_BY_PATIENT = sa.text(f"{WAS_BOOKED.text} AND {_VIA_PATIENT}")
MAKES_PATIENT = sa.text(f"{WAS_BOOKED.text} AND (status <> 'cancelled' OR {_VIA_PATIENT})")
"""That a booking makes someone a patient: if others made it for them, until it is cancelled."""


def _partial_index(name: str, *columns: str, where: sa.TextClause) -> sa.Index:
    return sa.Index(name, *columns, sqlite_where=where, postgresql_where=where)


metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

hub = sa.Table(
    "hub",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("first_epoch", sa.BigInteger, nullable=False),
    sa.CheckConstraint("id = 1", name="one_row"),
)

practices = sa.Table(
    "practices",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("name", Sorted, nullable=False),
    sa.Column("time_zone", sa.Text, nullable=False),
    sa.Column("region", sa.Text),
    sa.Column("address", sa.Text),
    sa.Column("phone", sa.Text),
    sa.Column("email", sa.Text),
    sa.Column("website", sa.Text),
    sa.Column("closures", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("dentists_see", sa.Text, nullable=False, server_default="own"),
)

profiles = sa.Table(
    "profiles",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("subject", sa.Text, unique=True),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("name", Sorted, nullable=False),
    sa.Column("email", sa.Text),
    sa.Column("phone", sa.Text, index=True),
    sa.Column("time_zone", sa.Text),
    sa.Column("created_by", sa.Text, sa.ForeignKey("profiles.id"), index=True),
    sa.Column("version", sa.Integer, nullable=False),
    # Compared forms (actors/domain/contact.py): the engines' own lower() disagree outside ASCII.
    sa.Column("email_key", sa.Text, index=True),
    # Of patients, their words, each on a line: see actors/domain/patient_words.py.
    sa.Column("search_text", sa.Text, nullable=False),
    sa.Column("phone_key", sa.Text, index=True),
    sa.Column("practice_id", sa.Text, sa.ForeignKey("practices.id"), index=True),
    sa.Column("active", sa.Boolean, nullable=False, server_default=sa.true()),
    sa.Column("date_of_birth", sa.Text, index=True),
    sa.Column("language", sa.Text),
    sa.Column("consent", sa.Text),
    # No foreign key: an import inserts people in order of id, and the survivor may come later.
    sa.Column("merged_into", sa.Text),
    sa.CheckConstraint("role IN ('dentist', 'staff', 'patient')", name="role"),
    sa.Index("ix_profiles_role_name_id", "role", "name", "id"),
)

identities = sa.Table(
    "identities",
    metadata,
    sa.Column("issuer", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("profile_id", sa.Text, sa.ForeignKey("profiles.id"), nullable=False, index=True),
    sa.Column("created_at", Instant, nullable=False),
    sa.PrimaryKeyConstraint("issuer", "subject"),
)

accounts = sa.Table(
    "accounts",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("name", sa.Text),
    sa.Column("created_at", Instant, nullable=False),
)

# A copy of the hub elsewhere has other sessions and keys, so they are not dumped.
sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("account_id", sa.Text, sa.ForeignKey("accounts.id"), nullable=False, index=True),
    sa.Column("method", sa.Text, nullable=False),
    sa.Column("device", sa.Text, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("used_at", Instant, nullable=False),
    sa.Column("ends_at", Instant, nullable=False, index=True),
    sa.Column("ended_at", Instant, index=True),
    info={"dumped": False},
)

session_secrets = sa.Table(
    "session_secrets",
    metadata,
    sa.Column("session_id", sa.Text, sa.ForeignKey("sessions.id"), primary_key=True),
    sa.Column("handle_hash", sa.Text, nullable=False, unique=True),
    sa.Column("secret_hash", sa.Text, nullable=False),
    sa.Column("previous_hash", sa.Text),
    sa.Column("rotation_key", sa.Text, nullable=False),
    sa.Column("rotated_at", Instant, nullable=False),
    info={"dumped": False},
)

signing_keys = sa.Table(
    "signing_keys",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("private_key", sa.Text, nullable=False),
    sa.Column("public_key", sa.Text, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    info={"dumped": False},
)

invitations = sa.Table(
    "invitations",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("profile_id", sa.Text, sa.ForeignKey("profiles.id"), index=True),
    sa.Column("name", sa.Text),
    sa.Column("practice_id", sa.Text, sa.ForeignKey("practices.id"), index=True),
    sa.Column("token_hash", sa.Text, nullable=False, unique=True),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("expires_at", Instant, nullable=False, index=True),
    sa.Column("ended_at", Instant),
    info={"dumped": False},
)

passkeys = sa.Table(
    "passkeys",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("account_id", sa.Text, sa.ForeignKey("accounts.id"), nullable=False, index=True),
    sa.Column("public_key", sa.LargeBinary, nullable=False),
    sa.Column("sign_count", sa.BigInteger, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("used_at", Instant),
)

ceremonies = sa.Table(
    "ceremonies",
    metadata,
    sa.Column("handle_hash", sa.Text, primary_key=True),
    sa.Column("challenge", sa.Text, nullable=False),
    sa.Column("account_id", sa.Text),
    sa.Column("invitation_id", sa.Text),
    sa.Column("expires_at", Instant, nullable=False, index=True),
    info={"dumped": False},
)

mail_codes = sa.Table(
    "mail_codes",
    metadata,
    sa.Column("handle_hash", sa.Text, primary_key=True),
    sa.Column("account_id", sa.Text, sa.ForeignKey("accounts.id")),
    sa.Column("code_hash", sa.Text, nullable=False),
    sa.Column("link_hash", sa.Text, nullable=False),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("expires_at", Instant, nullable=False, index=True),
    info={"dumped": False},
)

provider_sign_ins = sa.Table(
    "provider_sign_ins",
    metadata,
    sa.Column("handle_hash", sa.Text, primary_key=True),
    sa.Column("invitation_hash", sa.Text),
    sa.Column("next_page", sa.Text),
    sa.Column("expires_at", Instant, nullable=False, index=True),
    info={"dumped": False},
)

provider_subjects = sa.Table(
    "provider_subjects",
    metadata,
    sa.Column("issuer", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("account_id", sa.Text, sa.ForeignKey("accounts.id"), nullable=False, index=True),
    sa.Column("created_at", Instant, nullable=False),
    sa.PrimaryKeyConstraint("issuer", "subject"),
)

wrong_codes = sa.Table(
    "wrong_codes",
    metadata,
    sa.Column("account_id", sa.Text, sa.ForeignKey("accounts.id"), primary_key=True),
    sa.Column("since", Instant, nullable=False),
    sa.Column("count", sa.Integer, nullable=False),
    info={"dumped": False},
)

registrations = sa.Table(
    "registrations",
    metadata,
    sa.Column("handle_hash", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("email", sa.Text, nullable=False),
    sa.Column("phone", sa.Text, nullable=False),
    sa.Column("date_of_birth", sa.Text, nullable=False),
    sa.Column("language", sa.Text),
    sa.Column("expires_at", Instant, nullable=False, index=True),
    info={"dumped": False},
)

address_tries = sa.Table(
    "address_tries",
    metadata,
    sa.Column("address_hash", sa.Text, primary_key=True),
    sa.Column("since", Instant, nullable=False, index=True),
    sa.Column("count", sa.Integer, nullable=False),
    info={"dumped": False},
)

wrong_birth_dates = sa.Table(
    "wrong_birth_dates",
    metadata,
    sa.Column("profile_id", sa.Text, sa.ForeignKey("profiles.id"), primary_key=True),
    sa.Column("count", sa.Integer, nullable=False),
    info={"dumped": False},
)

LINKED = "linked"
"""The ``source`` of a patient whom the hub knew before the practice."""

practice_patients = sa.Table(
    "practice_patients",
    metadata,
    sa.Column("practice_id", sa.Text, sa.ForeignKey("practices.id"), nullable=False),
    sa.Column("patient_id", sa.Text, sa.ForeignKey("profiles.id"), nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("since", Instant, nullable=False),
    sa.Column("remark", sa.Text),
    sa.Column("version", sa.Integer, nullable=False, server_default="1"),
    sa.PrimaryKeyConstraint("practice_id", "patient_id"),
    sa.Index("ix_practice_patients_patient_id", "patient_id"),
)

# The words by which patients are found, in each practice that they belong to; each has the empty
# one. Triggers derive them from ``profiles.search_text``, so they are not dumped.
patient_words = sa.Table(
    "patient_words",
    metadata,
    sa.Column("practice_id", sa.Text, nullable=False),
    sa.Column("word", Sorted, nullable=False),
    sa.Column("patient_id", sa.Text, nullable=False),
    sa.PrimaryKeyConstraint("practice_id", "word", "patient_id"),
    sa.Index("ix_patient_words_patient_id", "patient_id", "practice_id", "word"),
    sqlite_with_rowid=False,
    info={"dumped": False},
)

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
    _partial_index("ix_appointments_held", "expires_at", where=IS_HELD),
    sa.Index("ix_appointments_own_patients", "dentist_id", "patient_id", "status"),
    _partial_index("ix_appointments_over", "updated_at", where=IS_OVER_UNBOOKED),
)

# The log of events. It is only appended to; ids rise with the offsets of each channel.
event_log = sa.Table(
    "event_log",
    metadata,
    sa.Column("id", SerialKey, primary_key=True, autoincrement=True),
    sa.Column("epoch", sa.BigInteger, nullable=False),
    sa.Column("event_id", sa.Text, nullable=False),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("payload", sa.LargeBinary, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    # Who made the change. Versions before revision 0025 stored none of them.
    *(sa.Column(name, sa.Text) for name in ("by_role", "by_id", "by_name")),
)

FORGOTTEN = 0
"""In place of an event that retention has deleted."""

# The offsets of an event in its channels. Those of a channel have no gap; the largest is its
# head, which is kept when the event itself is deleted.
event_channels = sa.Table(
    "event_channels",
    metadata,
    sa.Column("event", sa.BigInteger, nullable=False),
    sa.Column("channel", sa.Text, nullable=False),
    sa.Column("offset", sa.BigInteger, nullable=False),
    sa.PrimaryKeyConstraint("event", "channel"),
    sa.UniqueConstraint("channel", "offset"),
    sqlite_with_rowid=False,
)

# How an event was broadcast in a channel. An event without such a row is pending.
deliveries = sa.Table(
    "deliveries",
    metadata,
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

# The view of the three tables, with which events are read.
realtime_events = sa.Table(
    "realtime_events",
    sa.MetaData(),
    sa.Column("channel", sa.Text),
    sa.Column("offset", sa.BigInteger),
    sa.Column("epoch", sa.BigInteger),
    sa.Column("event_id", sa.Text),
    sa.Column("type", sa.Text),
    sa.Column("payload", sa.LargeBinary),
    sa.Column("created_at", Instant),
    sa.Column("status", sa.Text),
    sa.Column("broadcast_at", Instant),
    sa.Column("latency_ms", sa.Float),
    sa.Column("attempts", sa.Integer),
    sa.Column("recipients", sa.Integer),
    sa.Column("error", sa.Text),
    *(sa.Column(name, sa.Text) for name in ("by_role", "by_id", "by_name")),
)

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

consents = sa.Table(
    "consents",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("patient_id", sa.Text, sa.ForeignKey("profiles.id"), nullable=False),
    sa.Column("party", sa.Text, nullable=False),
    sa.Column("given_at", Instant, nullable=False),
    sa.Column("given_by", sa.Text, nullable=False),
    sa.Column("expires_at", Instant, nullable=False),
    sa.Column("ended_at", Instant),
    sa.Column("version", sa.Integer, nullable=False),
    sa.UniqueConstraint("patient_id", "party", name="uq_consents_patient_id_party"),
)

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
    _partial_index("ix_messages_queued", "next_attempt_at", where=IS_QUEUED),
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

# About this database only, so they are not dumped.
OF_THIS_DATABASE = {"dumped": False}

nodes = sa.Table(
    "nodes",
    metadata,
    # Of one run of a process: a node that was evicted joins again under a new id.
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("address", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("joined_at", Instant, nullable=False),
    sa.Column("lease_until", Instant, nullable=False),
    sa.CheckConstraint("state IN ('live', 'leaving')", name="state"),
    info=OF_THIS_DATABASE,
)

cluster = sa.Table(
    "cluster",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    # Raised whenever a node comes, goes, or begins to leave.
    sa.Column("epoch", sa.BigInteger, nullable=False),
    # The key that nodes sign with, unless the configuration sets one; the first node makes it.
    sa.Column("key", sa.Text, nullable=False),
    sa.CheckConstraint("id = 1", name="one_row"),
    info=OF_THIS_DATABASE,
)
