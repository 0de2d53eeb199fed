"""Accounts, sessions and signing keys of people who sign in at the hub."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from actors.domain.ids import ProfileId
from actors.domain.message import Message
from actors.domain.principal import Principal, Role
from actors.domain.profile import Profile
from actors.domain.provider import ProvidedPerson, ProviderLink, ProviderSecrets, ProviderSignIn
from actors.domain.registration import Registration
from actors.domain.sign_in import (
    Account,
    AccountId,
    Begun,
    Ceremony,
    CodeAttempt,
    Invitation,
    InvitationId,
    MailCode,
    Passkey,
    Renewal,
    Session,
    SessionId,
    SessionSecrets,
)
from actors.domain.values import value
from actors.ports.commits import Turn

Decide = Callable[[Session, SessionSecrets], Renewal]
"""Decides about a presented secret, in the transaction that stores the result."""


@value
class SigningKey:
    id: str
    """The ``kid`` of its tokens."""
    private_key: str
    """PEM, perhaps encrypted."""
    public_key: str
    """A JWK."""
    created_at: datetime


@value
class Renewed:
    renewal: Renewal
    account: Account
    has_ended: bool
    """Whether the session ended just now."""


class SessionStore(Protocol):
    """Writes are audited. Raises CommitFailure."""

    async def begin(
        self, by: Principal, request_id: str, session: Session, known: SessionSecrets
    ) -> Sequence[SessionId]:
        """Store a new session; the sessions that ended because there were too many."""
        ...

    async def renew(
        self, handle_hash: str, request_id: str, decide: Decide, now: datetime
    ) -> Renewed | None:
        """Apply ``decide`` to the session with this handle, alone; ``None`` without one."""
        ...

    async def end(
        self, by: Principal, request_id: str, sessions: Sequence[SessionId], now: datetime
    ) -> None:
        """End those sessions that have not ended."""
        ...

    async def visible(
        self, by: Principal, accounts: Sequence[AccountId], now: datetime
    ) -> Sequence[Session]:
        """Sessions of the accounts that have not ended, those used last first, as the caller."""
        ...

    async def find(self, by: Principal, session_id: SessionId) -> Session | None:
        """One that the caller may end, ended or not."""
        ...

    async def ended_since(self, moment: datetime) -> Sequence[SessionId]:
        """For a node that starts: their tokens may still be valid."""
        ...

    async def forget(self, before: datetime) -> int:
        """Delete the sessions that ended before; the number of them."""
        ...


class AccountStore(Protocol):
    """Raises CommitFailure."""

    async def add(self, account: Account, person: ProfileId | None) -> None:
        """Store an account, and the identity of its person."""
        ...

    async def of_person(self, person: ProfileId) -> Sequence[Account]:
        """The accounts with which a person signs in."""
        ...

    async def of_admin(self, name: str) -> Sequence[Account]:
        """The admin of this name, the oldest first if there are several."""
        ...


@value
class InvitationPage:
    invitations: Sequence[Invitation]
    total: int
    next_after: tuple[datetime, InvitationId] | None
    """The last of them, if more follow."""


class InvitationStore(Protocol):
    """Writes are audited. Raises CommitFailure."""

    async def add(
        self,
        by: Principal,
        request_id: str,
        invitation: Invitation,
        message: Message | None = None,
    ) -> None:
        """Store an invitation, and the message with it; open ones of the same profile end.

        Messages of invitations that have ended are not sent any more.
        """
        ...

    async def visible(
        self,
        by: Principal,
        now: datetime,
        *,
        limit: int,
        after: tuple[datetime, InvitationId] | None,
    ) -> InvitationPage:
        """The open ones that the caller may see, the newest first."""
        ...

    async def revoke(
        self, by: Principal, request_id: str, invitation_id: InvitationId, now: datetime
    ) -> bool:
        """End an open invitation that the caller may see; whether there is one."""
        ...

    async def of_token(self, token_hash: str) -> Invitation | None: ...


@value
class Acceptance:
    """An accepted invitation: the account and its only passkey from now on."""

    invitation_id: InvitationId
    account: Account
    person: ProfileId | None
    """``None`` for an admin."""
    is_new: bool
    """Whether the account is; it then gets the identity of the person."""
    passkey: Passkey
    at: datetime


class MailCodeStore(Protocol):
    """Writes are audited. Raises CommitFailure."""

    async def people_with(
        self, email: str, roles: Collection[Role]
    ) -> Sequence[tuple[Account, Profile]]:
        """Active people of the roles with an account and this address in any case; at most 2."""
        ...

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
        """Store a code and queue its message, in one commit; it may finish a registration."""
        ...

    async def check(
        self, handle_hash: str, sent: CodeAttempt, *, request_id: str, now: datetime
    ) -> Account | Registration | None:
        """What a right code or link is for, which is used up then; else it is counted.

        A registration only if nobody signed in with its address when it began.
        """
        ...


@value
class NewPatient:
    """A person whose address is verified, unless a practice has entered them."""

    account: Account
    profile: Profile
    creation: Turn
    """Saves the profile."""


class RegistrationStore(Protocol):
    """Writes are audited. Raises CommitFailure."""

    async def register(self, new: NewPatient) -> Account | None:
        """The account of the address, an earlier one if there is; ``None`` if there are several.

        A new account gets the record that a practice entered, if exactly one has the address and
        the date of birth, and was not missed too often; else the new profile.
        """
        ...


class PasskeyStore(Protocol):
    """Writes are audited. Raises CommitFailure."""

    async def begin(self, ceremony: Ceremony) -> None: ...

    async def take(self, handle_hash: str) -> Ceremony | None:
        """Remove a ceremony, so that it is answered once."""
        ...

    async def find(self, passkey_id: str) -> tuple[Passkey, Account] | None: ...

    async def use(self, passkey: Passkey) -> bool:
        """Store the count and the time; ``False`` if a higher count is stored."""
        ...

    async def of_account(self, account: AccountId) -> Sequence[Passkey]:
        """The oldest first."""
        ...

    async def add(self, by: Principal, request_id: str, passkey: Passkey) -> None:
        """Add one to an account. Raises ValidationFailed if it has ``PASSKEYS_MAX``."""
        ...

    async def remove(
        self, by: Principal, request_id: str, removal: "Removal"
    ) -> Sequence[SessionId] | None:
        """Remove a passkey of the account, and end its other sessions; ``None`` without one.

        Raises ValidationFailed for the last way in.
        """
        ...

    async def accept(self, request_id: str, accepted: Acceptance) -> Sequence[SessionId]:
        """Use an invitation, replace the passkeys of the account, and end its sessions.

        Answers the sessions. Raises InvalidToken if the invitation is not open any more.
        """
        ...

    async def forget(self, now: datetime) -> None:
        """Delete the ceremonies and the invitations that have expired."""
        ...


@value
class Removal:
    """Of a passkey by its person."""

    account_id: AccountId
    passkey_id: str
    session: SessionId
    """Goes on; all others of the account end."""
    provider_counts: bool
    """Whether an identity of the provider is another way in."""
    code_counts: bool
    """Whether a code by mail is."""
    at: datetime


@value
class MadePasskey:
    id: str
    public_key: bytes
    sign_count: int


class Authenticators(Protocol):
    """Checks what authenticators signed (WebAuthn). Raises InvalidToken."""

    def options(self, begun: Begun) -> dict[str, object]:
        """For ``navigator.credentials``: ``{"create": …}``, or ``{"get": …}``."""
        ...

    def id_of(self, credential: Mapping[str, object]) -> str: ...

    def made(self, credential: Mapping[str, object], challenge: bytes) -> MadePasskey: ...

    def used(self, credential: Mapping[str, object], challenge: bytes, passkey: Passkey) -> int:
        """The new count of the authenticator."""
        ...


class IdentityProvider(Protocol):
    """Another party that identifies people (OpenID Connect). Raises Unavailable."""

    @property
    def issuer(self) -> str: ...

    async def address(self, secrets: ProviderSecrets) -> str:
        """Where the browser goes to sign in."""
        ...

    async def person(
        self, code: str, secrets: ProviderSecrets, issuer: str | None
    ) -> ProvidedPerson:
        """Whom the provider identified when it sent ``code``.

        ``issuer`` is who claims to have sent it (RFC 9207). Raises InvalidToken.
        """
        ...


class ProviderStore(Protocol):
    """Writes are audited. Raises CommitFailure."""

    async def begin(self, begun: ProviderSignIn) -> None: ...

    async def take(self, handle_hash: str) -> ProviderSignIn | None:
        """Remove it, so that it is answered once."""
        ...

    async def account_of(self, issuer: str, subject: str) -> Account | None: ...

    async def people_with(self, email: str) -> Sequence[Profile]:
        """Active people with this e-mail address in any case; at most 2."""
        ...

    async def link(
        self, request_id: str, link: ProviderLink
    ) -> tuple[Account, Sequence[SessionId]]:
        """The account that signs in with the identity from now on, and sessions that ended.

        It is the account of another request if that was first. Raises InvalidToken if the
        invitation is not open any more, or its person got another account meanwhile.
        """
        ...


class SigningKeyStore(Protocol):
    """The hub's own keys; every node has the same. Raises CommitFailure."""

    async def all(self) -> Sequence[SigningKey]:
        """The newest first."""
        ...

    async def add(self, key: SigningKey, *, unless_since: datetime) -> None:
        """Add a key, unless there is one that was made since."""
        ...

    async def forget(self, before: datetime) -> None:
        """Delete the keys that were made before."""
        ...
