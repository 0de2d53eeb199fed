"""Sessions of people who sign in at the hub: begun, renewed, listed and ended."""

import secrets
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from functools import partial
from types import MappingProxyType
from typing import Final

from actors.domain.ids import ProfileId
from actors.domain.issuers import HUB
from actors.domain.principal import Role
from actors.domain.refusals import Forbidden, InvalidToken, NotFound, Unavailable
from actors.domain.sign_in import (
    DEVICE_MAX_CHARS,
    SECRET_BYTES,
    Account,
    AccountId,
    Session,
    SessionId,
    SignInMethod,
    first_secrets,
    hashed,
    renewed,
    secret_of,
    secret_text,
)
from actors.domain.values import value
from actors.ports.clock import Clock, NewId
from actors.ports.commits import CommitFailure
from actors.ports.profiles import Connections
from actors.ports.sign_in import AccountStore, SessionStore
from actors.services.caller import Caller
from actors.services.directory import Directory

_NONE_BARRED: Final[Mapping[SignInMethod, Collection[Role]]] = MappingProxyType({})


@value
class SignedIn:
    """A session that goes on, and what its browser keeps."""

    account: Account
    session: Session
    role: Role
    cookie: str


class SignIns:
    """Begins, renews and ends sessions. A session ends with the rights of its person."""

    def __init__(
        self,
        sessions: SessionStore,
        accounts: AccountStore,
        directory: Directory,
        connections: Connections,
        clock: Clock,
        new_id: NewId,
        *,
        idle: timedelta,
        life: timedelta,
        barred: Mapping[SignInMethod, Collection[Role]] = _NONE_BARRED,
    ) -> None:
        """``idle`` and ``life``: how long a session may be unused, and last.

        ``barred``: the roles that a way in does not lead to.
        """
        self._barred = barred
        self._sessions, self._accounts = sessions, accounts
        self._directory, self._connections = directory, connections
        self._clock, self._new_id = clock, new_id
        self._idle, self._life = idle, life

    async def begin(
        self, account: Account, method: SignInMethod, *, device: str, request_id: str
    ) -> SignedIn:
        """A new session with a new handle and secret, whatever the browser had before.

        Raises InvalidToken if the person has no rights any more.
        """
        role = await self._role(account, method)
        now = self._clock.now()
        session = Session(
            id=SessionId(self._new_id()),
            account_id=account.id,
            method=method,
            device=_shown(device),
            created_at=now,
            used_at=now,
            ends_at=now + self._life,
        )
        handle, secret = secrets.token_bytes(SECRET_BYTES), secrets.token_bytes(SECRET_BYTES)
        known = first_secrets(session.id, handle, secret, now)
        try:
            surplus = await self._sessions.begin(account.principal, request_id, session, known)
        except CommitFailure as error:
            raise Unavailable from error
        await self.disconnect(surplus)
        return SignedIn(account=account, session=session, role=role, cookie=_cookie(handle, secret))

    async def renew(self, cookie: str, *, request_id: str) -> SignedIn:
        """Replace the secret of a session. Raises InvalidToken when the session is over."""
        handle, secret = _parts(cookie)
        now = self._clock.now()
        decide = partial(renewed, presented=secret, now=now, idle=self._idle)
        try:
            found = await self._sessions.renew(hashed(handle), request_id, decide, now)
        except CommitFailure as error:
            raise Unavailable from error
        if found is None:
            raise InvalidToken("no such session")
        session, successor = found.renewal.session, found.renewal.successor
        if found.has_ended:
            await self._connections.end_session(session.id)
            raise InvalidToken("a secret of the session was used again")
        if successor is None:
            raise InvalidToken("the session is over")
        try:
            role = await self._role(found.account, session.method)
        except InvalidToken:
            await self._end(found.account, [session.id], request_id)
            raise
        return SignedIn(
            account=found.account, session=session, role=role, cookie=_cookie(handle, successor)
        )

    async def sign_out(self, cookie: str, *, request_id: str) -> None:
        """End the session of a cookie; one that is over, or unknown, changes nothing."""
        try:
            signed_in = await self.renew(cookie, request_id=request_id)
        except InvalidToken:
            return
        await self._end(signed_in.account, [signed_in.session.id], request_id)

    async def page(self, caller: Caller, person: ProfileId | None) -> Sequence[Session]:
        """The sessions of the caller, or of a person for an admin, those used last first."""
        by = caller.principal
        if person is None:
            accounts: Sequence[AccountId] = [AccountId(by.account)] if by.account else []
        elif by.role is Role.ADMIN:
            accounts = await self._accounts_of(person)
        else:
            raise Forbidden
        now = self._clock.now()
        found = await self._sessions.visible(by, accounts, now)
        return [each for each in found if not each.is_over(now, self._idle)]

    async def end(self, caller: Caller, session_id: SessionId) -> None:
        """End a session of the caller, or any for an admin, and its live connections.

        Raises Unavailable if a node did not answer; the session is ended then, and the call can
        be repeated.
        """
        if await self._sessions.find(caller.principal, session_id) is None:
            raise NotFound("session")
        await self._end_all(caller, [session_id])

    async def end_of_person(self, caller: Caller, person: ProfileId) -> None:
        """End all sessions and live connections of a person, by an admin.

        Raises Unavailable as ``end`` does.
        """
        by = caller.principal
        if by.role is not Role.ADMIN:
            raise Forbidden
        accounts = await self._accounts_of(person)
        found = await self._sessions.visible(by, accounts, self._clock.now())
        await self._end_all(caller, [each.id for each in found])
        await self._connections.end(person)

    async def _end_all(self, caller: Caller, found: Sequence[SessionId]) -> None:
        try:
            now = self._clock.now()
            await self._sessions.end(caller.principal, caller.request_id, found, now)
        except CommitFailure as error:
            raise Unavailable from error
        await self.disconnect(found)

    async def disconnect(self, ended: Sequence[SessionId]) -> None:
        """End the live connections of sessions that have ended. Raises Unavailable."""
        for each in ended:
            await self._connections.end_session(each)

    async def _end(self, account: Account, found: Sequence[SessionId], request_id: str) -> None:
        await self._end_all(Caller(principal=account.principal, request_id=request_id), found)

    async def _accounts_of(self, person: ProfileId) -> Sequence[AccountId]:
        profile = await self._directory.person(person)
        return [each.id for each in await self._accounts.of_person(profile.id)]

    def admits(self, role: Role, method: SignInMethod) -> bool:
        """Whether people of this role sign in this way."""
        return role not in self._barred.get(method, ())

    async def _role(self, account: Account, method: SignInMethod) -> Role:
        """The role of new tokens.

        Raises InvalidToken without a person who is active, and if their role needs a passkey.
        """
        if not self.admits(account.role, method):
            raise InvalidToken("this role signs in with a passkey")
        if account.role is Role.ADMIN:
            return account.role
        profile = await self._directory.identities.get((HUB, account.subject))
        if profile is None or not profile.active:
            raise InvalidToken("its person is not active any more")
        return profile.role


def _cookie(handle: bytes, secret: bytes) -> str:
    return f"{secret_text(handle)}.{secret_text(secret)}"


def _parts(cookie: str) -> tuple[bytes, bytes]:
    """Handle and secret. Raises InvalidToken."""
    handle, _, secret = cookie.partition(".")
    parts = secret_of(handle), secret_of(secret)
    if parts[0] is None or parts[1] is None:
        raise InvalidToken("malformed session")
    return parts[0], parts[1]


def _shown(device: str) -> str:
    """Printable and bounded: it is stored, and shown to people."""
    return "".join(filter(str.isprintable, device))[:DEVICE_MAX_CHARS]
