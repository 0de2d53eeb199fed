"""The person of a verified token, created at a patient's first request."""

from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from actors.domain.events import ProfileSaved
from actors.domain.ids import DentistId, PatientId, ProfileId, parse_id
from actors.domain.issuers import EXTERNAL, IssuedSubject
from actors.domain.principal import Principal, Role
from actors.domain.profile import UNNAMED, Profile
from actors.domain.refusals import Forbidden, ValidationFailed, VersionConflict
from actors.domain.sign_in import SessionId
from actors.domain.values import value
from actors.ports.profiles import Profiles
from actors.services.caller import Caller
from actors.services.consents import ConsentCheck
from actors.services.directory import Directory
from actors.services.practices import Practices
from actors.services.records import Records


@value
class Claims:
    """The claims of a verified token, made by ``api/auth.py``."""

    subject: str
    issuer: str = EXTERNAL
    role: Role
    actor: str | None = None
    """RFC 8693 ``act.sub``: the chatbot using a patient's own token."""
    name: str | None = None
    email: str | None = None
    email_verified: bool = False
    phone: str | None = None
    expires_at: datetime
    key: str = ""
    """The id of the key that verified it, of a public key or of the shared secret."""
    session: SessionId | None = None
    """In which the hub itself issued it."""

    @property
    def identity(self) -> IssuedSubject:
        return self.issuer, self.subject

    @property
    def scope(self) -> str:
        """The scope of the token itself, for requests that are refused without a principal."""
        return f"{self.role}:{self.subject}|{self.actor or ''}"

    @property
    def party(self) -> str | None:
        """The chatbot that sends the request, for a patient or for itself."""
        return self.subject if self.role is Role.CHATBOT else self.actor


class Identity:
    """Resolves claims to the principal with whose rights a request is decided."""

    def __init__(
        self,
        profiles: Profiles,
        directory: Directory,
        practices: Practices,
        records: Records,
        consents: ConsentCheck,
        *,
        adopt_by_email: bool = True,
    ) -> None:
        """``adopt_by_email``: whether a new patient's token with a verified e-mail address gets
        the record that the clinic entered with it."""
        self._adopt_by_email = adopt_by_email
        self._profiles, self._consents, self._practices = profiles, consents, practices
        self._directory = directory
        self._records = records

    async def principal(
        self, claims: Claims, on_behalf_of: str | None = None, *, create: bool = True
    ) -> Principal:
        """The effective person of a token; ``create`` adds a profile for a new patient.

        Raises Forbidden for an unknown or inactive person, for staff without a practice, and for
        ``On-Behalf-Of`` by any role but chatbots; NotFound for an unknown patient there, who is
        not created; ConsentRequired for a chatbot that the patient has not consented to.
        """
        principal = await self._principal(claims, on_behalf_of, create=create)
        await self._consents.require(principal)
        return principal

    def known(self, claims: Claims) -> Principal | None:
        """The person of a token that no chatbot sends, from memory; ``None``: look them up."""
        if claims.party is not None or claims.role not in (Role.PATIENT, Role.DENTIST):
            return None
        profile = self._directory.identities.cached(claims.identity)
        if profile is None or profile.role is not claims.role or not profile.active:
            return None
        colleagues: tuple[DentistId, ...] | None = ()
        if profile.practice_id:
            colleagues = self._practices.known_colleagues(profile.practice_id)
        if colleagues is None:
            return None
        return Principal(
            role=claims.role,
            subject=claims.subject,
            person=profile.id,
            practice=profile.practice_id,
            colleagues=colleagues,
        )

    def forget(self, person: ProfileId) -> None:
        """Read the person and their consents again at the next request."""
        self._directory.drop(person)
        self._consents.cache.drop(PatientId(person))

    async def _principal(
        self, claims: Claims, on_behalf_of: str | None, *, create: bool
    ) -> Principal:
        if on_behalf_of is not None and claims.role is not Role.CHATBOT:
            raise Forbidden("Only a chatbot's service token may act on behalf of a patient")
        match claims.role:
            case Role.ADMIN | Role.CHATBOT if on_behalf_of is None:
                return Principal(role=claims.role, subject=claims.subject)
            case Role.CHATBOT:
                patient = await self._directory.patient(ProfileId(parse_id(on_behalf_of) or ""))
                return _acting(claims, Role.PATIENT, patient, claims.subject)
            case Role.DENTIST | Role.STAFF:
                return await self._working(claims)
            case Role.PATIENT:
                person = await self._patient(claims, create)
                return _acting(claims, Role.PATIENT, person, claims.actor)
            case _:
                raise Forbidden

    async def _working(self, claims: Claims) -> Principal:
        """A dentist or staff, with their practice and what it gives them rights to."""
        profile = await self._known(claims)
        calendars: tuple[DentistId, ...] = ()
        colleagues: tuple[DentistId, ...] = ()
        if profile.role is Role.STAFF:
            if profile.practice_id is None:
                raise Forbidden("This person works at no practice")
            calendars = await self._practices.calendars(profile.practice_id)
        elif profile.practice_id:
            colleagues = await self._practices.colleagues(profile.practice_id)
        return Principal(
            role=profile.role,
            subject=claims.subject,
            person=profile.id,
            practice=profile.practice_id,
            calendars=calendars,
            colleagues=colleagues,
        )

    async def _known(self, claims: Claims) -> Profile:
        profile = await self._directory.identities.get(claims.identity)
        if profile is None or profile.role is not claims.role:
            raise Forbidden(f"No {claims.role} is known for this token")
        if not profile.active:
            raise Forbidden("This person is not active any more")
        return profile

    async def _patient(self, claims: Claims, create: bool) -> ProfileId:
        """The known patient, an adopted profile of the clinic, or a new one from the claims."""
        new = create and claims.issuer == EXTERNAL
        if new and await self._directory.identities.get(claims.identity) is None:
            # A concurrent first request of the same token may have created the profile.
            with suppress(ValidationFailed, VersionConflict):
                await self._first_seen(claims)
        return (await self._known(claims)).id

    async def _first_seen(self, claims: Claims) -> None:
        before = await self._adoptable(claims)
        if before is None:
            after = Profile(
                id=ProfileId(self._records.new_id()),
                role=Role.PATIENT,
                name=claims.name or UNNAMED,
                subject=claims.subject,
                email=claims.email,
                phone=claims.phone,
            )
        else:
            after = replace(before, subject=claims.subject, version=before.version + 1)
        caller = Caller(
            principal=_acting(claims, Role.PATIENT, after.id, claims.actor),
            request_id=self._records.new_id(),
        )
        await self._records.save(
            caller,
            self._records.key(caller, "profile:first_seen", {"subject": claims.subject}),
            ProfileSaved(before=before, after=after),
            after,
        )
        self._directory.drop(after.id)

    async def _adoptable(self, claims: Claims) -> Profile | None:
        """The one patient the clinic entered with this e-mail, if the token proves it."""
        if not (self._adopt_by_email and claims.email and claims.email_verified):
            return None
        found = await self._profiles.adoptable(claims.email)
        return found[0] if len(found) == 1 else None


def _acting(claims: Claims, role: Role, person: ProfileId, actor: str | None) -> Principal:
    return Principal(role=role, subject=claims.subject, person=person, acting=actor)
