"""Reads of consents."""

from collections.abc import Sequence
from typing import Protocol

from actors.domain.consent import Consent, ConsentId
from actors.domain.ids import PatientId
from actors.domain.principal import Principal


class ConsentReads(Protocol):
    """Reads consents, the oldest first. Raises StoreUnavailable."""

    async def of_patient(self, patient_id: PatientId) -> tuple[Consent, ...]:
        """For the hub itself, which checks them."""
        ...

    async def visible(self, principal: Principal, patient_id: PatientId) -> Sequence[Consent]:
        """Those of a patient's consents that the principal may see.

        The patient, the patient's dentists and admins see all of them.
        """
        ...

    async def get(self, principal: Principal, consent_id: ConsentId) -> Consent | None:
        """One of those that the principal may see."""
        ...
