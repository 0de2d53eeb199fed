"""Registration of patients: a new profile, or the record that a practice entered.

What a browser sees is the same in all cases: a code is on its way; a right one signs in.
"""

from dataclasses import replace
from typing import Protocol

from actors.domain.announcements import announcements
from actors.domain.contact import with_country_code
from actors.domain.events import ProfileSaved
from actors.domain.ids import ProfileId
from actors.domain.outcome import Outcome
from actors.domain.principal import Role
from actors.domain.profile import Profile, check_date_of_birth
from actors.domain.refusals import RateLimited
from actors.domain.registration import REGISTERING, Newcomer, Registration, address_hash
from actors.domain.sign_in import CODE_LIFE, Account, AccountId, hashed
from actors.ports.clock import Clock, NewId
from actors.ports.commits import Turn
from actors.ports.sign_in import NewPatient, RegistrationStore
from actors.services.caller import Caller, idempotency_key
from actors.services.practices import Practices


class AddressAllowance(Protocol):
    """Counts mails to one address."""

    def take(self, scope: str) -> None:
        """Raises RateLimited."""
        ...


class Registrations:
    def __init__(
        self,
        store: RegistrationStore,
        practices: Practices,
        allowance: AddressAllowance,
        clock: Clock,
        new_id: NewId,
        *,
        region: str,
    ) -> None:
        """``region``: of telephone numbers without a country code, where no practice says."""
        self._store, self._practices, self._allowance = store, practices, allowance
        self._clock, self._new_id, self._region = clock, new_id, region

    async def checked(self, person: Newcomer) -> Newcomer:
        """With the number in the form of the practice's country. Raises ValidationFailed."""
        check_date_of_birth(person.date_of_birth, self._clock.now())
        region = await self._practices.region(await self._practices.only_one()) or self._region
        return replace(person, phone=with_country_code(person.phone, region))

    def may_send(self, email: str) -> bool:
        """Whether the address has not had many mails."""
        try:
            self._allowance.take(address_hash(email))
        except RateLimited:
            return False
        return True

    def begun(self, handle: bytes, person: Newcomer) -> Registration:
        return Registration(
            handle_hash=hashed(handle), person=person, expires_at=self._clock.now() + CODE_LIFE
        )

    async def account(self, registration: Registration, *, request_id: str) -> Account | None:
        """The account of the person, whose address is verified now.

        ``None``: several people sign in with the address. Raises CommitFailure.
        """
        person, now = registration.person, self._clock.now()
        profile = Profile(
            id=ProfileId(self._new_id()),
            role=Role.PATIENT,
            name=person.name,
            email=person.email,
            phone=person.phone,
            date_of_birth=person.date_of_birth,
            language=person.language,
        )
        account = Account(id=AccountId(self._new_id()), role=Role.PATIENT, created_at=now)
        creation = self._creation(profile, request_id)
        return await self._store.register(
            NewPatient(account=account, profile=profile, creation=creation)
        )

    def _creation(self, profile: Profile, request_id: str) -> Turn:
        caller = Caller(principal=REGISTERING, request_id=request_id)
        events = (ProfileSaved(before=None, after=profile),)
        return Turn(
            by=caller.principal,
            at=self._clock.now(),
            request_id=request_id,
            key=idempotency_key(caller, "profile:registered", {"id": profile.id}, self._new_id),
            events=events,
            announcements=announcements(events),
            outcome=Outcome.CREATED,
            resource_id=profile.id,
            version=profile.version,
            reply=profile,
        )
