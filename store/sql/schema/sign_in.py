"""Accounts, sessions and the ways in."""

import sqlalchemy as sa

from store.sql.schema.base import metadata
from store.sql.types import Instant

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
