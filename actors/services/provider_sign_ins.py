"""Sign-in at an identity provider: begun in a browser, finished when it comes back.

A person is known by issuer and subject. The first time, an invitation says who they are, or what
the settings allow: an address that the provider has verified, or a new person of a role that
the provider names.
"""

import hmac
import secrets
from collections.abc import Collection
from dataclasses import replace

from actors.domain.events import ProfileSaved
from actors.domain.ids import ProfileId
from actors.domain.issuers import EXTERNAL, HUB
from actors.domain.principal import Principal, Role
from actors.domain.profile import UNNAMED, Profile
from actors.domain.provider import (
    PROVIDER_SIGN_IN_LIFE,
    ProvidedPerson,
    ProviderLink,
    ProviderProblem,
    ProviderRefused,
    ProviderSecrets,
    ProviderSignIn,
    provider_secrets,
)
from actors.domain.refusals import InvalidToken, Unavailable, ValidationFailed
from actors.domain.sign_in import (
    SECRET_BYTES,
    Account,
    AccountId,
    Invitation,
    SignInMethod,
    hashed,
    secret_of,
    secret_text,
)
from actors.domain.values import value
from actors.ports.clock import Clock, NewId
from actors.ports.commits import CommitFailure
from actors.ports.sign_in import AccountStore, IdentityProvider, ProviderStore
from actors.services.caller import Caller
from actors.services.directory import Directory
from actors.services.invitations import Invitations
from actors.services.practices import Practices
from actors.services.records import Records
from actors.services.sign_ins import SignedIn, SignIns

_SUBJECT = "identity provider"
"""Who creates people, in the audit."""


@value
class ProviderRules:
    """What the provider's word is worth beyond the identity."""

    trust_email: bool = False
    """Whether a verified address says who of the hub's people it is."""
    create_roles: Collection[Role] = ()
    """Roles of people who are created at their first sign-in."""
    checks_role: bool = False
    """Whether people sign in only while the provider names their role."""
    checks_practice: bool = False
    is_token_issuer: bool = False
    """Whether it issues the tokens of ``[auth]``, too, with the same subjects."""


@value
class ProviderReturn:
    """What the browser brings from the provider."""

    cookie: str
    state: str
    code: str | None
    """``None``: the provider refused."""
    issuer: str | None
    device: str
    request_id: str


