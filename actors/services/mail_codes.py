"""Sign-in with a code or a link that is sent by mail, for patients who have an account or register.

The answer is the same whether anybody has the address. Mail alone gives nobody the rights of
staff, outside of a demo, and no record that a patient has not signed in to before: that needs its
date of birth, too (:mod:`~actors.services.registrations`).
"""

import secrets
from collections.abc import Sequence
from typing import Final, Protocol

from actors.domain.message import Message, MessageChannel, MessageId, MessageKind
from actors.domain.principal import Role
from actors.domain.profile import Profile
from actors.domain.refusals import InvalidToken, RateLimited, Unavailable
from actors.domain.registration import Newcomer, Registration
from actors.domain.sign_in import (
    CODE_LIFE,
    SECRET_BYTES,
    Account,
    CodeAttempt,
    MailCode,
    SignInMethod,
    hashed,
    secret_of,
    secret_text,
)
from actors.ports.clock import Clock, NewId
from actors.ports.commits import CommitFailure
from actors.ports.sign_in import MailCodeStore
from actors.services.registrations import Registrations
from actors.services.sign_ins import SignedIn, SignIns

DIGITS: Final = 6
_ROLES: Final = (Role.PATIENT, Role.STAFF, Role.DENTIST)
"""Of people whose profiles have an address. Only a demo admits others than patients."""


class CodeLetter(Protocol):
    def __call__(self, code: str, link: str, language: str | None) -> str:
        """The content of a message with the code and the token of the link."""
        ...


class Allowance(Protocol):
    """Counts mails to one account."""

    def take(self, scope: str) -> None:
        """Raises RateLimited."""
        ...


class MailCodes:
    def __init__(
        self,
        store: MailCodeStore,
        sign_ins: SignIns,
        letter: CodeLetter,
        allowance: Allowance,
        clock: Clock,
        new_id: NewId,
        registrations: Registrations | None = None,
    ) -> None:
        """``registrations``: ``None`` if patients do not register by themselves."""
        self._registrations = registrations
        self._roles = [role for role in _ROLES if sign_ins.admits(role, SignInMethod.CODE)]
        self._store, self._sign_ins, self._letter = store, sign_ins, letter
        self._allowance, self._clock, self._new_id = allowance, clock, new_id

    async def begin(self, email: str, *, request_id: str) -> str:
        """Send a code to the address, if a patient signs in with it; the browser's cookie.

        Nothing is sent to an address that several patients share, or that got many mails.
        """
        return await self._sent(email, None, request_id)

    @property
    def registers(self) -> bool:
        """Whether patients register by themselves."""
        return self._registrations is not None

    async def register(self, person: Newcomer, *, request_id: str) -> str:
        """Send a code to the address of a new patient; the browser's cookie.

        If a patient signs in with it already, the code does that, and nothing else changes.
        Raises ValidationFailed.
        """
        assert self._registrations is not None, "the route is closed"
        checked = await self._registrations.checked(person)
        return await self._sent(checked.email, checked, request_id)

    async def _sent(self, email: str, newcomer: Newcomer | None, request_id: str) -> str:
        cookie, link = secrets.token_bytes(SECRET_BYTES), secrets.token_bytes(SECRET_BYTES)
        digits, now = f"{secrets.randbelow(10**DIGITS):0{DIGITS}}", self._clock.now()
        try:
            found = await self._store.people_with(email, self._roles)
            account, reader = self._recipient(found, newcomer)
            message = self._message(reader, digits, secret_text(link)) if reader else None
            registration = None
            if newcomer and self._registrations:
                registration = self._registrations.begun(cookie, newcomer)
            code = MailCode(
                handle_hash=hashed(cookie),
                account_id=account.id if account else None,
                code_hash=_hashed_code(cookie, digits),
                link_hash=hashed(link),
                expires_at=now + CODE_LIFE,
            )
            await self._store.send(
                code, account, message, registration, request_id=request_id, now=now
            )
        except CommitFailure as error:
            raise Unavailable from error
        return secret_text(cookie)

    def _recipient(
        self, found: Sequence[tuple[Account, Profile]], newcomer: Newcomer | None
    ) -> tuple[Account | None, Profile | Newcomer | None]:
        """Whose code it is, and to whom it is sent, if to anyone."""
        if newcomer and self._registrations and not self._registrations.may_send(newcomer.email):
            return None, None
        if not found:
            return None, newcomer
        account, person = found[0]
        if len(found) > 1 or not self._may_send(account):
            return None, None
        return account, person

    async def finish(
        self, cookie: str, *, code: str | None, link: str | None, device: str, request_id: str
    ) -> SignedIn:
        """Sign in with the code or the token of the link. Raises InvalidToken for all else."""
        handle, token = secret_of(cookie), secret_of(link or "")
        if handle is None:
            raise InvalidToken("no code of this browser is open")
        sent = CodeAttempt(
            code_hash=_hashed_code(handle, code) if code else None,
            link_hash=hashed(token) if token else None,
        )
        try:
            now = self._clock.now()
            found = await self._store.check(hashed(handle), sent, request_id=request_id, now=now)
            account = await self._account(found, request_id)
        except CommitFailure as error:
            raise Unavailable from error
        if account is None:
            raise InvalidToken("the code is wrong, or not valid any more")
        return await self._sign_ins.begin(
            account, SignInMethod.CODE, device=device, request_id=request_id
        )

    async def _account(
        self, found: Account | Registration | None, request_id: str
    ) -> Account | None:
        if not isinstance(found, Registration):
            return found
        if self._registrations is None:
            return None
        return await self._registrations.account(found, request_id=request_id)

    def _may_send(self, account: Account) -> bool:
        try:
            self._allowance.take(account.id)
        except RateLimited:
            return False
        return True

    def _message(self, person: Profile | Newcomer, digits: str, link: str) -> Message:
        now = self._clock.now()
        return Message(
            id=MessageId(self._new_id()),
            kind=MessageKind.CODE,
            channel=MessageChannel.EMAIL,
            address=person.email,
            content=self._letter(digits, link, person.language),
            created_at=now,
            expires_at=now + CODE_LIFE,
            next_attempt_at=now,
        )


def _hashed_code(handle: bytes, code: str) -> str:
    return hashed(handle + code.encode())
