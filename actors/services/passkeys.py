"""Passkeys: made with an invitation, and used to sign in.

A browser begins with a challenge, and answers once, within five minutes. Nothing that it sends
names an account before its authenticator has signed the challenge, so no answer reveals one.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from actors.domain.profile import Profile
from actors.domain.refusals import InvalidToken, Unavailable
from actors.domain.sign_in import (
    CEREMONY_LIFE,
    SECRET_BYTES,
    Account,
    AccountId,
    Begun,
    Ceremony,
    Invitation,
    Passkey,
    SignInMethod,
    hashed,
    secret_of,
    secret_text,
)
from actors.ports.clock import Clock, NewId
from actors.ports.commits import CommitFailure
from actors.ports.sign_in import (
    Acceptance,
    AccountStore,
    Authenticators,
    PasskeyStore,
)
from actors.services.invitations import Invitations
from actors.services.sign_ins import SignedIn, SignIns

ADMIN_NAME: Final = "Admin"


class Passkeys:
    def __init__(
        self,
        store: PasskeyStore,
        accounts: AccountStore,
        invitations: Invitations,
        sign_ins: SignIns,
        authenticators: Authenticators,
        clock: Clock,
        new_id: NewId,
    ) -> None:
        self._store, self._accounts, self._invitations = store, accounts, invitations
        self._sign_ins = sign_ins
        self._authenticators = authenticators
        self._clock, self._new_id = clock, new_id

    async def begin(self, invitation: str | None) -> Begun:
        """Ask for a passkey, or for a new one with an invitation. Raises InvalidToken."""
        account_id, name, invited = None, "", None
        if invitation is not None:
            invited, person = await self._invitations.opened(invitation)
            known = await self._known(invited, person)
            account_id = known[0].id if known else AccountId(self._new_id())
            name = (person.name if person else invited.name) or ADMIN_NAME
        cookie, challenge = secrets.token_bytes(SECRET_BYTES), secrets.token_bytes(SECRET_BYTES)
        ceremony = Ceremony(
            handle_hash=hashed(cookie),
            challenge=secret_text(challenge),
            account_id=account_id,
            invitation_id=invited.id if invited else None,
            expires_at=self._clock.now() + CEREMONY_LIFE,
        )
        try:
            await self._store.begin(ceremony)
        except CommitFailure as error:
            raise Unavailable from error
        return Begun(
            cookie=secret_text(cookie), challenge=challenge, account_id=account_id, name=name
        )

    async def finish(
        self,
        cookie: str,
        credential: Mapping[str, object],
        invitation: str | None,
        *,
        device: str,
        request_id: str,
    ) -> SignedIn:
        """Sign in with the answer of an authenticator. Raises InvalidToken.

        The challenge is used up, whatever the answer is.
        """
        try:
            ceremony = await self._taken(cookie)
            challenge = secret_of(ceremony.challenge)
            assert challenge is not None, "the hub stored it"
            if ceremony.account_id is None:
                account = await self._used(credential, challenge)
            else:
                account = await self._accepted(
                    ceremony, challenge, credential, invitation, request_id
                )
        except CommitFailure as error:
            raise Unavailable from error
        return await self._sign_ins.begin(
            account, SignInMethod.PASSKEY, device=device, request_id=request_id
        )

    async def _taken(self, cookie: str) -> Ceremony:
        secret = secret_of(cookie)
        ceremony = await self._store.take(hashed(secret)) if secret else None
        if ceremony is None or self._clock.now() >= ceremony.expires_at:
            raise InvalidToken("no challenge of this browser is open")
        return ceremony

    async def _used(self, credential: Mapping[str, object], challenge: bytes) -> Account:
        passkey_id = self._authenticators.id_of(credential)
        found = await self._store.find(passkey_id)
        if found is None:
            raise InvalidToken("no such passkey")
        passkey, account = found
        count = self._authenticators.used(credential, challenge, passkey)
        used = replace(passkey, sign_count=count, used_at=self._clock.now())
        if not await self._store.use(used):
            raise InvalidToken("the passkey was copied")
        return account

    async def _accepted(
        self,
        ceremony: Ceremony,
        challenge: bytes,
        credential: Mapping[str, object],
        token: str | None,
        request_id: str,
    ) -> Account:
        invitation, person = await self._invitations.opened(token or "")
        if invitation.id != ceremony.invitation_id or ceremony.account_id is None:
            raise InvalidToken("the challenge was made for another invitation")
        made = self._authenticators.made(credential, challenge)
        if await self._store.find(made.id) is not None:
            raise InvalidToken("the passkey is used already")
        person_id = person.id if person else None
        now = self._clock.now()
        known = await self._known(invitation, person)
        own = next((each for each in known if each.id == ceremony.account_id), None)
        account = own or Account(
            id=ceremony.account_id, role=invitation.role, name=invitation.name, created_at=now
        )
        accepted = Acceptance(
            invitation_id=invitation.id,
            account=account,
            person=person_id,
            is_new=own is None,
            passkey=Passkey(
                id=made.id,
                account_id=account.id,
                public_key=made.public_key,
                sign_count=made.sign_count,
                created_at=now,
            ),
            at=now,
        )
        await self._sign_ins.disconnect(await self._store.accept(request_id, accepted))
        return account

    async def _known(self, invitation: Invitation, person: Profile | None) -> Sequence[Account]:
        """The accounts of the person; of an admin, who has no profile, those of the name."""
        if person:
            return await self._accounts.of_person(person.id)
        return await self._accounts.of_admin(invitation.name or "")
