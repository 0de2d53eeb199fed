"""The commits of invitations, passkeys, and providers. Each function returns a plan."""

from collections.abc import Callable, Sequence
from datetime import datetime

from actors.domain.ids import ProfileId
from actors.domain.issuers import HUB
from actors.domain.message import Message
from actors.domain.principal import Principal
from actors.domain.provider import ProviderLink
from actors.domain.refusals import InvalidToken, ValidationFailed
from actors.domain.sign_in import (
    PASSKEYS_MAX,
    Account,
    Invitation,
    InvitationId,
    Passkey,
    SessionId,
)
from actors.ports.sign_in import Acceptance, Removal
from store.commit.audit import sign_in_params
from store.commit.sign_in_commit import ENDED, end_sessions
from store.sql.codec import ACCOUNT, INVITATION, MESSAGE, PASSKEY
from store.sql.prepared import Done, Plan, Step, execute, once
from store.sql.write_statements import WriteStatements


def inviting(
    by: Principal,
    request_id: str,
    invitation: Invitation,
    message: Message | None,
    sql: WriteStatements,
) -> Callable[[], Plan[Done[None]]]:
    """A person has one open invitation at most. With ``message``, it is sent."""
    statements, now = sql.sign_in, invitation.created_at
    done = ("created", "mailed") if message else ("created",)
    key = ("invitation", invitation.id)
    entries = [sign_in_params(by, now, request_id, *key, action) for action in done]

    def plan() -> Plan[Done[None]]:
        if invitation.profile_id:
            person = invitation.profile_id
            yield from execute(statements.end_invitations_of, person=person, ended_at=now)
            yield from execute(sql.messages.withdraw_invitations, ended_at=now)
        yield (
            once(statements.insert_invitation, **INVITATION.params(invitation)),
            Step(sql.messages.insert, [MESSAGE.params(message)] if message else []),
            Step(sql.insert_audit, entries),
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
        yield from execute(sql.messages.withdraw_invitations, ended_at=now)
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
        if accepted.is_new:
            yield from _add_alone(account, accepted.person, sql)
        used = (accepted.invitation_id, account)
        found = yield from _use_invitation(*used, request_id, now, sql)
        kept = accepted.passkey
        entry = sign_in_params(by, now, request_id, "passkey", kept.id, "added")
        yield (
            once(statements.insert_passkey, **PASSKEY.params(kept)),
            once(sql.insert_audit, **entry),
        )
        return Done(found)

    return plan


def adding_passkey(
    by: Principal, request_id: str, passkey: Passkey, sql: WriteStatements
) -> Callable[[], Plan[Done[None]]]:
    """With the account locked, so that its passkeys are counted."""
    statements, now = sql.sign_in, passkey.created_at

    def plan() -> Plan[Done[None]]:
        yield from execute(statements.account, row_id=passkey.account_id)
        known = yield from execute(statements.passkeys_of, account=passkey.account_id)
        if len(known) >= PASSKEYS_MAX:
            raise ValidationFailed.of("credential", f"there are {PASSKEYS_MAX}: remove one first")
        entry = sign_in_params(by, now, request_id, "passkey", passkey.id, "added")
        yield (
            once(statements.insert_passkey, **PASSKEY.params(passkey)),
            once(sql.insert_audit, **entry),
        )
        return Done(None)

    return plan


def removing_passkey(
    by: Principal, request_id: str, removal: Removal, sql: WriteStatements
) -> Callable[[], Plan[Done[Sequence[SessionId] | None]]]:
    """With the account locked, so that the last way in stays."""
    statements, account, now = sql.sign_in, removal.account_id, removal.at

    def plan() -> Plan[Done[Sequence[SessionId] | None]]:
        yield from execute(statements.account, row_id=account)
        rows = yield from execute(statements.passkeys_of, account=account)
        known = [PASSKEY.read(row).id for row in rows]
        if removal.passkey_id not in known:
            return Done(None)
        if len(known) == 1 and not removal.code_counts:
            subjects = yield from execute(statements.subjects_of, account=account)
            if not (subjects and removal.provider_counts):
                raise ValidationFailed.of("id", "is the last way in: add another passkey first")
        found = yield from execute(statements.open_sessions, account=account, now=now)
        others = [SessionId(id_) for (id_,) in found if id_ != removal.session]
        yield from end_sessions(others, by, request_id, now, ENDED, sql)
        entry = sign_in_params(by, now, request_id, "passkey", removal.passkey_id, "removed")
        yield (
            once(statements.drop_passkey, row_id=removal.passkey_id, account=account),
            once(sql.insert_audit, **entry),
        )
        return Done(others)

    return plan


def linking(
    request_id: str, link: ProviderLink, sql: WriteStatements
) -> Callable[[], Plan[Done[tuple[Account, Sequence[SessionId]]]]]:
    """An account signs in with an identity of the provider, which no other one has."""
    statements, account, now = sql.sign_in, link.account, link.at
    identity = {"of_issuer": link.issuer, "of_subject": link.subject}

    def plan() -> Plan[Done[tuple[Account, Sequence[SessionId]]]]:
        yield from execute(sql.lock_hub_alone)
        rows = yield from execute(statements.account_of_subject, **identity)
        if rows:
            if link.invitation_id is not None:
                raise InvalidToken("the identity got an account meanwhile")
            return Done((ACCOUNT.read(rows[0]), []))
        if link.is_new:
            yield from _add_alone(account, link.person, sql)
        ended: Sequence[SessionId] = []
        if link.invitation_id is not None:
            used = (link.invitation_id, account)
            ended = yield from _use_invitation(*used, request_id, now, sql)
        by = account.principal
        entry = sign_in_params(by, now, request_id, "account", account.id, "linked")
        row = {"issuer": link.issuer, "subject": link.subject, "account_id": account.id}
        yield (
            once(statements.insert_provider_subject, **row, created_at=now),
            once(sql.insert_audit, **entry),
        )
        return Done((account, ended))

    return plan


def _use_invitation(
    invitation: InvitationId,
    account: Account,
    request_id: str,
    now: datetime,
    sql: WriteStatements,
) -> Plan[Sequence[SessionId]]:
    """End it, and all that the account signed in with before; the sessions that ended."""
    statements, by = sql.sign_in, account.principal
    if not (yield from execute(statements.end_invitation, row_id=invitation, ended_at=now)):
        raise InvalidToken("the invitation is not open any more")
    rows = yield from execute(statements.open_sessions, account=account.id, now=now)
    found = [SessionId(id_) for (id_,) in rows]
    yield from end_sessions(found, by, request_id, now, ENDED, sql)
    yield (
        once(statements.drop_passkeys, account=account.id),
        once(statements.drop_provider_subjects, account=account.id),
        once(
            sql.insert_audit,
            **sign_in_params(by, now, request_id, "invitation", invitation, "used"),
        ),
    )
    return found


def _add_alone(account: Account, person: ProfileId | None, sql: WriteStatements) -> Plan[None]:
    """Add the only account of a person, or of an admin's name.

    Raises InvalidToken if another request made one meanwhile; it can then be used.
    """
    statements = sql.sign_in
    yield from execute(sql.lock_hub_alone)
    if person is not None:
        found = yield from execute(statements.accounts_of_person, person=person)
    else:
        found = yield from execute(statements.accounts_of_admin, admin=account.name or "")
    if found:
        raise InvalidToken("another account was made meanwhile")
    yield from add_account(account, person, sql)


def add_account(account: Account, person: ProfileId | None, sql: WriteStatements) -> Plan[None]:
    yield from execute(sql.sign_in.insert_account, **ACCOUNT.params(account))
    if person is not None:
        identity = {"issuer": HUB, "subject": account.subject, "created_at": account.created_at}
        added = yield from execute(sql.insert_identity, **identity, profile_id=person)
        assert added, "the account is new, and so is its subject"


def adding(
    account: Account, person: ProfileId | None, sql: WriteStatements
) -> Callable[[], Plan[Done[None]]]:
    def plan() -> Plan[Done[None]]:
        yield from add_account(account, person, sql)
        return Done(None)

    return plan


def using(passkey: Passkey, sql: WriteStatements) -> Callable[[], Plan[Done[bool]]]:
    def plan() -> Plan[Done[bool]]:
        used = {"sign_count": passkey.sign_count, "used_at": passkey.used_at}
        rows = yield from execute(sql.sign_in.use_passkey, row_id=passkey.id, **used)
        return Done(bool(rows))

    return plan
