"""The passkeys of the caller: listed, added and removed.

A passkey outlives the session in which it is added. So people add and remove them only soon
after they have signed in: a stolen session does not become a lasting way in.
"""

import secrets
from collections.abc import Mapping, Sequence

from actors.domain.principal import Role
from actors.domain.refusals import (
    Forbidden,
    InvalidToken,
    NotFound,
    Unavailable,
    ValidationFailed,
)
from actors.domain.sign_in import (
    CEREMONY_LIFE,
    FRESH,
    SECRET_BYTES,
    AccountId,
    Begun,
    Ceremony,
    Passkey,
    SessionId,
    SignInMethod,
    hashed,
    secret_of,
    secret_text,
)
from actors.ports.clock import Clock
from actors.ports.commits import CommitFailure
from actors.ports.sign_in import Authenticators, PasskeyStore, Removal, SessionStore
from actors.services.caller import Caller
from actors.services.directory import Directory
from actors.services.passkeys import ADMIN_NAME
from actors.services.sign_ins import SignIns


class OwnPasskeys:
    def __init__(
        self,
        store: PasskeyStore,
        sessions: SessionStore,
        sign_ins: SignIns,
        directory: Directory,
        authenticators: Authenticators,
        clock: Clock,
        *,
        has_codes: bool,
    ) -> None:
        """``has_codes``: whether patients sign in with codes by mail."""
        self._store, self._sessions, self._sign_ins = store, sessions, sign_ins
        self._directory, self._authenticators = directory, authenticators
        self._clock, self._has_codes = clock, has_codes

    async def page(self, caller: Caller) -> Sequence[Passkey]:
        """Those of the caller, the oldest first."""
        account = caller.principal.account
        try:
            return await self._store.of_account(AccountId(account)) if account else ()
        except CommitFailure as error:
            raise Unavailable from error

    async def begin(
        self, caller: Caller, session: SessionId | None
    ) -> tuple[str, Mapping[str, object]]:
        """The secret of a ceremony, and options for the authenticator. Raises Forbidden."""
        account = await self._fresh(caller, session)
        cookie, challenge = secrets.token_bytes(SECRET_BYTES), secrets.token_bytes(SECRET_BYTES)
        begun = Begun(
            cookie=secret_text(cookie),
            challenge=challenge,
            account_id=account,
            name=await self._name(caller),
            known=tuple(each.id for each in await self.page(caller)),
        )
        ceremony = Ceremony(
            handle_hash=hashed(cookie),
            challenge=secret_text(challenge),
            account_id=account,
            expires_at=self._clock.now() + CEREMONY_LIFE,
        )
        try:
            await self._store.begin(ceremony)
        except CommitFailure as error:
            raise Unavailable from error
        return begun.cookie, self._authenticators.options(begun)

    async def add(
        self,
        caller: Caller,
        session: SessionId | None,
        ceremony: str,
        credential: Mapping[str, object],
    ) -> Passkey:
        """Add the passkey that the authenticator made; the ceremony is used up.

        Raises Forbidden, and ValidationFailed if it is not the answer to this ceremony.
        """
        account = await self._fresh(caller, session)
        try:
            begun = await self._taken(ceremony, account)
            made = self._authenticators.made(credential, _challenge(begun))
            if await self._store.find(made.id) is not None:
                raise InvalidToken("the passkey is used already")
            passkey = Passkey(
                id=made.id,
                account_id=account,
                public_key=made.public_key,
                sign_count=made.sign_count,
                created_at=self._clock.now(),
            )
            await self._store.add(caller.principal, caller.request_id, passkey)
        except InvalidToken:
            raise ValidationFailed.of("credential", "is no answer to this ceremony") from None
        except CommitFailure as error:
            raise Unavailable from error
        return passkey

    async def remove(self, caller: Caller, session: SessionId | None, passkey_id: str) -> None:
        """Remove one of the caller's, and end the other sessions of the account.

        Raises NotFound, Forbidden, ValidationFailed for the last way in, and Unavailable.
        """
        if not any(each.id == passkey_id for each in await self.page(caller)):
            raise NotFound("passkey")
        account = await self._fresh(caller, session)
        assert session is not None, "it is a fresh one"
        role = caller.principal.role
        removal = Removal(
            account_id=account,
            passkey_id=passkey_id,
            session=session,
            provider_counts=self._sign_ins.admits(role, SignInMethod.PROVIDER),
            code_counts=await self._has_code(caller),
            at=self._clock.now(),
        )
        try:
            ended = await self._store.remove(caller.principal, caller.request_id, removal)
        except CommitFailure as error:
            raise Unavailable from error
        if ended is None:
            raise NotFound("passkey")
        await self._sign_ins.disconnect(ended)

    async def _fresh(self, caller: Caller, session_id: SessionId | None) -> AccountId:
        """The account of a caller who has signed in lately. Raises Forbidden."""
        by = caller.principal
        if by.account is None or by.acting or session_id is None:
            raise Forbidden("Only people who signed in at the hub have passkeys here")
        session = await self._sessions.find(by, session_id)
        if session is None or self._clock.now() - session.created_at > FRESH:
            raise Forbidden("Sign in again first: you did so more than 15 minutes ago")
        return AccountId(by.account)

    async def _taken(self, ceremony: str, account: AccountId) -> Ceremony:
        secret = secret_of(ceremony)
        found = await self._store.take(hashed(secret)) if secret else None
        is_own = found is not None and found.account_id == account and not found.invitation_id
        if found is None or not is_own or self._clock.now() >= found.expires_at:
            raise InvalidToken("no such ceremony")
        return found

    async def _has_code(self, caller: Caller) -> bool:
        by = caller.principal
        admits = self._sign_ins.admits(by.role, SignInMethod.CODE)
        if by.role is not Role.PATIENT or by.person is None or not (self._has_codes and admits):
            return False
        return (await self._directory.person(by.person)).email is not None

    async def _name(self, caller: Caller) -> str:
        person = caller.principal.person
        return (await self._directory.person(person)).name if person else ADMIN_NAME


def _challenge(ceremony: Ceremony) -> bytes:
    challenge = secret_of(ceremony.challenge)
    assert challenge is not None, "the hub stored it"
    return challenge
