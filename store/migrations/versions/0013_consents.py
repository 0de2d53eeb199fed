"""Consents of patients to chatbots"""

import sqlalchemy as sa
from alembic import op

from store.sql.types import Instant

revision = "0013"
down_revision = "0012"

_AT_MY_CALENDAR = (
    "SELECT 1 FROM public.appointments AS a"  # constants of this file
    " WHERE a.dentist_id = (SELECT hub_own('dentist')) AND a.patient_id = consents.patient_id"
    " AND a.status NOT IN ('held', 'released', 'expired')"
)
_SEEN = (
    "(SELECT hub_claim('role')) IN ('hub', 'admin')"
    " OR patient_id = (SELECT hub_claim('concerned'))"
    " OR given_by = (SELECT CASE hub_claim('role') WHEN 'dentist'"
    " THEN 'dentist:' || hub_claim('sub') END)"
    f" OR EXISTS ({_AT_MY_CALENDAR})"
)
"""The hub checks them; the patient, the patient's dentists, who recorded them and admins
manage them."""
_WRITTEN = "patient_id = ANY ((SELECT hub_claims('declared'))::text[])"


def upgrade() -> None:
    op.create_table(
        "consents",
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
    if op.get_context().dialect.name == "postgresql":
        _guard()


def _guard() -> None:
    """Row security as of revision 0006: closed first, then opened policy by policy."""
    for statement in (
        "ALTER TABLE consents ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE consents FORCE ROW LEVEL SECURITY",
        (
            "CREATE POLICY maintained ON consents FOR ALL TO hub_owner"
            " USING ((SELECT current_setting('hub.purpose', true)) = 'maintenance')"
        ),
        "GRANT SELECT ON consents TO hub_reader",
        f"CREATE POLICY seen ON consents FOR SELECT TO hub_reader USING ({_SEEN})",
        "GRANT SELECT, INSERT ON consents TO hub_writer",
        (
            "GRANT UPDATE (given_at, given_by, expires_at, ended_at, version)"
            " ON consents TO hub_writer"
        ),
        "CREATE POLICY checked ON consents FOR SELECT TO hub_writer USING (true)",
        f"CREATE POLICY written ON consents FOR INSERT TO hub_writer WITH CHECK ({_WRITTEN})",
        (
            "CREATE POLICY changed ON consents FOR UPDATE TO hub_writer"
            f" USING ({_WRITTEN}) WITH CHECK ({_WRITTEN})"
        ),
    ):
        op.execute(statement)
