"""Invitations, passkeys, codes, and identity providers: see :mod:`actors.ports.sign_in`."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from sqlalchemy import and_, func, select, tuple_

from actors.domain.contact import email_key
from actors.domain.issuers import HUB, HUB_SUBJECT_PREFIX
from actors.domain.message import Message
from actors.domain.principal import Principal, Role
from actors.domain.profile import Profile
from actors.domain.provider import ProviderLink, ProviderSignIn
from actors.domain.registration import Registration
from actors.domain.sign_in import (
    Account,
    AccountId,
    Ceremony,
    CodeAttempt,
    Invitation,
    InvitationId,
    MailCode,
    Passkey,
    SessionId,
)
from actors.ports.sign_in import Acceptance, InvitationPage, Removal
from store.commit import mail_code_commit
from store.commit import way_in_commit as commit
from store.sql.codec import ACCOUNT, CEREMONY, INVITATION, PASSKEY, PROFILE, PROVIDER_SIGN_IN
from store.sql.prepared import Done, Plan, Rows, Statement, execute, once
from store.sql.readers import Lookup, Readers
from store.sql.schema import accounts, identities, invitations, profiles
from store.sql.write_statements import WriteStatements
from store.sql.writer import Writer, single_job, step_job

_n = invitations.c
_TWO_ARE_AMBIGUOUS = 2


class InvitationRepository:
    """Implements :class:`actors.ports.sign_in.InvitationStore`."""

    def __init__(self, writer: Writer, readers: Readers, sql: WriteStatements) -> None:
        self._writer, self._readers, self._sql = writer, readers, sql

    async def add(
        self,
        by: Principal,
        request_id: str,
        invitation: Invitation,
        message: Message | None = None,
    ) -> None:
        plan = commit.inviting(by, request_id, invitation, message, self._sql)
        await self._writer.run(single_job(plan))

    async def visible(
        self,
        by: Principal,
        now: datetime,
        *,
        limit: int,
        after: tuple[datetime, InvitationId] | None,
    ) -> InvitationPage:
        is_open = and_(_n.ended_at.is_(None), _n.expires_at > now)
        newest = select(*INVITATION.columns).where(is_open)
        newest = newest.order_by(_n.created_at.desc(), _n.id.desc()).limit(limit + 1)
        if after:
            newest = newest.where(tuple_(_n.created_at, _n.id) < after)
        counting = select(func.count(_n.id)).where(is_open)
        async with self._readers.caller(by) as connection:
            found = [INVITATION.read(row) for row in await connection.execute(newest)]
            total = int((await connection.execute(counting)).scalar_one())
        rows = found[:limit]
        more = len(found) > limit
        return InvitationPage(
            invitations=rows,
            total=total,
            next_after=(rows[-1].created_at, rows[-1].id) if more else None,
        )

    async def revoke(
        self, by: Principal, request_id: str, invitation_id: InvitationId, now: datetime
    ) -> bool:
        async with self._readers.caller(by) as connection:
            seen = select(_n.id).where(_n.id == invitation_id)
            if (await connection.execute(seen)).one_or_none() is None:
                return False
        plan = commit.revoking(by, request_id, invitation_id, now, self._sql)
        return await self._writer.run(single_job(plan))

    async def of_token(self, token_hash: str) -> Invitation | None:
        rows = await _read(self._writer, self._sql.sign_in.invitation_of_token, token=token_hash)
        return INVITATION.read(rows[0]) if rows else None


class PasskeyRepository:
    """Implements :class:`actors.ports.sign_in.PasskeyStore`.

    It reads as the writer: readers have no right to see passkeys.
    """

    def __init__(self, writer: Writer, sql: WriteStatements) -> None:
        self._writer, self._sql = writer, sql

    async def begin(self, ceremony: Ceremony) -> None:
        values = CEREMONY.params(ceremony)
        await self._writer.run(step_job(once(self._sql.sign_in.insert_ceremony, **values)))

    async def take(self, handle_hash: str) -> Ceremony | None:
        rows = await _read(self._writer, self._sql.sign_in.take_ceremony, handle=handle_hash)
        return CEREMONY.read(rows[0]) if rows else None

    async def find(self, passkey_id: str) -> tuple[Passkey, Account] | None:
        rows = await _read(self._writer, self._sql.sign_in.passkey, row_id=passkey_id)
        if not rows:
            return None
        return PASSKEY.read(rows[0]), ACCOUNT.read(rows[0][len(PASSKEY.columns) :])

    async def use(self, passkey: Passkey) -> bool:
        return await self._writer.run(single_job(commit.using(passkey, self._sql)))

    async def of_account(self, account: AccountId) -> Sequence[Passkey]:
        rows = await _read(self._writer, self._sql.sign_in.passkeys_of, account=account)
        return list(map(PASSKEY.read, rows))

    async def add(self, by: Principal, request_id: str, passkey: Passkey) -> None:
        plan = commit.adding_passkey(by, request_id, passkey, self._sql)
        await self._writer.run(single_job(plan))

    async def remove(
        self, by: Principal, request_id: str, removal: Removal
    ) -> Sequence[SessionId] | None:
        plan = commit.removing_passkey(by, request_id, removal, self._sql)
        return await self._writer.run(single_job(plan))

    async def accept(self, request_id: str, accepted: Acceptance) -> Sequence[SessionId]:
        plan = commit.accepting(request_id, accepted, self._sql)
        declares = (accepted.person,) if accepted.person else ()
        return await self._writer.run(single_job(plan, declares=declares))

    async def forget(self, now: datetime) -> None:
        for statement in (
            self._sql.sign_in.forget_ceremonies,
            self._sql.sign_in.forget_invitations,
            self._sql.sign_in.forget_mail_codes,
            self._sql.registrations.forget,
            self._sql.sign_in.forget_provider_sign_ins,
        ):
            await self._writer.run(step_job(once(statement, before=now)))
        yesterday = once(self._sql.registrations.forget_tries, before=now - timedelta(days=1))
        await self._writer.run(step_job(yesterday))


class MailCodeRepository:
    """Implements :class:`actors.ports.sign_in.MailCodeStore`."""

    def __init__(self, writer: Writer, readers: Readers, sql: WriteStatements) -> None:
        self._writer, self._readers, self._sql = writer, readers, sql

    async def people_with(
        self, email: str, roles: Collection[Role]
    ) -> Sequence[tuple[Account, Profile]]:
        if (key := email_key(email)) is None:
            return []
        subject = HUB_SUBJECT_PREFIX + accounts.c.id
        query = (
            select(*PROFILE.columns, *ACCOUNT.columns)
            .join_from(profiles, identities, identities.c.profile_id == profiles.c.id)
            .join(accounts, identities.c.subject == subject)
            .where(
                identities.c.issuer == HUB,
                profiles.c.email_key == key,
                profiles.c.role.in_([role.value for role in roles]),
                profiles.c.active,
            )
            .order_by(profiles.c.id)
            .limit(_TWO_ARE_AMBIGUOUS)
        )
        async with self._readers.hub(Lookup(exact=email)) as connection:
            found = list(await connection.execute(query))
        width = len(PROFILE.columns)
        return [(ACCOUNT.read(row[width:]), PROFILE.read(row)) for row in found]

    async def send(
        self,
        code: MailCode,
        account: Account | None,
        message: Message | None,
        registration: Registration | None = None,
        *,
        request_id: str,
        now: datetime,
    ) -> None:
        plan = mail_code_commit.sending(
            code, account, message, registration, request_id, now, self._sql
        )
        await self._writer.run(single_job(plan))

    async def check(
        self, handle_hash: str, sent: CodeAttempt, *, request_id: str, now: datetime
    ) -> Account | Registration | None:
        plan = mail_code_commit.checking(handle_hash, sent, request_id, now, self._sql)
        return await self._writer.run(single_job(plan))


class ProviderRepository:
    """Implements :class:`actors.ports.sign_in.ProviderStore`."""

    def __init__(self, writer: Writer, readers: Readers, sql: WriteStatements) -> None:
        self._writer, self._readers, self._sql = writer, readers, sql

    async def begin(self, begun: ProviderSignIn) -> None:
        values = PROVIDER_SIGN_IN.params(begun)
        await self._writer.run(step_job(once(self._sql.sign_in.insert_provider_sign_in, **values)))

    async def take(self, handle_hash: str) -> ProviderSignIn | None:
        taking = self._sql.sign_in.take_provider_sign_in
        rows = await _read(self._writer, taking, handle=handle_hash)
        return PROVIDER_SIGN_IN.read(rows[0]) if rows else None

    async def account_of(self, issuer: str, subject: str) -> Account | None:
        finding = self._sql.sign_in.account_of_subject
        rows = await _read(self._writer, finding, of_issuer=issuer, of_subject=subject)
        return ACCOUNT.read(rows[0]) if rows else None

    async def people_with(self, email: str) -> Sequence[Profile]:
        if (key := email_key(email)) is None:
            return []
        p = profiles.c
        is_one = (p.email_key == key, p.active, p.merged_into.is_(None))
        query = select(*PROFILE.columns).where(*is_one).order_by(p.id).limit(_TWO_ARE_AMBIGUOUS)
        async with self._readers.hub(Lookup(exact=email)) as connection:
            return [PROFILE.read(row) for row in await connection.execute(query)]

    async def link(
        self, request_id: str, link: ProviderLink
    ) -> tuple[Account, Sequence[SessionId]]:
        plan = commit.linking(request_id, link, self._sql)
        declares = (link.person,) if link.person else ()
        return await self._writer.run(single_job(plan, declares=declares))


async def _read(writer: Writer, statement: Statement, **params: object) -> Rows:
    def plan() -> Plan[Done[Rows]]:
        return Done((yield from execute(statement, **params)))

    return await writer.run(single_job(plan))
