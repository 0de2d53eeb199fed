"""Consents, as the hub checks them and as callers see them."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, select

from actors.domain.consent import Consent, ConsentId
from actors.domain.ids import PatientId
from actors.domain.principal import Principal
from store.sql.codec import CONSENT
from store.sql.readers import Readers, ReadTransaction
from store.sql.schema import consents

_c = consents.c


class ConsentRepository:
    """Implements :class:`actors.ports.consents.ConsentReads`."""

    def __init__(self, readers: Readers) -> None:
        self._readers = readers

    async def of_patient(self, patient_id: PatientId) -> tuple[Consent, ...]:
        return await _found(self._readers.hub(), _c.patient_id == patient_id)

    async def visible(self, principal: Principal, patient_id: PatientId) -> Sequence[Consent]:
        return await _found(self._readers.caller(principal), _c.patient_id == patient_id)

    async def get(self, principal: Principal, consent_id: ConsentId) -> Consent | None:
        found = await _found(self._readers.caller(principal), _c.id == consent_id)
        return found[0] if found else None


async def _found(reading: ReadTransaction, condition: ColumnElement[bool]) -> tuple[Consent, ...]:
    query = select(*CONSENT.columns).where(condition).order_by(_c.id)
    async with reading as connection:
        return tuple(CONSENT.read(row) for row in await connection.execute(query))
