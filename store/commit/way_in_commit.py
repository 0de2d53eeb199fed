"""The commits of invitations and passkeys. Each function returns a plan."""

from collections.abc import Callable, Sequence
from datetime import datetime

from actors.domain.ids import ProfileId
from actors.domain.issuers import HUB
from actors.domain.principal import Principal
from actors.domain.refusals import InvalidToken
from actors.domain.sign_in import Account, Invitation, InvitationId, Passkey, SessionId
from actors.ports.sign_in import Acceptance
from store.commit.audit import sign_in_params
from store.commit.sign_in_commit import ENDED, end_sessions
from store.sql.codec import ACCOUNT, INVITATION, PASSKEY
from store.sql.prepared import Done, Plan, execute, once
from store.sql.write_statements import WriteStatements


def inviting(
    by: Principal, request_id: str, invitation: Invitation, sql: WriteStatements
) -> Callable[[], Plan[Done[None]]]:
    """A person has one open invitation at most."""
    statements, now = sql.sign_in, invitation.created_at
    entry = sign_in_params(by, now, request_id, "invitation", invitation.id, "created")

    def plan() -> Plan[Done[None]]:
        if invitation.profile_id:
            person = invitation.profile_id
            yield from execute(statements.end_invitations_of, person=person, ended_at=now)
        yield (
            once(statements.insert_invitation, **INVITATION.params(invitation)),
            once(sql.insert_audit, **entry),
        )
        return Done(None)

    return plan


def revoking(
    by: Principal,
    request_id: str,
    invitation_id: InvitationId,
    now: datetime,
    sql: WriteStatements,
) -> Callable[[], Plan[Done[bool]]]:
    entry = sign_in_params(by, now, request_id, "invitation", invitation_id, "revoked")

    def plan() -> Plan[Done[bool]]:
        ending = {"row_id": invitation_id, "ended_at": now}
        if not (yield from execute(sql.sign_in.end_invitation, **ending)):
            return Done(False)
        yield from execute(sql.insert_audit, **entry)
        return Done(True)

    return plan


def accepting(
    request_id: str, accepted: Acceptance, sql: WriteStatements
) -> Callable[[], Plan[Done[Sequence[SessionId]]]]:
    """Use the invitation, once; all that the account signed in with before ends."""
    statements, account, now = sql.sign_in, accepted.account, accepted.at
    by = account.principal

    def plan() -> Plan[Done[Sequence[SessionId]]]:
        ending = {"row_id": accepted.invitation_id, "ended_at": now}
        if not (yield from execute(statements.end_invitation, **ending)):
            raise InvalidToken("the invitation is not open any more")
        if accepted.is_new:
            yield from _add(account, accepted.person, sql)
        counting = {"account": account.id, "now": now}
        rows = yield from execute(statements.open_sessions, **counting)
        found = [SessionId(id_) for (id_,) in rows]
        yield from end_sessions(found, by, request_id, now, ENDED, sql)
        kept = accepted.passkey
        entries = (
            ("invitation", accepted.invitation_id, "used"),
            ("passkey", kept.id, "added"),
        )
        yield (
            once(statements.drop_passkeys, account=account.id),
            once(statements.insert_passkey, **PASSKEY.params(kept)),
            *(
                once(sql.insert_audit, **sign_in_params(by, now, request_id, *entry))
                for entry in entries
            ),
        )
        return Done(found)

    return plan


def _add(account: Account, person: ProfileId | None, sql: WriteStatements) -> Plan[None]:
    yield from execute(sql.sign_in.insert_account, **ACCOUNT.params(account))
    if person is not None:
        identity = {"issuer": HUB, "subject": account.subject, "created_at": account.created_at}
        added = yield from execute(sql.insert_identity, **identity, profile_id=person)
        assert added, "the account is new, and so is its subject"


def adding(
    account: Account, person: ProfileId | None, sql: WriteStatements
) -> Callable[[], Plan[Done[None]]]:
    def plan() -> Plan[Done[None]]:
        yield from _add(account, person, sql)
        return Done(None)

    return plan


def using(passkey: Passkey, sql: WriteStatements) -> Callable[[], Plan[Done[bool]]]:
    def plan() -> Plan[Done[bool]]:
        used = {"sign_count": passkey.sign_count, "used_at": passkey.used_at}
        rows = yield from execute(sql.sign_in.use_passkey, row_id=passkey.id, **used)
        return Done(bool(rows))

    return plan
