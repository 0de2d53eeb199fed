"""The commit of what matches tokens with a person."""

from actors.domain.issuers import EXTERNAL
from actors.domain.profile import Profile
from actors.domain.refusals import Refusal, ValidationFailed
from actors.ports.commits import Turn
from store.sql.prepared import Plan, execute
from store.sql.write_statements import WriteStatements


def refuse_used_subject(profile: Profile, sql: WriteStatements) -> Plan[None]:
    """Raise ValidationFailed if the profile's subject is another person's."""
    if profile.subject is not None:
        wanted = {"wanted_issuer": EXTERNAL, "wanted": profile.subject}
        owners = yield from execute(sql.owner_of_subject, **wanted)
        if any(owner != profile.id for (owner,) in owners):
            raise subject_used()


def save_identity(
    before: Profile | None, profile: Profile, turn: Turn, sql: WriteStatements
) -> Plan[None]:
    """Match tokens with the profile's subject, and those of the subject before no more."""
    old = before.subject if before else None
    if old == profile.subject:
        return
    if old is not None:
        lost = {"wanted_issuer": EXTERNAL, "wanted": old}
        yield from execute(sql.delete_identity, **lost, profile=profile.id)
    if profile.subject is not None:
        inserted = yield from execute(
            sql.insert_identity,
            issuer=EXTERNAL,
            subject=profile.subject,
            profile_id=profile.id,
            created_at=turn.at,
        )
        if not inserted:
            raise subject_used()  # another transaction was faster


def subject_used() -> Refusal:
    return ValidationFailed.of("subject", "This subject already has a profile")
