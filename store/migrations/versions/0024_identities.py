"""People are matched by the issuer and the subject of a token

Until now by the subject alone, as one issuer was believed: that of section ``[auth]``. It is
named ``auth`` here, and has the subjects that there are. ``profiles.subject``
keeps its copy of it.
"""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

from store.sql.types import Instant

revision = "0024"
down_revision = "0023"

# As in 0016: scalar subqueries, evaluated once a statement and not once a row.
_ROLE = "(SELECT hub_claim('role'))"
_ISSUER, _EXACT, _EXACT_KEY = (
    f"(SELECT hub_known('{name}'))" for name in ("issuer", "exact", "exact_key")
)
_IS_PHONE = f"phone = {_EXACT} OR phone_key = ANY ((SELECT hub_known_phones())::text[])"
_DECLARED = "ANY ((SELECT hub_claims('declared'))::text[])"


def _named(claim: str) -> str:
    return f"ANY ((SELECT hub_named('{claim}'))::text[])"


_OF_TOKENS = (
    "ANY (ARRAY(SELECT i.profile_id FROM public.identities AS i"  # noqa: S608  # constants of this file
    f" WHERE i.issuer = {_ISSUER} AND i.subject = {_named('subjects')}))"
)
_PEOPLE_LOOKED_UP = (
    f"{_ROLE} = 'hub' AND (id = {_named('people')} OR id = {_OF_TOKENS}"
    f" OR (practice_id = {_named('practices')} AND role = 'dentist')"
    f" OR email_key = {_EXACT_KEY} OR {_IS_PHONE})"
)


def upgrade() -> None:
    op.create_table(
        "identities",
        sa.Column("issuer", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("profile_id", sa.Text, sa.ForeignKey("profiles.id"), nullable=False),
        sa.Column("created_at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("issuer", "subject", name="pk_identities"),
    )
    _carry_over(op.get_bind())
    op.create_index("ix_identities_profile_id", "identities", ["profile_id"])
    if op.get_context().dialect.name == "postgresql":
        _guard()


def _carry_over(connection: sa.Connection) -> None:
    names = ("issuer", "subject", "profile_id")
    identities = sa.table("identities", *map(sa.column, names), sa.column("created_at", Instant))
    people = sa.table("profiles", sa.column("id"), sa.column("subject"))
    known = sa.select(
        sa.literal("auth"),
        people.c.subject,
        people.c.id,
        sa.literal(datetime.now(UTC), Instant),
    ).where(people.c.subject.is_not(None))
    connection.execute(sa.insert(identities).from_select([*names, "created_at"], known))


def _guard() -> None:
    """Row security as of revision 0006. Callers see nothing."""
    is_theirs = f"profile_id = {_DECLARED}"
    for statement in (
        "ALTER TABLE identities ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE identities FORCE ROW LEVEL SECURITY",
        (
            "CREATE POLICY maintained ON identities FOR ALL TO hub_owner"
            " USING ((SELECT current_setting('hub.purpose', true)) = 'maintenance')"
        ),
        "GRANT SELECT ON identities TO hub_reader",
        f"CREATE POLICY seen ON identities FOR SELECT TO hub_reader USING ({_ROLE} = 'hub')",
        "GRANT SELECT, INSERT, DELETE ON identities TO hub_writer",
        "GRANT UPDATE (profile_id) ON identities TO hub_writer",
        "CREATE POLICY checked ON identities FOR SELECT TO hub_writer USING (true)",
        f"CREATE POLICY written ON identities FOR INSERT TO hub_writer WITH CHECK ({is_theirs})",
        (
            "CREATE POLICY changed ON identities FOR UPDATE TO hub_writer"
            f" USING ({is_theirs}) WITH CHECK ({is_theirs})"
        ),
        f"CREATE POLICY forgotten ON identities FOR DELETE TO hub_writer USING ({is_theirs})",
        f"ALTER POLICY seen ON profiles USING ({_PEOPLE_LOOKED_UP})",
    ):
        op.execute(statement)
