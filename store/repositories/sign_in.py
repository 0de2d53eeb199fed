"""Accounts, sessions and signing keys: see :mod:`actors.ports.sign_in`."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, and_, select

from actors.domain.ids import ProfileId
from actors.domain.issuers import HUB, HUB_SUBJECT_PREFIX
from actors.domain.principal import Principal, Role
from actors.domain.sign_in import Account, AccountId, Session, SessionId, SessionSecrets
from actors.ports.sign_in import Decide, Renewed, SigningKey
from store.commit import sign_in_commit as commit
from store.commit import way_in_commit
from store.sql.codec import ACCOUNT, SESSION
from store.sql.prepared import once
from store.sql.readers import Readers
from store.sql.schema import accounts, identities, sessions
from store.sql.write_statements import WriteStatements
from store.sql.writer import Writer, single_job, step_job

_FORGOTTEN_AT_ONCE = 500
_s = sessions.c


class SessionRepository:
    """Implements :class:`actors.ports.sign_in.SessionStore`."""

    def __init__(self, writer: Writer, readers: Readers, sql: WriteStatements) -> None:
        self._writer, self._readers, self._sql = writer, readers, sql

    async def begin(
        self, by: Principal, request_id: str, session: Session, known: SessionSecrets
    ) -> Sequence[SessionId]:
        plan = commit.begun(by, request_id, session, known, self._sql)
        return await self._writer.run(single_job(plan))

    async def renew(
        self, handle_hash: str, request_id: str, decide: Decide, now: datetime
    ) -> Renewed | None:
        plan = commit.renewing(handle_hash, request_id, decide, now, self._sql)
        return await self._writer.run(single_job(plan))

    async def end(
        self, by: Principal, request_id: str, sessions: Sequence[SessionId], now: datetime
    ) -> None:
        await self._writer.run(single_job(commit.ending(by, request_id, sessions, now, self._sql)))

    async def visible(
        self, by: Principal, accounts: Sequence[AccountId], now: datetime
    ) -> Sequence[Session]:
        is_open = (_s.account_id.in_(accounts), _s.ended_at.is_(None), _s.ends_at > now)
        query = select(*SESSION.columns).where(*is_open).order_by(_s.used_at.desc(), _s.id.desc())
        async with self._readers.caller(by) as connection:
            return [SESSION.read(row) for row in await connection.execute(query)]

    async def find(self, by: Principal, session_id: SessionId) -> Session | None:
        query = select(*SESSION.columns).where(_s.id == session_id)
        async with self._readers.caller(by) as connection:
            row = (await connection.execute(query)).one_or_none()
        return SESSION.read(row) if row else None

    async def ended_since(self, moment: datetime) -> Sequence[SessionId]:
        query = select(_s.id).where(_s.ended_at >= moment)
        async with self._readers.hub() as connection:
            return [SessionId(id_) for (id_,) in await connection.execute(query)]

    async def forget(self, before: datetime) -> int:
        total = 0
        plan = commit.forgetting(before, _FORGOTTEN_AT_ONCE, self._sql)
        while count := await self._writer.run(single_job(plan)):
            total += count
            await asyncio.sleep(0)  # let commits that wait go first
        return total


class AccountRepository:
    """Implements :class:`actors.ports.sign_in.AccountStore`."""

    def __init__(self, writer: Writer, readers: Readers, sql: WriteStatements) -> None:
        self._writer, self._readers, self._sql = writer, readers, sql

    async def add(self, account: Account, person: ProfileId | None) -> None:
        plan = way_in_commit.adding(account, person, self._sql)
        declares = (person,) if person else ()
        await self._writer.run(single_job(plan, declares=declares))

    async def of_person(self, person: ProfileId) -> Sequence[Account]:
        i = identities.c
        subjects = select(i.subject).where(i.profile_id == person, i.issuer == HUB)
        return await self._found((HUB_SUBJECT_PREFIX + accounts.c.id).in_(subjects))

    async def of_admin(self, name: str) -> Sequence[Account]:
        a = accounts.c
        return await self._found(and_(a.role == Role.ADMIN.value, a.name == name))

    async def _found(self, condition: ColumnElement[bool]) -> Sequence[Account]:
        a = accounts.c
        query = select(*ACCOUNT.columns).where(condition).order_by(a.created_at, a.id)
        async with self._readers.hub() as connection:
            return [ACCOUNT.read(row) for row in await connection.execute(query)]


class SigningKeyRepository:
    """Implements :class:`actors.ports.sign_in.SigningKeyStore`.

    It reads as the writer: readers have no right to see keys.
    """

    def __init__(self, writer: Writer, sql: WriteStatements) -> None:
        self._writer, self._sql = writer, sql

    async def all(self) -> Sequence[SigningKey]:
        return await self._writer.run(single_job(commit.reading_keys(self._sql)))

    async def add(self, key: SigningKey, *, unless_since: datetime) -> None:
        await self._writer.run(single_job(commit.adding_key(key, unless_since, self._sql)))

    async def forget(self, before: datetime) -> None:
        await self._writer.run(step_job(once(self._sql.sign_in.forget_keys, before=before)))
