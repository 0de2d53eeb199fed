"""Two records of one patient become one

The merged record stays, and no caller sees it. Who has an appointment sees its whole history,
also what happened under the merged id. Duplicates are found by their date of birth.
"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"

_ROLE, _PERSON = "(SELECT hub_claim('role'))", "(SELECT hub_claim('person'))"
_DECLARED = "ANY ((SELECT hub_claims('declared'))::text[])"
_NAMED = "ANY ((SELECT hub_named('people'))::text[])"
_MAINTENANCE = "(SELECT current_setting('hub.purpose', true)) = 'maintenance'"
_WAS_MERGED = (
    "EXISTS (SELECT 1 FROM public.profiles AS p"
    " WHERE p.id = practice_patients.patient_id AND p.merged_into IS NOT NULL)"
)
_IS_MINE = (
    "EXISTS (SELECT 1 FROM public.appointments AS a"  # noqa: S608  # constants of this file
    f" WHERE a.id = audit_log.resource_id AND a.patient_id = {_PERSON})"
)


def upgrade() -> None:
    on_postgresql = op.get_context().dialect.name == "postgresql"
    op.add_column("profiles", sa.Column("merged_into", sa.Text))
    op.create_index("ix_profiles_date_of_birth", "profiles", ["date_of_birth"])
    if on_postgresql:
        _guard()


def _guard() -> None:
    op.execute(
        "CREATE POLICY current ON profiles AS RESTRICTIVE FOR SELECT TO hub_owner"
        f" USING (merged_into IS NULL OR {_MAINTENANCE})"
    )
    _show("merged_into")
    op.execute(
        "CREATE POLICY of_person ON appointments FOR SELECT TO hub_reader"
        f" USING ({_ROLE} = 'hub' AND patient_id = {_NAMED})"
    )
    op.execute(
        "CREATE POLICY of_patient ON audit_log FOR SELECT TO hub_reader"
        f" USING (resource_kind = 'appointment' AND {_ROLE} = 'patient' AND {_IS_MINE})"
    )
    op.execute("GRANT UPDATE (patient_id) ON consents TO hub_writer")
    op.execute("GRANT DELETE ON practice_patients TO hub_writer")
    op.execute(
        "CREATE POLICY ended ON practice_patients FOR DELETE TO hub_writer"
        f" USING (patient_id = {_DECLARED} AND practice_id = {_DECLARED} AND {_WAS_MERGED})"
    )


def _show(column: str) -> None:
    """Callers read the column, too: it is empty in each row that they see."""
    view = str(
        op.get_bind().scalar(sa.text("SELECT pg_get_viewdef('hub_shown.profiles'::regclass)"))
    )
    shown, _, source = view.rpartition("FROM")
    op.execute(f"CREATE OR REPLACE VIEW hub_shown.profiles AS {shown}, {column} FROM {source}")
