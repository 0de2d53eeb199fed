"""Practices, people, and which patients belong to a practice."""

import sqlalchemy as sa

from store.sql.schema.base import metadata
from store.sql.types import Instant, Sorted

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