class ProviderSignIns:
    def __init__(
        self,
        store: ProviderStore,
        provider: IdentityProvider,
        accounts: AccountStore,
        invitations: Invitations,
        sign_ins: SignIns,
        directory: Directory,
        practices: Practices,
        records: Records,
        rules: ProviderRules,
    ) -> None:
        self._store, self._provider, self._accounts = store, provider, accounts
        self._invitations, self._sign_ins = invitations, sign_ins
        self._directory, self._practices, self._records = directory, practices, records
        self._clock: Clock = records.clock
        self._new_id: NewId = records.new_id
        self._rules = rules

    async def begin(self, invitation: str | None, next_page: str | None) -> tuple[str, str]:
        """The browser's cookie, and the address of the provider where it goes.

        Raises InvalidToken for an invitation that is not open, and Unavailable.
        """
        found = await self._invitations.opened(invitation) if invitation else None
        cookie = secrets.token_bytes(SECRET_BYTES)
        address = await self._provider.address(provider_secrets(cookie))
        begun = ProviderSignIn(
            handle_hash=hashed(cookie),
            invitation_hash=found[0].token_hash if found else None,
            next_page=next_page,
            expires_at=self._clock.now() + PROVIDER_SIGN_IN_LIFE,
        )
        try:
            await self._store.begin(begun)
        except CommitFailure as error:
            raise Unavailable from error
        return secret_text(cookie), address

    async def finish(self, sent: ProviderReturn) -> tuple[SignedIn, str | None]:
        """A session, and the page that the person wanted. Raises ProviderRefused.

        What the browser began is used up, unless the state is of another browser.
        """
        try:
            begun, kept = await self._taken(sent)
            if sent.code is None:
                raise ProviderRefused(ProviderProblem.REFUSED, "the provider refused")
            provided = await self._provider.person(sent.code, kept, sent.issuer)
            account = await self._account(provided, begun, sent.request_id)
            signed_in = await self._sign_ins.begin(
                account, SignInMethod.PROVIDER, device=sent.device, request_id=sent.request_id
            )
        except InvalidToken as error:
            raise ProviderRefused(ProviderProblem.REFUSED, error.reason) from error
        except (Unavailable, CommitFailure) as error:
            raise ProviderRefused(ProviderProblem.UNAVAILABLE, type(error).__name__) from error
        return signed_in, begun.next_page

    async def _taken(self, sent: ProviderReturn) -> tuple[ProviderSignIn, ProviderSecrets]:
        cookie = secret_of(sent.cookie)
        if cookie is None:
            raise ProviderRefused(ProviderProblem.ENDED, "no cookie")
        kept = provider_secrets(cookie)
        if not hmac.compare_digest(kept.state.encode(), sent.state.encode()):
            raise ProviderRefused(ProviderProblem.ENDED, "the state of another browser")
        begun = await self._store.take(hashed(cookie))
        if begun is None or self._clock.now() >= begun.expires_at:
            raise ProviderRefused(ProviderProblem.ENDED, "answered before, or too late")
        return begun, kept

    async def _account(
        self, provided: ProvidedPerson, begun: ProviderSignIn, request_id: str
    ) -> Account:
        """Raises ProviderRefused."""
        known = await self._store.account_of(provided.issuer, provided.subject)
        if begun.invitation_hash is not None:
            return await self._invited(provided, begun.invitation_hash, known, request_id)
        if known is not None:
            self._check(provided, known.role, await self._person_of(known))
            return known
        found = await self._matched(provided)
        if found is None and provided.role is Role.ADMIN:
            return await self._new_admin(provided, request_id)
        found = found or await self._created(provided, request_id)
        self._check(provided, found.role, found)
        return await self._linked(provided, found, None, request_id)

    async def _person_of(self, account: Account) -> Profile | None:
        if account.role is Role.ADMIN:
            return None
        person = await self._directory.identities.get((HUB, account.subject))
        assert person is not None, "an account that is no admin's has a person"
        return person

    def _check(self, provided: ProvidedPerson, role: Role, person: Profile | None) -> None:
        """Whether a person may come in by the provider, as it describes them."""
        if not self._sign_ins.admits(role, SignInMethod.PROVIDER):
            raise ProviderRefused(ProviderProblem.PASSKEY, f"{role} signs in with a passkey")
        if person is None:
            return
        if not person.active:
            raise ProviderRefused(ProviderProblem.UNKNOWN, "the person is not active any more")
        if self._rules.checks_role and provided.role is not person.role:
            raise ProviderRefused(ProviderProblem.UNKNOWN, "the provider names another role")
        works = person.role in (Role.DENTIST, Role.STAFF)
        if self._rules.checks_practice and works and provided.practice != person.practice_id:
            raise ProviderRefused(ProviderProblem.UNKNOWN, "the provider names another practice")

    async def _invited(
        self, provided: ProvidedPerson, token_hash: str, known: Account | None, request_id: str
    ) -> Account:
        try:
            invitation, person = await self._invitations.opened_by(token_hash)
        except InvalidToken as error:
            raise ProviderRefused(ProviderProblem.INVITATION, error.reason) from error
        self._check(provided, invitation.role, person)
        if known is not None:
            raise ProviderRefused(ProviderProblem.INVITATION, "the identity is of another account")
        return await self._linked(provided, person, invitation, request_id)

    async def _matched(self, provided: ProvidedPerson) -> Profile | None:
        """The person whom the settings allow to recognise."""
        if self._rules.is_token_issuer:
            found = await self._directory.identities.get((EXTERNAL, provided.subject))
            if found is not None:
                return found
        if not (self._rules.trust_email and provided.email):
            return None
        people = await self._store.people_with(provided.email)
        return people[0] if len(people) == 1 else None

    async def _created(self, provided: ProvidedPerson, request_id: str) -> Profile:
        role = provided.role if self._rules.checks_role else Role.PATIENT
        if role is None or role not in self._rules.create_roles:
            raise ProviderRefused(ProviderProblem.UNKNOWN, "nobody has this identity")
        profile = Profile(
            id=ProfileId(self._new_id()),
            role=role,
            name=provided.name or UNNAMED,
            email=provided.email,
        )
        if role is not Role.PATIENT:
            profile = await self._employed(profile, provided)
        wanted = {"issuer": provided.issuer, "subject": provided.subject}
        caller = Caller(
            principal=Principal(role=Role.SYSTEM, subject=_SUBJECT),
            request_id=request_id,
            idempotency_key=hashed(repr(sorted(wanted.items())).encode()),
        )
        key = self._records.key(caller, "profile:provided", wanted)
        event = ProfileSaved(before=None, after=profile)
        reply = await self._records.save(caller, key, event, profile)
        if profile.practice_id:
            self._practices.calendar_cache.drop(profile.practice_id)
        return await self._directory.person(ProfileId(reply.resource_id))  # perhaps of another tab

    async def _employed(self, profile: Profile, provided: ProvidedPerson) -> Profile:
        try:
            practice = await self._practices.workplace(provided.practice)
        except ValidationFailed as error:
            raise ProviderRefused(ProviderProblem.UNKNOWN, "no such practice") from error
        if practice is None:
            raise ProviderRefused(ProviderProblem.UNKNOWN, "there is no practice")
        zone = practice.time_zone if profile.role is Role.DENTIST else None
        return replace(profile, practice_id=practice.id, time_zone=zone)

    async def _new_admin(self, provided: ProvidedPerson, request_id: str) -> Account:
        if Role.ADMIN not in self._rules.create_roles or provided.name is None:
            raise ProviderRefused(ProviderProblem.UNKNOWN, "nobody has this identity")
        self._check(provided, Role.ADMIN, None)
        link = self._link(provided, self._new_account(Role.ADMIN, provided.name), None)
        return (await self._store.link(request_id, link))[0]

    async def _linked(
        self,
        provided: ProvidedPerson,
        person: Profile | None,
        invitation: Invitation | None,
        request_id: str,
    ) -> Account:
        if person is not None:
            accounts = await self._accounts.of_person(person.id)
            new = self._new_account(person.role, None)
        else:
            assert invitation is not None, "only an invitation names an admin"
            accounts = await self._accounts.of_admin(invitation.name or "")
            new = self._new_account(Role.ADMIN, invitation.name)
        link = self._link(
            provided,
            accounts[0] if accounts else new,
            person,
            is_new=not accounts,
            invitation=invitation,
        )
        account, ended = await self._store.link(request_id, link)
        await self._sign_ins.disconnect(ended)
        return account

    def _link(
        self,
        provided: ProvidedPerson,
        account: Account,
        person: Profile | None,
        *,
        is_new: bool = True,
        invitation: Invitation | None = None,
    ) -> ProviderLink:
        return ProviderLink(
            issuer=provided.issuer,
            subject=provided.subject,
            account=account,
            person=person.id if person else None,
            is_new=is_new,
            invitation_id=invitation.id if invitation else None,
            at=self._clock.now(),
        )

    def _new_account(self, role: Role, name: str | None) -> Account:
        return Account(
            id=AccountId(self._new_id()), role=role, name=name, created_at=self._clock.now()
        )
