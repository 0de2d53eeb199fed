"""Consents of patients to chatbots: checked at each request, given, listed and ended."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final

from actors.domain.announcements import ConsentBody
from actors.domain.consent import Consent, ConsentId, allows, has_service_token
from actors.domain.events import ConsentSaved
from actors.domain.ids import PatientId, ProfileId
from actors.domain.principal import Principal, Role
from actors.domain.refusals import ConsentRequired, Forbidden, NotFound, ValidationFailed
from actors.domain.webhook import DisabledReason, concerned_patient, party_of
from actors.ports.clock import Clock
from actors.ports.commits import Reply
from actors.ports.consents import ConsentReads
from actors.ports.profiles import Connections, Profiles
from actors.services.cache import Cache
from actors.services.caller import Caller
from actors.services.chatbot_settings import ChatbotSettings
from actors.services.directory import Directory
from actors.services.records import Records, retried
from actors.services.requests import NewConsent, all_fields
from actors.services.suspension import Suspension

_MAX_AGE_S: Final = 30.0
"""A node that did not learn of a change reads the consents again after this time."""


class ConsentCheck:
    """Decides whether a chatbot may act for a patient now; consents are cached in memory."""

    def __init__(self, reads: ConsentReads, clock: Clock, settings: ChatbotSettings) -> None:
        self._clock, self._settings = clock, settings
        self.cache: Cache[PatientId, tuple[Consent, ...]] = Cache(
            reads.of_patient, max_age_s=_MAX_AGE_S, monotonic=clock.monotonic
        )

    async def require(self, principal: Principal) -> None:
        """Raise ConsentRequired unless the party that acts may do so.

        A service token needs a recorded consent, unless it is assumed. A token that the issuer
        made for the patient and the chatbot (``act``) is a consent itself. The patient can end
        either.
        """
        if principal.acting is None or principal.person is None:
            return
        by_default = self._settings.assumes_consent or not has_service_token(principal)
        consents = await self.cache.get(PatientId(principal.person)) or ()
        party, now = party_of(principal), self._clock.now()
        if not allows(consents, party, now, by_default=by_default):
            raise ConsentRequired


class Consents:
    """Gives, lists and ends consents: by the patient, or by staff for a patient who is there."""

    def __init__(
        self,
        *,
        reads: ConsentReads,
        profiles: Profiles,
        directory: Directory,
        records: Records,
        connections: Connections,
        suspension: Suspension,
        clock: Clock,
        settings: ChatbotSettings,
    ) -> None:
        self._reads, self._records = reads, records
        self._profiles, self._directory = profiles, directory
        self._connections, self._suspension = connections, suspension
        self._clock, self._lifetime = clock, timedelta(days=settings.consent_days)
        self.assumed = settings.assumes_consent

    async def page(self, caller: Caller, patient_id: ProfileId | None) -> Sequence[Consent]:
        """The consents of a patient, ended ones included, also of one who is not active."""
        patient = await self._patient(caller.principal, patient_id, only_active=False)
        return await self._reads.visible(caller.principal, patient)

    async def give(self, caller: Caller, new: NewConsent) -> Reply:
        """Record a consent, or renew the one that there is.

        Raises ValidationFailed, and Unavailable as ``end`` does.
        """
        patient = await self._patient(caller.principal, new.patient_id)
        key = self._records.key(caller, "consent:give", all_fields(new))
        now, by = self._clock.now(), caller.principal
        latest = now + self._lifetime
        expires_at = new.expires_at or latest
        if not now < expires_at <= latest:
            raise ValidationFailed.of("expires_at", "must lie in the lifetime of consents")

        async def save() -> Reply:
            known = await self._reads.of_patient(patient)
            before = next((each for each in known if each.party == new.party), None)
            after = Consent(
                id=before.id if before else ConsentId(self._records.new_id()),
                patient_id=patient,
                party=new.party,
                given_at=now,
                given_by=f"{by.role}:{by.subject}",
                expires_at=expires_at,
                version=before.version + 1 if before else 1,
            )
            event = ConsentSaved(before=before, after=after)
            return await self._records.save(caller, key, event, ConsentBody(consent=after))

        reply = await retried(None, save)
        await self._connections.recheck(ProfileId(patient))
        return reply

    async def end(self, caller: Caller, consent_id: ConsentId) -> None:
        """End a consent: the party's connections and webhooks for the patient end with it.

        Raises Unavailable if a node did not answer; the consent is ended then, and the call can
        be repeated.
        """
        _check_manager(caller.principal)
        key = self._records.key(caller, "consent:end", {"id": consent_id})

        async def save() -> Consent:
            before = await self._reads.get(caller.principal, consent_id)
            if before is None or not await self._is_own(caller.principal, before.patient_id):
                raise NotFound("consent")
            if before.ended_at is None:
                after = replace(before, ended_at=self._clock.now(), version=before.version + 1)
                event = ConsentSaved(before=before, after=after)
                await self._records.save(caller, key, event, ConsentBody(consent=after))
            return before

        ended = await retried(None, save)
        patient, reason = ended.patient_id, DisabledReason.CONSENT_ENDED
        await self._suspension.suspend(caller.principal, ended.party, patient, reason)
        await self._connections.recheck(ProfileId(patient))

    async def _patient(
        self, by: Principal, patient_id: ProfileId | None, *, only_active: bool = True
    ) -> PatientId:
        """Whose consents these are. Raises Forbidden for chatbots, and for foreign patients."""
        _check_manager(by)
        if (own := concerned_patient(by)) is not None:
            if patient_id not in (None, own):
                raise Forbidden
            return own
        if patient_id is None:
            raise ValidationFailed.of("patient_id", "is required")
        patient = PatientId((await self._directory.current(patient_id, Role.PATIENT)).id)
        if only_active:
            await self._directory.patient(patient_id)
        if not await self._is_own(by, patient):
            raise NotFound("patient")
        return patient

    async def _is_own(self, by: Principal, patient: PatientId) -> bool:
        """Whether the patient is theirs, of a dentist or staff; others are not limited here.

        That a dentist sees a colleague's patient is not enough.
        """
        if not by.works_at_practice:
            return True
        alone = replace(by, colleagues=())
        return await self._profiles.own_patient(alone, patient) is not None


def _check_manager(by: Principal) -> None:
    """Raise Forbidden for chatbots, also for those that act for a patient."""
    if by.acting is not None or by.role is Role.CHATBOT:
        raise Forbidden("A consent is given and ended by the patient, the practice or an admin")
